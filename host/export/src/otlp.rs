//! The sink `otlp`: OpenTelemetry log records by HTTP, as protobuf.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

mod proto;

use std::io;

use prost::Message as _;
use serin_event::{Event, EventKind, Severity};

use self::proto::{
    AnyValue, ExportLogsServiceRequest, ExportLogsServiceResponse, InstrumentationScope, KeyValue, LogRecord,
    Resource, ResourceLogs, ScopeLogs, Value,
};
use crate::batch::Batch;
use crate::config::HttpConfig;
use crate::post::Post;
use crate::sink::{Sink, Unwritten};
use crate::weight::weight;

/// A collector of OpenTelemetry logs.
pub(crate) struct Otlp(Post);

impl Otlp {
    pub(crate) fn new(config: &HttpConfig) -> io::Result<Self> {
        Ok(Self(Post::new(config, "application/x-protobuf")?))
    }
}

impl Sink for Otlp {
    fn write(&mut self, batch: Batch<'_>) -> Result<(), Unwritten> {
        self.0.send(batch, |part| request(part).encode_to_vec(), rejected)
    }
}

/// How many records the server says it has not taken.
fn rejected(answer: &[u8]) -> usize {
    let answer = ExportLogsServiceResponse::decode(answer).unwrap_or_default();
    let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_log_records);
    usize::try_from(rejected).unwrap_or(0)
}

/// All events of an agent are of one host.
fn request(batch: Batch<'_>) -> ExportLogsServiceRequest {
    let host = batch.iter().next().map(|(event, _)| event.node_name.to_string()).unwrap_or_default();
    let scope = InstrumentationScope { name: "serin".into(), version: env!("CARGO_PKG_VERSION").into() };
    let log_records = batch.iter().map(|(event, text)| record(event, text)).collect();
    let attributes = vec![attribute("service.name", "serin"), attribute("host.name", &host)];
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource { attributes }),
            scope_logs: vec![ScopeLogs { scope: Some(scope), log_records }],
        }],
    }
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
