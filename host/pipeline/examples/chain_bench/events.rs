//! The events to measure with.

use std::sync::Arc;

use serin_event::argument::Argument;
use serin_event::process::Flags;
use serin_event::{Event, EventKind, Hook, Place, Process};
use serin_pipeline::MAX_BATCH;

/// One event in so many matches the rule.
pub(crate) const HITS: usize = 200;

fn process(pid: u32, binary: &str) -> Arc<Process> {
    Arc::new(Process {
        exec_id: "ZGViaWFuLTEyOjEzNTQ4Njc0MzIxMzczOjUyNjk5".into(),
        pid,
        cwd: "/home/canary".into(),
        binary: binary.into(),
        arguments: ["-s", "/etc/passwd", "/tmp/x"].map(str::to_owned).to_vec(),
        flags: Flags { execve: true, clone: true, ..Flags::default() },
        start_time: 1_696_629_837_700_327_580,
        auid: 1000,
        uid: 1000,
        parent_exec_id: "ZGViaWFuLTEyOjEzNTQ4Njc0MzIxMzczOjUyNjk5".into(),
        cgroup_id: 4711,
        cgroup: format!("/system.slice/docker-{}.scope", "4c01db0b".repeat(8)),
        pod: None,
    })
}

/// What all events have in common, as it is in the agent.
struct Common {
    node_name: Arc<str>,
    hook: Hook,
    parent: Arc<Process>,
}

impl Common {
    fn new() -> Self {
        let hook = Hook {
            place: Place::Function,
            function_name: "__x64_sys_symlinkat".into(),
            policy_name: "sys-symlink-passwd".into(),
            message: "".into(),
            tags: Arc::new([]),
            arguments: Vec::new(),
            actions: Arc::new(["KPROBE_ACTION_POST"]),
            return_actions: Arc::new([]),
            data: Vec::new(),
            returned: None,
            selector: 0,
            kernel_stack: Vec::new(),
            user_stack: Vec::new(),
            ima_hash: None,
            failed_closed: false,
            unenforced: false,
        };
        Self { node_name: "debian-12".into(), hook, parent: process(52_600, "/bin/bash") }
    }

    fn event(&self, number: usize, process: &Arc<Process>) -> Event {
        let path = if number.is_multiple_of(HITS) { "/etc/passwd" } else { "/home/canary/notes" };
        let label = &self.hook.message;
        let arguments = vec![
            (Argument::String(path.into()), Arc::clone(label)),
            (Argument::Int(-100), Arc::clone(label)),
            (Argument::String("/tmp/x".into()), Arc::clone(label)),
        ];
        Event {
            time: 1_696_629_837_700_326_678,
            node_name: Arc::clone(&self.node_name),
            kind: EventKind::Kprobe(Hook { arguments, ..self.hook.clone() }),
            process: Some(Arc::clone(process)),
            parent: Some(Arc::clone(&self.parent)),
            tid: process.pid,
            annotations: Vec::new(),
            alerts: Vec::new(),
        }
    }
}

/// Every event has a process of its own; half of them are of a binary that the rule looks at.
pub(crate) fn batch() -> Vec<Event> {
    let common = Common::new();
    let binary = |number: usize| if number.is_multiple_of(2) { "/usr/bin/ln" } else { "/usr/bin/python3.11" };
    (0..MAX_BATCH).map(|number| common.event(number, &process(number as u32, binary(number)))).collect()
}

/// Eight events in a row have the same process.
pub(crate) fn burst() -> Vec<Event> {
    let common = Common::new();
    let processes: Vec<_> = (0..MAX_BATCH / 8).map(|number| process(number as u32, "/usr/bin/ln")).collect();
    let processes = processes.iter().flat_map(|process| std::iter::repeat_n(process, 8));
    processes.enumerate().map(|(number, process)| common.event(number, process)).collect()
}

/// Programs that start, of which one in so many is in a folder that anybody can write to.
pub(crate) fn execs() -> Vec<Event> {
    let common = Common::new();
    let binary = |number: usize| if number.is_multiple_of(HITS) { "/tmp/x" } else { "/usr/bin/python3.11" };
    let exec = |number: usize| {
        let event = common.event(number, &process(number as u32, binary(number)));
        Event { kind: EventKind::Exec, ..event }
    };
    (0..MAX_BATCH).map(exec).collect()
}
