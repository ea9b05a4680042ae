#![allow(clippy::unwrap_used, reason = "tests")]

mod bounds;
mod containers;
mod lifetimes;
mod procfs;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serin_event::Place;
use serin_event::argument::Argument;
use serin_event::record::{Credentials, Task};
use tempfile::TempDir;

use super::*;
use crate::exec_id::exec_id;

/// When the tests' machine was booted, in Unix time.
const BOOT: u64 = 1_700_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;
const NODE: &str = "gull";

/// A cache over a /proc of its own.
struct Rig {
    cache: ProcessCache,
    procfs: TempDir,
    hooks: Hooks,
}

impl Rig {
    fn new() -> Self {
        Self::with_capacity(100)
    }

    fn with_capacity(capacity: usize) -> Self {
        let procfs = tempfile::tempdir().unwrap();
        let config = Config { procfs: procfs.path().to_owned(), capacity, ..Config::new(NODE) };
        let info = HookInfo {
            place: Place::Function,
            function_name: "fd_install".into(),
            policy_name: "files".into(),
            message: "a file".into(),
            tags: Arc::new(["t".into()]),
            labels: vec!["fd".into()],
            data: 1,
            return_label: "status".into(),
            actions: vec![Arc::new(["KPROBE_ACTION_POST"]), Arc::new(["KPROBE_ACTION_SIGKILL"])],
            return_actions: vec![],
        };
        let cache = ProcessCache::new(config, Clock::booted_at(BOOT));
        Self { cache, procfs, hooks: Hooks::from([(7, info)]) }
    }

    fn apply(&mut self, record: Record) -> Option<Event> {
        let mut out = Vec::new();
        self.cache.apply(record, &self.hooks, &mut out);
        assert!(out.len() <= 1, "{out:?}");
        out.pop()
    }

    fn exec(&mut self, time: u64, task: Task, parent: Task, binary: &str) -> Event {
        self.apply(Record::Exec(exec(time, task, parent, binary))).unwrap()
    }

    fn fork(&mut self, time: u64, caller: Task, child: Task) {
        let fork = Fork { header: header(time, caller), child, parent: caller };
        assert_eq!(self.apply(Record::Fork(fork)), None, "a fork makes no event");
    }

    fn exit(&mut self, time: u64, task: Task, code: u32) -> Event {
        self.apply(Record::Exit(Exit { header: header(time, task), code })).unwrap()
    }

    fn hit(&mut self, time: u64, task: Task) -> Event {
        self.apply(Record::Hook(hit(time, task))).unwrap()
    }

    /// Makes a directory in /proc as the kernel would for this process.
    fn in_proc(&self, pid: u32, parent: u32, start_ticks: u64, binary: &str) {
        let directory = self.procfs.path().join(pid.to_string());
        fs::create_dir_all(&directory).unwrap();
        let name = binary.rsplit('/').next().unwrap();
        let stat =
            format!("{pid} ({name}) S {parent} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {start_ticks} 1 1\n");
        let status = format!("Name:\t{name}\nUid:\t1000\t1001\t1001\t1001\n");
        for (file, text) in [
            ("stat", stat.as_str()),
            ("status", &status),
            ("cmdline", &format!("{name}\0-x\0a b\0")),
            ("loginuid", "1000"),
            ("cgroup", "0::/system.slice/ssh.service\n"),
        ] {
            fs::write(directory.join(file), text).unwrap();
        }
        link(&directory.join("exe"), binary);
        link(&directory.join("cwd"), "/srv");
    }

    fn gone_from_proc(&self, pid: u32) {
        fs::remove_dir_all(self.procfs.path().join(pid.to_string())).unwrap();
    }

    fn bootstrap(&mut self) {
        let all: Vec<_> = crate::scan(self.procfs.path()).unwrap().collect();
        self.cache.bootstrap(all);
    }
}

fn link(path: &Path, target: &str) {
    let _ = fs::remove_file(path);
    symlink(target, path).unwrap();
}

const fn task(pid: u32, start_time: u64) -> Task {
    Task { pid, tid: pid, start_time }
}

fn header(time: u64, task: Task) -> Header {
    Header { cpu: 0, sequence: 0, time, task, cgroup_id: 0 }
}

fn exec(time: u64, task: Task, parent: Task, binary: &str) -> Exec {
    Exec {
        header: header(time, task),
        parent,
        binary: binary.to_owned(),
        arguments: vec!["-l".to_owned()],
        cwd: "/".to_owned(),
        credentials: Credentials { uid: 1, gid: 2, euid: 3, egid: 4 },
        auid: 5,
        ..Exec::default()
    }
}

fn hit(time: u64, task: Task) -> HookHit {
    let arguments = vec![Argument::Int(3), Argument::Size(4)];
    HookHit {
        header: header(time, task),
        hook: 7,
        selector: 1,
        arguments,
        returned: Some(Argument::Int(-9)),
        kernel_stack: Vec::new(),
        user_stack: Vec::new(),
        hash: None,
        failed_closed: false,
        unenforced: false,
    }
}

fn process(event: &Event) -> &Process {
    event.process.as_deref().unwrap()
}

fn parent(event: &Event) -> &Process {
    event.parent.as_deref().unwrap()
}

fn id(time: u64, pid: u32) -> String {
    exec_id(NODE, time, pid)
}
