//! Events as protobuf messages: the same mapping as [`serin_event::json`], field by field.

mod argument;
mod process;
mod serin;
mod structure;

use std::sync::Arc;

use prost::Message;
use prost_reflect::{DynamicMessage, SerializeOptions};
use prost_types::Timestamp;
use serin_event::argument::Argument;
use serin_event::{Event, EventKind, Finding, Hook, Place, Probe, ProgramPlace, StackFrame, signal};

use crate::proto::get_events_response::Event as Kind;
use crate::proto::serin::ListPluginsResponse;
use crate::proto::{
    self, GetEventsResponse, KprobeAction, ListTracingPoliciesResponse, Loss, Process, ProcessExec,
    ProcessExit, ProcessKprobe, ProcessLoader, ProcessLsm, ProcessTracepoint, ProcessUprobe, ProcessUsdt,
    StackTraceEntry, descriptor, loss,
};

/// The message of an event.
pub fn to_message(event: &Event) -> GetEventsResponse {
    let process = event.process.as_ref().map(|process| process::process(process, event.tid));
    let parent = event.parent.as_ref().map(|parent| process::process(parent, parent.pid));
    GetEventsResponse {
        event: Some(kind(&event.kind, event.time, process, parent)),
        node_name: event.node_name.to_string(),
        time: Some(timestamp(event.time)),
        aggregation_info: None,
        serin: serin::additions(event),
    }
}

/// The message of a process by itself.
pub fn process_to_message(process: &serin_event::Process) -> Process {
    process::process(process, process.pid)
}

/// What happened, in these processes.
fn kind(kind: &EventKind, time: u64, process: Option<Process>, parent: Option<Process>) -> Kind {
    match kind {
        EventKind::Exec => Kind::ProcessExec(ProcessExec { process, parent }),
        EventKind::Exit { status, signal } => Kind::ProcessExit(ProcessExit {
            process,
            parent,
            signal: signal::name(*signal).to_string(),
            status: u32::from(*status),
            time: Some(timestamp(time)),
        }),
        EventKind::Kprobe(hook) => match &hook.place {
            Place::Function => Kind::ProcessKprobe(ProcessKprobe { process, parent, ..kprobe(hook) }),
            Place::Lsm => Kind::ProcessLsm(ProcessLsm { process, parent, ..lsm(hook) }),
            Place::Tracepoint => {
                Kind::ProcessTracepoint(ProcessTracepoint { process, parent, ..tracepoint(hook) })
            }
            Place::Program(place) => {
                Kind::ProcessUprobe(ProcessUprobe { process, parent, ..uprobe(hook, place) })
            }
            Place::Probe(probe) => Kind::ProcessUsdt(ProcessUsdt { process, parent, ..usdt(hook, probe) }),
        },
        EventKind::Loader(mapping) => Kind::ProcessLoader(ProcessLoader {
            process,
            path: mapping.path.clone(),
            buildid: mapping.build_id.clone(),
            parent,
        }),
        EventKind::Loss { cpu, count } => {
            Kind::Loss(Loss { at: Some(loss::At::Cpu(u32::from(*cpu))), count: *count })
        }
        EventKind::ActionResult(result) => Kind::ActionResult(serin::action_result(result)),
        EventKind::Alert(found) => {
            Kind::Alert(Box::new(proto::Finding { process, parent, ..finding(found, time) }))
        }
        EventKind::PluginError(error) => Kind::PluginError(serin::plugin_error(error)),
    }
}

fn kprobe(hook: &Hook) -> ProcessKprobe {
    let returned = hook.returned.as_ref();
    ProcessKprobe {
        function_name: hook.function_name.to_string(),
        args: arguments(&hook.arguments),
        data: arguments(&hook.data),
        r#return: returned.map(|(value, label)| argument::argument(value, label)),
        kernel_stack_trace: hook.kernel_stack.iter().map(frame).collect(),
        user_stack_trace: hook.user_stack.iter().map(frame).collect(),
        action: action(&hook.actions).into(),
        return_action: action(&hook.return_actions).into(),
        policy_name: hook.policy_name.to_string(),
        message: hook.message.to_string(),
        tags: hook.tags.to_vec(),
        ..ProcessKprobe::default()
    }
}

