//! Events as JSON lines, exactly as Tetragon writes them.
//!
//! The shape is protojson of `tetragon.GetEventsResponse` with the names of the
//! .proto files: the event's name is the first key, zero values are left out,
//! wrapped numbers (`pid`, `uid`, `auid`, `tid`) are always there, 64-bit
//! integers are strings, times are RFC 3339 with nanoseconds.
//! <https://tetragon.io/docs/concepts/events/>,
//! <https://protobuf.dev/programming-guides/json/>
//!
//! What Tetragon has no place for stands under one more key, `serin`, which is
//! absent when there is nothing to tell. Two events are serin's own: `loss` and
//! `action_result`.

mod action;
mod cache;
mod encode;
mod kprobe;
mod process;

use self::cache::Cache;
pub use self::encode::timestamp;
use self::encode::{Object, string};
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
        let value = line.key(event.kind.name());
        match &event.kind {
            EventKind::Exec => self.with_process(event, value, |_| ()),
            EventKind::Exit { status, signal } => self.with_process(event, value, |object| {
                object.text("signal", &crate::signal::name(*signal));
                if *status != 0 {
                    object.number("status", *status);
                }
                object.time("time", event.time);
            }),
            EventKind::Kprobe(hook) => self.with_process(event, value, |object| kprobe::hook(hook, object)),
            EventKind::Loss { cpu, count } => {
                let mut loss = Object::open(value);
                loss.number("cpu", *cpu);
                loss.long("count", *count);
                loss.close();
            }
            EventKind::ActionResult(result) => action::result(result, value),
        }
        line.text("node_name", &event.node_name);
        line.time("time", event.time);
        additions(event, &mut line);
        line.close();
        out.push(b'\n');
    }

    fn with_process(&mut self, event: &Event, out: &mut Vec<u8>, rest: impl FnOnce(&mut Object<'_>)) {
        let mut object = Object::open(out);
        if let Some(process) = &event.process {
            self.processes.process(process, event.tid, object.key("process"));
        }
        if let Some(parent) = &event.parent {
            self.processes.process(parent, parent.pid, object.key("parent"));
        }
        rest(&mut object);
        object.close();
    }
}

/// Writes the key `serin` if the event has something that Tetragon's shape can't hold.
fn additions(event: &Event, line: &mut Object<'_>) {
    let hook = match &event.kind {
        EventKind::Kprobe(hook) if has_additions(hook) => Some(hook),
        _ => None,
    };
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
    hook.actions.len() > 1 || hook.selector != 0 || hook.failed_closed || hook.unenforced
}

fn hook_additions(hook: &Hook, object: &mut Object<'_>) {
    if hook.selector != 0 {
        object.number("selector", hook.selector);
    }
    if hook.actions.len() > 1 {
        object.array("actions", hook.actions.iter(), |action, out| string(action, out));
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
    object.string("plugin", &alert.plugin);
    object.string("severity", alert.severity.name());
    object.string("title", &alert.title);
    object.text("technique", &alert.technique);
    // A list of pairs and not an object: a plugin may give a key twice.
    object.array("fields", &alert.fields, |(key, value), out| {
        let mut field = Object::open(out);
        field.string("key", key);
        field.string("value", value);
        field.close();
    });
    object.close();
}
