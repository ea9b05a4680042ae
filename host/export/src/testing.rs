//! Events for tests.

use serin_event::{Event, EventKind, Hook, Place};

/// An event of this kind with nothing around it.
pub(crate) fn event(kind: EventKind) -> Event {
    Event {
        time: 0,
        node_name: "gull".into(),
        kind,
        process: None,
        parent: None,
        tid: 0,
        annotations: Vec::new(),
        alerts: Vec::new(),
    }
}

/// A loss of this many.
pub(crate) fn loss(count: u64) -> Event {
    event(EventKind::Loss { cpu: 0, count })
}

/// Losses of 1, 2, … this many.
pub(crate) fn losses(count: u64) -> Vec<Event> {
    (1..=count).map(loss).collect()
}

/// A hit of this policy.
pub(crate) fn hit(policy: &str) -> Event {
    event(EventKind::Kprobe(Hook {
        place: Place::Function,
        function_name: "__x64_sys_open".into(),
        policy_name: policy.into(),
        message: "".into(),
        tags: Vec::new().into(),
        arguments: Vec::new(),
        actions: vec!["KPROBE_ACTION_POST"].into(),
        return_actions: Vec::new().into(),
        data: Vec::new(),
        returned: None,
        selector: 0,
        kernel_stack: Vec::new(),
        user_stack: Vec::new(),
        ima_hash: None,
        failed_closed: false,
        unenforced: false,
    }))
}
