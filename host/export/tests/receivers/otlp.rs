//! The sink `otlp` against a server that reads by the official crate of OpenTelemetry's protocol.

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use prost::Message as _;

use crate::http_server::Server;
use crate::{LONG, count, counters, events, exporter};

pub(crate) fn text(value: &Option<AnyValue>) -> &str {
    match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        other => panic!("no text but {other:?}"),
    }
}

pub(crate) fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> &'a Option<AnyValue> {
    &attributes.iter().find(|attribute| attribute.key == key).unwrap_or_else(|| panic!("no {key}")).value
}

#[test]
fn records_are_what_opentelemetry_calls_records() {
    let server = Server::new(vec![]);
    let mut exporter = exporter(&format!("- otlp: {{ url: 'http://{}/v1/logs' }}", server.address));
    exporter.export(events(1, 2)).unwrap();
    exporter.close(LONG);
    let request = server.next();
    assert_eq!(request.head[0], "POST /v1/logs HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
    let request = ExportLogsServiceRequest::decode(request.body.as_slice()).unwrap();
    let [of_resource] = request.resource_logs.as_slice() else { panic!("not one resource: {request:?}") };
    let resource = &of_resource.resource.as_ref().unwrap().attributes;
    assert_eq!(text(attribute(resource, "service.name")), "serin");
    assert_eq!(text(attribute(resource, "host.name")), "gull");
    let [of_scope] = of_resource.scope_logs.as_slice() else { panic!("not one scope: {request:?}") };
    assert_eq!(of_scope.scope.as_ref().unwrap().name, "serin");
    let counts: Vec<_> = of_scope.log_records.iter().map(|record| count(text(&record.body))).collect();
    assert_eq!(counts, [1, 2]);
    let record = &of_scope.log_records[0];
    assert_eq!(record.time_unix_nano, 1_700_000_000_123_456_789);
    assert_eq!(record.severity_number(), SeverityNumber::Warn);
    assert_eq!((record.severity_text.as_str(), record.event_name.as_str()), ("medium", "loss"));
    assert_eq!(text(attribute(&record.attributes, "process.executable.path")), "/usr/bin/ln");
    let pid = attribute(&record.attributes, "process.pid").as_ref().unwrap();
    assert_eq!(pid.value, Some(Value::IntValue(7)));
}

#[test]
fn rejected_records_are_lost() {
    let partial = ExportLogsPartialSuccess { rejected_log_records: 2, error_message: "too old".into() };
    let answer = ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let server = Server::new(vec![(200, answer)]);
    let mut exporter = exporter(&format!("- otlp: {{ url: 'http://{}' }}", server.address));
    exporter.export(events(1, 5)).unwrap();
    exporter.close(LONG);
    let counters = counters(&exporter);
    assert_eq!((counters.written, counters.lost), (3, 2));
}
