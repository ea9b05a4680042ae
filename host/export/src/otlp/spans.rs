//! Spans of traces as OTLP has them.

use prost::Message as _;

use super::proto::Value;
use super::proto::{
    ExportTraceServiceRequest, KeyValue, Resource, ResourceSpans, ScopeSpans, SpanMessage, Status,
};
use super::{attribute, scope};
use crate::records::Records;
use crate::traces::{Attribute, Span, SpanKind};

/// `SPAN_KIND_INTERNAL`
const INTERNAL: i32 = 1;
/// `SPAN_KIND_CLIENT`
const CLIENT: i32 = 3;
/// `STATUS_CODE_ERROR`
const ERROR: i32 = 2;

/// A record is the span.
pub(crate) fn encode(span: &Span, out: &mut Vec<u8>) {
    let fields = &span.fields;
    let attributes = fields.attributes.iter().map(|(key, value)| {
        let value = match value {
            Attribute::Text(text) => Value::String(text.clone()),
            // There are never as many of anything.
            Attribute::Count(count) => Value::Int(i64::try_from(*count).unwrap_or(i64::MAX)),
            Attribute::Seconds(seconds) => Value::Double(*seconds),
        };
        KeyValue::new(key, value)
    });
    let message = SpanMessage {
        trace_id: span.trace.to_vec(),
        span_id: span.id.to_vec(),
        parent_span_id: span.parent.map(|id| id.to_vec()).unwrap_or_default(),
        name: fields.name.clone(),
        kind: match fields.kind {
            SpanKind::Internal => INTERNAL,
            SpanKind::Client => CLIENT,
        },
        start_time_unix_nano: fields.start,
        end_time_unix_nano: fields.end,
        attributes: attributes.collect(),
        status: fields.failure.clone().map(|message| Status { message, code: ERROR }),
    };
    out.extend_from_slice(&message.encode_to_vec());
}

/// The body of a request with these spans, which are all of the agent on `host`.
pub(crate) fn request(records: Records<'_>, host: &str) -> Vec<u8> {
    let attributes = vec![
        attribute("service.name", "serin"),
        attribute("service.version", env!("CARGO_PKG_VERSION")),
        attribute("host.name", host),
    ];
    let spans = records.iter().map(<[u8]>::to_vec).collect();
    let resource_spans = ResourceSpans {
        resource: Some(Resource { attributes }),
        scope_spans: vec![ScopeSpans { scope: Some(scope()), spans }],
    };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
}
