//! The sink `otlp`: OpenTelemetry log records by HTTP, as protobuf.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

mod proto;
pub(crate) mod spans;

use std::io;

use prost::Message as _;
use serin_event::{Event, EventKind, Severity};

use self::proto::{
    AnyValue, ExportLogsServiceRequest, ExportLogsServiceResponse, InstrumentationScope, KeyValue, LogRecord,
    Resource, ResourceLogs, ScopeLogs, Stored, Value,
};
use crate::config::HttpConfig;
use crate::peer::Peer;
use crate::post::Post;
use crate::records::Records;
use crate::sink::Unwritten;
use crate::weight::weight;

/// A collector of OpenTelemetry logs.
pub(crate) struct Otlp(Post);

impl Otlp {
    pub(crate) fn new(config: &HttpConfig) -> io::Result<Self> {
        Ok(Self(Post::new(config, "application/x-protobuf")?))
    }
}

impl Peer for Otlp {
    fn send(&mut self, records: Records<'_>) -> Result<(), Unwritten> {
        self.0.send(records, |part| request(part).encode_to_vec(), rejected)
    }
}

/// A record is the event as a log record, with the name of its host.
pub(crate) fn encode(event: &Event, text: &[u8], out: &mut Vec<u8>) {
    let stored = Stored { host: event.node_name.to_string(), record: record(event, text).encode_to_vec() };
    out.extend_from_slice(&stored.encode_to_vec());
}

/// How many records the server says it has not taken; of spans it says so by the same fields.
pub(crate) fn rejected(answer: &[u8]) -> usize {
    let answer = ExportLogsServiceResponse::decode(answer).unwrap_or_default();
    let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_log_records);
    usize::try_from(rejected).unwrap_or(0)
}

/// Events that follow each other and are of one host share a resource: those of one agent are, unless the host was
/// given another name while they waited on the disk.
fn request(records: Records<'_>) -> ExportLogsServiceRequest {
    let mut resource_logs: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
    for bytes in records.iter() {
        // What `encode` has written can be read.
        let Stored { host, record } = Stored::decode(bytes).unwrap_or_default();
        match resource_logs.last_mut() {
            Some((same, records)) if *same == host => records.push(record),
            _ => resource_logs.push((host, vec![record])),
        }
    }
    let of_host = |(host, records)| resource(host, records);
    ExportLogsServiceRequest { resource_logs: resource_logs.into_iter().map(of_host).collect() }
}

fn resource(host: String, log_records: Vec<Vec<u8>>) -> ResourceLogs {
    let attributes = vec![attribute("service.name", "serin"), attribute("host.name", &host)];
    ResourceLogs {
        resource: Some(Resource { attributes }),
        scope_logs: vec![ScopeLogs { scope: Some(scope()), log_records }],
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope { name: "serin".into(), version: env!("CARGO_PKG_VERSION").into() }
}

/// The body is the event as JSON; what one searches by stands in attributes, by OpenTelemetry's names.
fn record(event: &Event, text: &[u8]) -> LogRecord {
    let mut attributes = Vec::new();
    if let Some(process) = &event.process {
        attributes.push(attribute("process.executable.path", &process.binary));
        attributes.push(KeyValue::new("process.pid", Value::Int(process.pid.into())));
        if let Some(id) = process.container_id() {
            attributes.push(attribute("container.id", id));
        }
    }
    if let EventKind::Kprobe(hook) = &event.kind {
        attributes.push(attribute("serin.policy", &hook.policy_name));
        attributes.push(attribute("code.function.name", &hook.function_name));
    }
    let severity = weight(event);
    LogRecord {
        time_unix_nano: event.time,
        observed_time_unix_nano: event.time,
        severity_number: number(severity),
        severity_text: severity.name().to_owned(),
        body: Some(AnyValue { value: Some(Value::String(String::from_utf8_lossy(text).into_owned())) }),
        attributes,
        event_name: event.kind.name().to_owned(),
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue::new(key, Value::String(value.to_owned()))
}

/// <https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber>
const fn number(severity: Severity) -> i32 {
    match severity {
        Severity::Info => 9,
        Severity::Low => 10,
        Severity::Medium => 13,
        Severity::High => 17,
        Severity::Critical => 21,
    }
}
