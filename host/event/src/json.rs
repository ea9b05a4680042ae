//! Events as JSON lines, exactly as Tetragon writes them; and read back.
//!
//! The shape is protojson of `tetragon.GetEventsResponse` with the names of the
//! .proto files: the event's name is the first key, zero values are left out,
//! wrapped numbers (`pid`, `uid`, `auid`, `tid`) are always there, 64-bit
//! integers are strings, times are RFC 3339 with nanoseconds.
//! <https://tetragon.io/docs/concepts/events/>,
//! <https://protobuf.dev/programming-guides/json/>
//!
//! What Tetragon has no place for stands under one more key, `serin`, which is
//! absent when there is nothing to tell. Four events are serin's own: `loss`,
//! `action_result`, `alert` and `plugin_error`.

mod action;
mod cache;
mod encode;
mod kprobe;
mod process;
mod read;

use self::cache::Cache;
pub use self::encode::timestamp;
use self::encode::{Object, string};
pub use self::read::{ReadError, read};
use crate::event::{Alert, Annotation, Event, EventKind, Hook};

/// Writes events as JSON lines.
///
/// It remembers the processes it wrote last, so keep one for a stream of events.
///
/// ```
/// # use std::sync::Arc;
/// # use serin_event::{Event, EventKind, json};
/// let event = Event {
///     time: 1_700_000_000_000_000_000,
///     node_name: Arc::from("gull"),
///     kind: EventKind::Loss { cpu: 3, count: 12 },
///     process: None,
///     parent: None,
///     tid: 0,
///     annotations: Vec::new(),
///     alerts: Vec::new(),
/// };
/// let mut lines = Vec::new();
/// json::Encoder::default().write(&event, &mut lines);
/// let expected = r#"{"loss":{"cpu":3,"count":"12"},"node_name":"gull","time":"2023-11-14T22:13:20Z"}"#;
/// assert_eq!(lines, format!("{expected}\n").into_bytes());
/// ```
pub struct Encoder {
    processes: Cache,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { processes: Cache::new() }
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Encoder {
    /// Appends an event and a newline. The line is valid UTF-8 and has no other newline in it.
    pub fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        let mut line = Object::open(out);
        let mut object = Object::open(line.key(event.kind.name()));
        if let Some(process) = &event.process {
            self.processes.process(process, event.tid, object.key("process"));
        }
        if let Some(parent) = &event.parent {
            self.processes.process(parent, parent.pid, object.key("parent"));
        }
        details(&event.kind, event.time, &mut object);
        object.close();
        line.text("node_name", &event.node_name);
        line.time("time", event.time);
        additions(event, &mut line);
        line.close();
        out.push(b'\n');
    }
}

/// What an event of this kind has beside its process.
fn details(kind: &EventKind, time: u64, object: &mut Object<'_>) {
    match kind {
        EventKind::Exec => {}
        EventKind::Exit { status, signal } => {
            object.text("signal", &crate::signal::name(*signal));
            if *status != 0 {
                object.number("status", *status);
            }
            object.time("time", time);
        }
        EventKind::Kprobe(hook) => kprobe::hook(hook, object),
        EventKind::Loader(mapping) => {
            object.text("path", &mapping.path);
            if !mapping.build_id.is_empty() {
                object.bytes("buildid", &mapping.build_id);
            }
        }
        EventKind::Loss { cpu, count } => {
            object.number("cpu", *cpu);
            object.long("count", *count);
        }
        EventKind::ActionResult(result) => action::result(result, object),
        EventKind::Alert(finding) => {
            alert_fields(&finding.alert, object);
            let mut trigger = Object::open(object.key("trigger"));
            let mut event = Object::open(trigger.key(finding.trigger.name()));
            details(&finding.trigger, time, &mut event);
            event.close();
            trigger.close();
        }
        EventKind::PluginError(error) => {
            object.string("plugin", &error.plugin);
            object.string("reason", &error.reason);
            object.long("failures", error.failures);
        }
    }
}

/// Writes the key `serin` if the event has something that Tetragon's shape can't hold.
fn additions(event: &Event, line: &mut Object<'_>) {
    let hook = event.kind.hook().filter(|hook| has_additions(hook));
    if hook.is_none() && event.annotations.is_empty() && event.alerts.is_empty() {
        return;
    }
    let mut object = Object::open(line.key("serin"));
    if let Some(hook) = hook {
        hook_additions(hook, &mut object);
    }
    object.array("annotations", &event.annotations, annotation);
    object.array("alerts", &event.alerts, alert);
    object.close();
}

fn has_additions(hook: &Hook) -> bool {
    hook.actions.len() > 1
        || hook.return_actions.len() > 1
        || hook.selector != 0
        || hook.failed_closed
        || hook.unenforced
}

fn hook_additions(hook: &Hook, object: &mut Object<'_>) {
    if hook.selector != 0 {
        object.number("selector", hook.selector);
    }
    for (name, actions) in [("actions", &hook.actions), ("return_actions", &hook.return_actions)] {
        if actions.len() > 1 {
            object.array(name, actions.iter(), |action, out| string(action, out));
        }
    }
    for (name, holds) in [("failed_closed", hook.failed_closed), ("unenforced", hook.unenforced)] {
        if holds {
            object.key(name).extend_from_slice(b"true");
        }
    }
}

fn annotation(annotation: &Annotation, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.string("plugin", &annotation.plugin);
    object.string("key", &annotation.key);
    object.string("value", &annotation.value);
    object.close();
}

fn alert(alert: &Alert, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    alert_fields(alert, &mut object);
    object.close();
}

fn alert_fields(alert: &Alert, object: &mut Object<'_>) {
    object.string("plugin", &alert.plugin);
    object.text("rule", &alert.rule);
    object.string("severity", alert.severity.name());
    object.string("title", &alert.title);
    object.array("techniques", &alert.techniques, |technique, out| string(technique, out));
    object.text("key", &alert.key);
    // A list of pairs and not an object: a plugin may give a key twice.
    object.array("fields", &alert.fields, |(key, value), out| {
        let mut field = Object::open(out);
        field.string("key", key);
        field.string("value", value);
        field.close();
    });
}
