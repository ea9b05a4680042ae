//! Nanoseconds to write one event as a JSON line: `cargo run --release -p serin-event --example json_bench`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use serin_event::argument::Argument;
use serin_event::process::Flags;
use serin_event::{Event, EventKind, Hook, Place, Process, json};

const BATCH: usize = 256;
const ROUNDS: usize = 400;
const REPEATS: usize = 7;

fn process(pid: u32, binary: &str, arguments: &[&str]) -> Arc<Process> {
    Arc::new(Process {
        exec_id: "ZGViaWFuLTEyOjEzNTQ4Njc0MzIxMzczOjUyNjk5".into(),
        pid,
        cwd: "/home/canary".into(),
        binary: binary.into(),
        arguments: arguments.iter().map(ToString::to_string).collect(),
        flags: Flags { execve: true, clone: true, ..Flags::default() },
        start_time: 1_696_629_837_700_327_580,
        auid: 1000,
        uid: 1000,
        parent_exec_id: "ZGViaWFuLTEyOjEzNTQ4Njc0MzIxMzczOjUyNjk5".into(),
        cgroup_id: 4711,
        cgroup: "/user.slice/user-1000.slice/session-3.scope".into(),
        pod: None,
    })
}

/// A batch in which every event has a process of its own and all have the same parent.
fn batch(kind: &EventKind) -> Vec<Event> {
    let parent = process(52_600, "/bin/bash", &["-l"]);
    (0..BATCH as u32)
        .map(|index| Event {
            time: 1_696_629_837_700_326_678 + u64::from(index) * 7919,
            node_name: "debian-12".into(),
            kind: kind.clone(),
            process: Some(process(52_699 + index, "/usr/bin/ln", &["-s", "/etc/passwd", "/tmp/x"])),
            parent: Some(Arc::clone(&parent)),
            tid: 52_699 + index,
            annotations: Vec::new(),
            alerts: Vec::new(),
        })
        .collect()
}

fn main() {
    let kprobe = EventKind::Kprobe(Hook {
        place: Place::Function,
        function_name: "__x64_sys_symlinkat".into(),
        policy_name: "sys-symlink-passwd".into(),
        message: "".into(),
        tags: Arc::new([]),
        arguments: vec![
            (Argument::String("/etc/passwd".into()), "".into()),
            (Argument::Int(-100), "".into()),
            (Argument::String("/tmp/x".into()), "".into()),
        ],
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
    });
    for (name, kind) in [
        ("process_exec", EventKind::Exec),
        ("process_exit", EventKind::Exit { status: 0, signal: 9 }),
        ("process_kprobe", kprobe),
    ] {
        let events = batch(&kind);
        let (size, known, unknown) = (size(&events), measure(&events, false), measure(&events, true));
        println!("{name}: {known:.0} ns/event, {unknown:.0} if each has a new process; {size} bytes");
    }
}

/// The best of several repeats: other work on the machine only ever adds time.
fn measure(events: &[Event], new_processes: bool) -> f64 {
    let mut encoder = json::Encoder::default();
    let mut out = Vec::with_capacity(size(events) * events.len() * 2);
    let mut best = f64::MAX;
    for _ in 0..REPEATS {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            if new_processes {
                encoder = json::Encoder::default();
            }
            out.clear();
            events.iter().for_each(|event| encoder.write(black_box(event), &mut out));
            black_box(&out);
        }
        best = best.min(start.elapsed().as_nanos() as f64 / (ROUNDS * events.len()) as f64);
    }
    best
}

/// Average length of a line.
fn size(events: &[Event]) -> usize {
    let mut out = Vec::new();
    let mut encoder = json::Encoder::default();
    events.iter().for_each(|event| encoder.write(event, &mut out));
    out.len() / events.len()
}