/// Policies can't ask what an LSM hook returns.
fn lsm(hook: &Hook) -> ProcessLsm {
    ProcessLsm {
        ima_hash: hook.ima_hash.as_deref().unwrap_or_default().into(),
        function_name: hook.function_name.to_string(),
        args: arguments(&hook.arguments),
        action: action(&hook.actions).into(),
        policy_name: hook.policy_name.to_string(),
        message: hook.message.to_string(),
        tags: hook.tags.to_vec(),
        ..ProcessLsm::default()
    }
}

fn tracepoint(hook: &Hook) -> ProcessTracepoint {
    let (subsystem, event) = hook.tracepoint();
    ProcessTracepoint {
        subsys: subsystem.into(),
        event: event.into(),
        args: arguments(&hook.arguments),
        policy_name: hook.policy_name.to_string(),
        action: action(&hook.actions).into(),
        message: hook.message.to_string(),
        tags: hook.tags.to_vec(),
        ..ProcessTracepoint::default()
    }
}

fn uprobe(hook: &Hook, place: &ProgramPlace) -> ProcessUprobe {
    ProcessUprobe {
        path: place.path.clone(),
        symbol: place.symbol.clone(),
        offset: place.offset,
        ref_ctr_offset: place.counter,
        args: arguments(&hook.arguments),
        data: arguments(&hook.data),
        r#return: hook.returned.as_ref().map(|(value, label)| argument::argument(value, label)),
        policy_name: hook.policy_name.to_string(),
        action: action(&hook.actions).into(),
        return_action: action(&hook.return_actions).into(),
        message: hook.message.to_string(),
        tags: hook.tags.to_vec(),
        ..ProcessUprobe::default()
    }
}

fn usdt(hook: &Hook, probe: &Probe) -> ProcessUsdt {
    ProcessUsdt {
        path: probe.path.clone(),
        provider: probe.provider.clone(),
        name: probe.name.clone(),
        args: arguments(&hook.arguments),
        policy_name: hook.policy_name.to_string(),
        action: action(&hook.actions).into(),
        message: hook.message.to_string(),
        tags: hook.tags.to_vec(),
        ..ProcessUsdt::default()
    }
}

fn frame(frame: &StackFrame) -> StackTraceEntry {
    let StackFrame { address, offset, symbol, module } = frame;
    StackTraceEntry { address: *address, offset: *offset, symbol: symbol.clone(), module: module.to_string() }
}

fn arguments(all: &[(Argument, Arc<str>)]) -> Vec<proto::KprobeArgument> {
    all.iter().map(|(value, label)| argument::argument(value, label)).collect()
}

/// Tetragon tells only the last of several actions.
fn action(actions: &[&str]) -> KprobeAction {
    actions.last().and_then(|name| KprobeAction::from_str_name(name)).unwrap_or_default()
}

fn finding(finding: &Finding, time: u64) -> proto::Finding {
    let proto::Alert { plugin, severity, title, techniques, fields, rule, key } =
        serin::alert(&finding.alert);
    let event = Some(kind(&finding.trigger, time, None, None));
    let trigger = Some(Box::new(GetEventsResponse { event, ..GetEventsResponse::default() }));
    let (process, parent) = (None, None);
    proto::Finding { process, parent, plugin, rule, severity, title, techniques, key, fields, trigger }
}

/// From nanoseconds since the Unix epoch.
pub fn timestamp(nanoseconds: u64) -> Timestamp {
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

/// The plugins of an agent in JSON, like events.
pub fn plugins_json(plugins: &ListPluginsResponse) -> Option<String> {
    to_json(&look_at_own("ListPluginsResponse", plugins)?)
}

/// The same message, to be looked at by the names of its fields.
pub fn reflect(event: &GetEventsResponse) -> Option<DynamicMessage> {
    look_at("GetEventsResponse", event)
}

fn look_at(name: &str, message: &impl Message) -> Option<DynamicMessage> {
    DynamicMessage::decode(descriptor(name)?, message.encode_to_vec().as_slice()).ok()
}

fn look_at_own(name: &str, message: &impl Message) -> Option<DynamicMessage> {
    let descriptor = proto::message(&format!("serin.v1alpha1.{name}"))?;
    DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).ok()
}

fn to_json(message: &DynamicMessage) -> Option<String> {
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(true);
    let mut out = Vec::new();
    message.serialize_with_options(&mut serde_json::Serializer::new(&mut out), &options).ok()?;
    String::from_utf8(out).ok()
}
