//! Traces against a server that reads by the official crate of OpenTelemetry's protocol.

use std::net::TcpListener;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as Kind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use serin_export::{Attribute, SpanFields, SpanKind, TraceCounters, Tracer};

use crate::LONG;
use crate::http_server::{Request, Server};
use crate::otlp::{attribute, text};

const SHORT: std::time::Duration = std::time::Duration::from_millis(200);

fn tracer(address: &str, fields: &str) -> Tracer {
    let yaml = format!("{{ otlp: {{ url: 'http://{address}/v1/traces', timeout: 1s }}, {fields} }}");
    Tracer::open(&serde_yaml::from_str(&yaml).unwrap(), "gull").unwrap()
}

fn fields(name: &str, failure: Option<&str>) -> SpanFields {
    let attributes = vec![
        ("serin.plugin", Attribute::Text(name.to_owned())),
        ("serin.events", Attribute::Count(7)),
        ("serin.age", Attribute::Seconds(0.5)),
    ];
    SpanFields {
        name: name.to_owned(),
        kind: SpanKind::Internal,
        start: 1_000,
        end: 3_000,
        attributes,
        failure: failure.map(str::to_owned),
    }
}

/// Sends a trace of two spans.
fn send(tracer: &Tracer) {
    let mut trace = tracer.begin().unwrap();
    trace.add(fields("part", Some("it trapped")));
    tracer.send(trace, fields("whole", None));
}

fn spans(request: &Request) -> (ExportTraceServiceRequest, Vec<Span>) {
    let request = ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap();
    let scopes = request.resource_spans.iter().flat_map(|of_resource| &of_resource.scope_spans);
    let spans = scopes.flat_map(|of_scope| of_scope.spans.clone()).collect();
    (request, spans)
}

fn counters(tracer: &Tracer) -> TraceCounters {
    tracer.monitor().counters()
}

#[test]
fn spans_are_what_opentelemetry_calls_spans() {
    let server = Server::new(vec![]);
    let mut tracer = tracer(&server.address.to_string(), "sample: 100%");
    send(&tracer);
    tracer.close(LONG);
    let request = server.next();
    assert_eq!(request.head[0], "POST /v1/traces HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
    let (request, spans) = spans(&request);
    let resource = &request.resource_spans[0].resource.as_ref().unwrap().attributes;
    assert_eq!(text(attribute(resource, "service.name")), "serin");
    assert_eq!(text(attribute(resource, "service.version")), env!("CARGO_PKG_VERSION"));
    assert_eq!(text(attribute(resource, "host.name")), "gull");
    let [whole, part] = spans.as_slice() else { panic!("not two spans: {request:?}") };
    assert_eq!((whole.name.as_str(), part.name.as_str()), ("whole", "part"));
    assert_eq!((whole.trace_id.len(), whole.span_id.len(), whole.parent_span_id.len()), (16, 8, 0));
    assert_eq!((&part.trace_id, &part.parent_span_id), (&whole.trace_id, &whole.span_id));
    assert_ne!(part.span_id, whole.span_id);
    assert_eq!((part.start_time_unix_nano, part.end_time_unix_nano), (1_000, 3_000));
    assert_eq!(part.kind(), Kind::Internal);
    assert_eq!(text(attribute(&part.attributes, "serin.plugin")), "part");
    let value = |key| attribute(&part.attributes, key).as_ref().unwrap().value.clone();
    assert_eq!(value("serin.events"), Some(Value::IntValue(7)));
    assert_eq!(value("serin.age"), Some(Value::DoubleValue(0.5)));
    let status = part.status.as_ref().unwrap();
    assert_eq!((status.code(), status.message.as_str()), (StatusCode::Error, "it trapped"));
    assert_eq!(whole.status, None);
    assert_eq!((counters(&tracer).sent, counters(&tracer).queued), (2, 0));
}

#[test]
fn what_comes_of_a_part_later_is_in_its_trace_and_what_comes_of_nothing_has_its_own() {
    let server = Server::new(vec![]);
    let mut tracer = tracer(&server.address.to_string(), "sample: 100%");
    let (mut trace, alone) = (tracer.begin().unwrap(), tracer.spans());
    let (of_part, of_whole) = (trace.add(fields("part", None)).unwrap(), trace.whole());
    tracer.send(trace, fields("whole", None));
    for parent in [Some(of_part), Some(of_whole), None] {
        alone.send(parent, SpanFields { kind: SpanKind::Client, ..fields("later", None) });
    }
    tracer.close(LONG);
    let mut all = Vec::new();
    while all.len() < 5 {
        all.extend(spans(&server.next()).1);
    }
    let [whole, part, of_part, of_whole, own] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((&of_part.trace_id, &of_part.parent_span_id), (&whole.trace_id, &part.span_id));
    assert_eq!((&of_whole.trace_id, &of_whole.parent_span_id), (&whole.trace_id, &whole.span_id));
    assert!(own.trace_id != whole.trace_id && own.trace_id.len() == 16 && own.parent_span_id.is_empty());
    assert!([of_part, of_whole, own].iter().all(|span| span.kind() == Kind::Client));
    alone.send(None, fields("too late", None));
    assert_eq!((counters(&tracer).sent, counters(&tracer).dropped), (5, 1));
}

#[test]
fn only_a_share_of_batches_has_traces() {
    let tracer = tracer("127.0.0.1:9", "sample: 25%");
    let begun = (0..10_000).filter(|_| tracer.begin().is_some()).count();
    assert!((2_000..3_000).contains(&begun), "{begun} of 10000");
    let drawn = (0..10_000).filter(|_| tracer.spans().draw()).count();
    assert!((2_000..3_000).contains(&drawn), "{drawn} of 10000");
}

#[test]
fn what_a_collector_that_is_away_does_not_take_is_counted() {
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut tracer = tracer(&away.to_string(), "sample: 100%, queue: 128");
    (0..1_000).for_each(|_| send(&tracer));
    assert!(counters(&tracer).dropped > 0, "{:?}", counters(&tracer));
    tracer.close(SHORT);
    let TraceCounters { sent, lost, dropped, queued, .. } = counters(&tracer);
    assert_eq!((sent, queued, lost + dropped), (0, 0, 2_000));
}

#[test]
fn a_collector_that_does_not_answer_holds_up_no_end() {
    // It takes connections, and that is all.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut tracer = tracer(&silent.local_addr().unwrap().to_string(), "sample: 100%");
    send(&tracer);
    tracer.close(SHORT);
    assert_eq!((counters(&tracer).sent, counters(&tracer).lost), (0, 2));
}

#[test]
fn what_the_collector_can_not_take_now_is_sent_again_and_what_it_rejects_is_lost() {
    let partial = ExportTracePartialSuccess { rejected_spans: 1, error_message: "too old".into() };
    let answer = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let server = Server::new(vec![(503, Vec::new()), (200, answer)]);
    let mut tracer = tracer(&server.address.to_string(), "sample: 100%");
    send(&tracer);
    let (first, again) = (server.next(), server.next());
    assert_eq!(first.body, again.body);
    tracer.close(LONG);
    let TraceCounters { sent, lost, dropped, retries, .. } = counters(&tracer);
    assert_eq!((sent, lost, dropped, retries), (1, 1, 0, 1));
}
