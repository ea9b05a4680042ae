//! Events as records of a frame.

use std::ops::Range;
use std::sync::Arc;

use serin_event::action::{Action, ActionResult, Method, Outcome, Source};
use serin_event::argument::Argument;
use serin_event::process::Flags;
use serin_event::{Annotation, Event, EventKind, Hook, Process};
use serin_frame::{
    ActionResultWriter, ArgumentWriter, EventWriter, FrameWriter, KprobeWriter, ProcessWriter,
};

use crate::subscription::kind_of;

/// Processes that are remembered; a power of two.
const REMEMBERED: usize = 64;

/// Writes events, and copies processes that it has written before: events come in bursts of few processes.
#[derive(Debug)]
pub(crate) struct Encoder {
    /// Where the last process with this hash of its address lies. The addresses
    /// stand for the same processes as long as their events are in the batch.
    written: Vec<(usize, Range<usize>)>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { written: vec![(0, 0..0); REMEMBERED] }
    }
}

impl Encoder {
    /// Forgets the processes; to be called whenever the writer is cleared.
    pub(crate) fn clear(&mut self) {
        self.written.fill((0, 0..0));
    }

    /// Writes an event and tells where its record lies.
    pub(crate) fn event(&mut self, writer: &mut FrameWriter, event: &Event) -> Range<usize> {
        writer.record(|to| {
            to.time(event.time).kind_code(kind_of(event).code()).tid(event.tid).node_name(&event.node_name);
            if let Some(of) = &event.process {
                match self.find(of) {
                    Some(written) => _ = to.copy_process(written),
                    None => self.remember(of, process(&mut to.process(), of)),
                }
            }
            if let Some(of) = &event.parent {
                match self.find(of) {
                    Some(written) => _ = to.copy_parent(written),
                    None => self.remember(of, process(&mut to.parent(), of)),
                }
            }
            kind(to, &event.kind);
            findings(to, event);
        })
    }

    fn find(&self, process: &Arc<Process>) -> Option<Range<usize>> {
        let (address, slot) = slot(process);
        let (owner, written) = self.written.get(slot)?;
        (*owner == address).then(|| written.clone())
    }

    fn remember(&mut self, process: &Arc<Process>, written: Range<usize>) {
        let (address, slot) = slot(process);
        if let Some(place) = self.written.get_mut(slot) {
            *place = (address, written);
        }
    }
}

fn slot(process: &Arc<Process>) -> (usize, usize) {
    let address = Arc::as_ptr(process).addr();
    // The low bits are the same for all of them, because allocations are aligned.
    (address, (address >> 5) % REMEMBERED)
}

/// What plugins added so far.
pub(crate) fn findings(to: &mut EventWriter<'_>, event: &Event) {
    if !event.annotations.is_empty() {
        to.annotations(&event.annotations, |Annotation { plugin, key, value }, to| {
            to.plugin(plugin).key(key).value(value);
        });
    }
    if !event.alerts.is_empty() {
        to.alerts(&event.alerts, |alert, to| {
            to.severity_code(alert.severity as u8).plugin(&alert.plugin).title(&alert.title);
            to.technique(&alert.technique).fields(&alert.fields, |(key, value), to| {
                to.key(key).value(value);
            });
        });
    }
}

fn process(to: &mut ProcessWriter<'_>, from: &Process) -> Range<usize> {
    to.pid(from.pid).uid(from.uid).auid(from.auid).start_time(from.start_time).cgroup_id(from.cgroup_id);
    to.exec_id(&from.exec_id).parent_exec_id(&from.parent_exec_id).binary(&from.binary).cwd(&from.cwd);
    to.cgroup(&from.cgroup).flags(flags(from.flags)).arguments(&from.arguments);
    to.written()
}

fn flags(flags: Flags) -> u32 {
    let Flags { execve, proc_fs, clone, truncated_arguments, root_cwd, error_cwd, error_filename, miss } =
        flags;
    [execve, proc_fs, clone, truncated_arguments, root_cwd, error_cwd, error_filename, miss]
        .into_iter()
        .rev()
        .fold(0, |sum, flag| sum << 1 | u32::from(flag))
}

fn kind(to: &mut EventWriter<'_>, kind: &EventKind) {
    match kind {
        EventKind::Exec => {}
        EventKind::Exit { status, signal } => {
            to.exit().status(*status).signal(*signal);
        }
        EventKind::Kprobe(hook) => kprobe(&mut to.kprobe(), hook),
        EventKind::Loss { cpu, count } => {
            to.loss().cpu(*cpu).count(*count);
        }
        EventKind::ActionResult(result) => action_result(&mut to.action_result(), result),
    }
}

fn kprobe(to: &mut KprobeWriter<'_>, hook: &Hook) {
    to.function_name(&hook.function_name).policy_name(&hook.policy_name).message(&hook.message);
    to.tags(&hook.tags)
        .actions(&hook.actions)
        .selector(hook.selector)
        .failed_closed(hook.failed_closed.into());
    to.arguments(&hook.arguments, |(value, label), to| {
        to.label(label);
        argument(to, value);
    });
}

fn argument(to: &mut ArgumentWriter<'_>, value: &Argument) {
    match value {
        Argument::Int(value) => to.type_code(1).integer(i64::from(*value) as u64),
        Argument::Uint(value) => to.type_code(2).integer(u64::from(*value)),
        Argument::Long(value) => to.type_code(3).integer(*value as u64),
        Argument::Size(value) => to.type_code(4).integer(*value),
        Argument::String(text) => to.type_code(5).text(text),
        Argument::File(file) => {
            to.type_code(6).text(&file.path).incomplete(file.incomplete.into()).mode(file.mode)
        }
        Argument::Unreadable(reason) => to.type_code(7).text(reason),
    };
}

fn action_result(to: &mut ActionResultWriter<'_>, result: &ActionResult) {
    let request = &result.request;
    match &request.source {
        Source::Policy(name) => to.source_code(1).source(name),
        Source::Plugin(name) => to.source_code(2).source(name),
    };
    match &request.action {
        Action::Http { method: Method::Get, url, .. } => to.action_code(1).target(url),
        Action::Http { method: Method::Post, url, .. } => to.action_code(2).target(url),
        Action::Dns { name } => to.action_code(3).target(name),
    };
    match &result.outcome {
        Outcome::HttpStatus(status) => to.outcome_code(1).http_status(*status),
        Outcome::Resolved(addresses) => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            to.outcome_code(2).addresses(&addresses)
        }
        Outcome::Suppressed(reason) => to.outcome_code(3).reason(reason),
        Outcome::Failed(reason) => to.outcome_code(4).reason(reason),
    };
    to.duration(result.duration).exec_id(&request.exec_id);
}
