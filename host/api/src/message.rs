//! Events as protobuf messages: the same mapping as [`serin_event::json`], field by field.

mod argument;
mod process;
mod serin;
mod structure;

use prost::Message;
use prost_reflect::{DynamicMessage, SerializeOptions};
use prost_types::Timestamp;
use serin_event::{Event, EventKind, Hook, signal};

use crate::proto::get_events_response::Event as Kind;
use crate::proto::{
    GetEventsResponse, KprobeAction, ListTracingPoliciesResponse, Loss, ProcessExec, ProcessExit,
    ProcessKprobe, descriptor, loss,
};

/// The message of an event.
pub fn to_message(event: &Event) -> GetEventsResponse {
    let process = event.process.as_ref().map(|process| process::process(process, event.tid));
    let parent = event.parent.as_ref().map(|parent| process::process(parent, parent.pid));
    let kind = match &event.kind {
        EventKind::Exec => Kind::ProcessExec(ProcessExec { process, parent }),
        EventKind::Exit { status, signal } => Kind::ProcessExit(ProcessExit {
            process,
            parent,
            signal: signal::name(*signal).to_string(),
            status: u32::from(*status),
            time: Some(timestamp(event.time)),
        }),
        EventKind::Kprobe(hook) => Kind::ProcessKprobe(ProcessKprobe { process, parent, ..kprobe(hook) }),
        EventKind::Loss { cpu, count } => {
            Kind::Loss(Loss { at: Some(loss::At::Cpu(u32::from(*cpu))), count: *count })
        }
        EventKind::ActionResult(result) => Kind::ActionResult(serin::action_result(result)),
    };
    GetEventsResponse {
        event: Some(kind),
        node_name: event.node_name.to_string(),
        time: Some(timestamp(event.time)),
        serin: serin::additions(event),
    }
}

fn kprobe(hook: &Hook) -> ProcessKprobe {
    // Tetragon tells only the last of several actions.
    let action = hook.actions.last().and_then(|name| KprobeAction::from_str_name(name));
    ProcessKprobe {
        function_name: hook.function_name.to_string(),
        args: hook.arguments.iter().map(|(value, label)| argument::argument(value, label)).collect(),
        action: action.unwrap_or_default().into(),
        policy_name: hook.policy_name.to_string(),
        message: hook.message.to_string(),
        tags: hook.tags.to_vec(),
        ..ProcessKprobe::default()
    }
}

/// From nanoseconds since the Unix epoch.
pub(crate) fn timestamp(nanoseconds: u64) -> Timestamp {
    Timestamp { seconds: (nanoseconds / 1_000_000_000) as i64, nanos: (nanoseconds % 1_000_000_000) as i32 }
}

/// An event as Tetragon's clients print it: protojson with the names of the .proto files, on one line.
///
/// It is what [`serin_event::json`] writes, but for the order of the keys. `None` if the message was built by hand and
/// has a number that its enumeration lacks.
pub fn json(event: &GetEventsResponse) -> Option<String> {
    to_json(&reflect(event)?)
}

/// Policies in JSON, like events.
pub fn policies_json(policies: &ListTracingPoliciesResponse) -> Option<String> {
    to_json(&look_at("ListTracingPoliciesResponse", policies)?)
}

/// The same message, to be looked at by the names of its fields.
pub(crate) fn reflect(event: &GetEventsResponse) -> Option<DynamicMessage> {
    look_at("GetEventsResponse", event)
}

fn look_at(name: &str, message: &impl Message) -> Option<DynamicMessage> {
    DynamicMessage::decode(descriptor(name)?, message.encode_to_vec().as_slice()).ok()
}

fn to_json(message: &DynamicMessage) -> Option<String> {
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(true);
    let mut out = Vec::new();
    message.serialize_with_options(&mut serde_json::Serializer::new(&mut out), &options).ok()?;
    String::from_utf8(out).ok()
}
