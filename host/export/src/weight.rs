//! How much an event matters, for protocols that want to know.

use serin_event::{Event, EventKind, Severity};

/// The worst of its alerts. Without any: medium if something was enforced or lost, else info.
pub(crate) fn weight(event: &Event) -> Severity {
    event.severity().unwrap_or(match &event.kind {
        EventKind::Loss { .. } => Severity::Medium,
        EventKind::Kprobe(hook) if hook.actions.iter().any(|action| enforces(action)) => Severity::Medium,
        _ => Severity::Info,
    })
}

fn enforces(action: &str) -> bool {
    matches!(action, "KPROBE_ACTION_OVERRIDE" | "KPROBE_ACTION_SIGKILL" | "KPROBE_ACTION_SIGNAL")
}
