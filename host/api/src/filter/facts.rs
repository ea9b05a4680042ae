//! What filters ask of an event, whichever kind it is.

use crate::proto::get_events_response::Event as Kind;
use crate::proto::{EventType, GetEventsResponse, Process};

/// Whether this is a kind of event that Tetragon has not.
pub(super) fn is_own(event: &GetEventsResponse) -> bool {
    matches!(event.event, Some(Kind::Loss(_) | Kind::ActionResult(_) | Kind::Alert(_) | Kind::PluginError(_)))
}

pub(crate) fn kind(event: &GetEventsResponse) -> EventType {
    match &event.event {
        None => EventType::Undef,
        Some(Kind::ProcessExec(_)) => EventType::ProcessExec,
        Some(Kind::ProcessExit(_)) => EventType::ProcessExit,
        Some(Kind::ProcessKprobe(_)) => EventType::ProcessKprobe,
        Some(Kind::Loss(_)) => EventType::Loss,
        Some(Kind::ProcessLsm(_)) => EventType::ProcessLsm,
        Some(Kind::ProcessTracepoint(_)) => EventType::ProcessTracepoint,
        Some(Kind::ProcessUprobe(_)) => EventType::ProcessUprobe,
        Some(Kind::ProcessUsdt(_)) => EventType::ProcessUsdt,
        Some(Kind::ProcessLoader(_)) => EventType::ProcessLoader,
        Some(Kind::ActionResult(_)) => EventType::ActionResult,
        Some(Kind::Alert(_)) => EventType::Alert,
        Some(Kind::PluginError(_)) => EventType::PluginError,
    }
}

pub(super) fn process(event: &GetEventsResponse) -> Option<&Process> {
    match event.event.as_ref()? {
        Kind::ProcessExec(exec) => exec.process.as_ref(),
        Kind::ProcessExit(exit) => exit.process.as_ref(),
        Kind::ProcessKprobe(kprobe) => kprobe.process.as_ref(),
        Kind::ProcessLsm(lsm) => lsm.process.as_ref(),
        Kind::ProcessTracepoint(tracepoint) => tracepoint.process.as_ref(),
        Kind::ProcessUprobe(uprobe) => uprobe.process.as_ref(),
        Kind::ProcessUsdt(usdt) => usdt.process.as_ref(),
        Kind::ProcessLoader(loader) => loader.process.as_ref(),
        Kind::Alert(finding) => finding.process.as_ref(),
        Kind::Loss(_) | Kind::ActionResult(_) | Kind::PluginError(_) => None,
    }
}

pub(super) fn parent(event: &GetEventsResponse) -> Option<&Process> {
    match event.event.as_ref()? {
        Kind::ProcessExec(exec) => exec.parent.as_ref(),
        Kind::ProcessExit(exit) => exit.parent.as_ref(),
        Kind::ProcessKprobe(kprobe) => kprobe.parent.as_ref(),
        Kind::ProcessLsm(lsm) => lsm.parent.as_ref(),
        Kind::ProcessTracepoint(tracepoint) => tracepoint.parent.as_ref(),
        Kind::ProcessUprobe(uprobe) => uprobe.parent.as_ref(),
        Kind::ProcessUsdt(usdt) => usdt.parent.as_ref(),
        Kind::ProcessLoader(loader) => loader.parent.as_ref(),
        Kind::Alert(finding) => finding.parent.as_ref(),
        Kind::Loss(_) | Kind::ActionResult(_) | Kind::PluginError(_) => None,
    }
}

pub(super) fn policy_name(event: &GetEventsResponse) -> Option<&str> {
    match event.event.as_ref()? {
        Kind::ProcessKprobe(kprobe) => Some(&kprobe.policy_name),
        Kind::ProcessLsm(lsm) => Some(&lsm.policy_name),
        Kind::ProcessTracepoint(tracepoint) => Some(&tracepoint.policy_name),
        Kind::ProcessUprobe(uprobe) => Some(&uprobe.policy_name),
        Kind::ProcessUsdt(usdt) => Some(&usdt.policy_name),
        Kind::Alert(finding) => policy_name(finding.trigger.as_ref()?),
        _ => None,
    }
}
