//! The JSON form of events: exact lines, and strings that survive.
#![allow(clippy::unwrap_used, reason = "tests")]

mod events;
mod read;
mod strings;
mod structures;

use std::sync::Arc;

use serin_event::argument::Argument;
use serin_event::process::Flags;
use serin_event::{Event, EventKind, Hook, Place, Pod, Process, json};

const TIME: u64 = 1_696_629_837_700_326_678;

fn curl() -> Process {
    Process {
        exec_id: "Z3VsbDoxMzU0ODY3NDMyMTM3Mzo1MjY5OQ==".into(),
        pid: 52_699,
        uid: 0,
        cwd: "/".into(),
        binary: "/usr/bin/curl".into(),
        arguments: vec!["-H".into(), "Accept: text/html".into(), "https://ebpf.io/".into()],
        flags: Flags { execve: true, root_cwd: true, clone: true, ..Flags::default() },
        start_time: 1_696_629_837_700_327_580,
        auid: u32::MAX,
        parent_exec_id: "Z3VsbDoxMzU0MjY0MDAwMDAwMDo1MjY5OQ==".into(),
        cgroup_id: 4711,
        cgroup: "/docker/551e161c47d8ff0eb665438a7bcd5b4ac8c0a1fd2e4f4f7b3c1d5e6f7a8b9c0d".into(),
        pod: None,
    }
}

fn pod() -> Arc<Pod> {
    Arc::new(Pod {
        namespace: "shop".into(),
        name: "web-7d4b9".into(),
        container_id: "551e161c47d8ff0eb665438a7bcd5b4ac8c0a1fd2e4f4f7b3c1d5e6f7a8b9c0d".into(),
        container_name: "main".into(),
        image: "docker.io/library/nginx".into(),
        labels: [("app".to_owned(), "web".to_owned()), ("example.com/\"tier\"".to_owned(), String::new())]
            .into(),
    })
}

fn bash() -> Process {
    Process {
        exec_id: "Z3VsbDoxMzU0MjY0MDAwMDAwMDo1MjY5OQ==".into(),
        pid: 52_600,
        uid: 1000,
        cwd: "/home/canary".into(),
        binary: "/bin/bash".into(),
        flags: Flags { proc_fs: true, ..Flags::default() },
        start_time: 1_696_629_800_000_000_000,
        auid: 1000,
        ..Process::default()
    }
}

fn event(kind: EventKind) -> Event {
    Event {
        time: TIME,
        node_name: "gull".into(),
        kind,
        process: Some(Arc::new(curl())),
        parent: Some(Arc::new(bash())),
        tid: 52_699,
        annotations: Vec::new(),
        alerts: Vec::new(),
    }
}

fn hook(arguments: Vec<(Argument, Arc<str>)>, actions: &[&'static str]) -> Hook {
    Hook {
        place: Place::Function,
        function_name: "__x64_sys_symlinkat".into(),
        policy_name: "sys-symlink-passwd".into(),
        message: "".into(),
        tags: Arc::new([]),
        arguments,
        actions: actions.into(),
        return_actions: Arc::new([]),
        data: Vec::new(),
        returned: None,
        selector: 0,
        kernel_stack: Vec::new(),
        user_stack: Vec::new(),
        ima_hash: None,
        failed_closed: false,
        unenforced: false,
    }
}

fn line(event: &Event) -> String {
    let mut out = Vec::new();
    json::Encoder::default().write(event, &mut out);
    String::from_utf8(out).unwrap()
}

/// The golden line, which the file holds over several lines to be readable.
fn golden(text: &str) -> String {
    text.lines().map(str::trim_start).collect::<String>() + "\n"
}
