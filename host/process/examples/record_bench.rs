//! Nanoseconds from a decoded record to its JSON line: `cargo run --release -p serin-process --example record_bench`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serin_event::Place;
use serin_event::argument::Argument;
use serin_event::json::Encoder;
use serin_event::record::{Exec, Exit, Fork, Header, HookHit, Record, Task};
use serin_process::{Clock, Config, HookInfo, Hooks, ProcessCache};

const BATCH: usize = 256;
const ROUNDS: u64 = 400;
const REPEATS: usize = 7;

/// Processes that are there besides those that come and go.
const PROCESSES: u32 = 1000;

fn main() {
    measure("hook hit", |round| (0..BATCH as u64).map(|index| hit(round * 1_000_000 + index)).collect());
    measure("fork, exec and exit", |round| {
        (0..BATCH as u64).flat_map(|index| life(round * 256 + index)).collect()
    });
}

/// Applies and writes batches of records; the best of several repeats, as other work only ever adds time.
fn measure(name: &str, mut records: impl FnMut(u64) -> Vec<Record>) {
    let hooks = Hooks::from([(0, hook())]);
    // Without /proc: nothing here has to ask it, except that hosts with version 1 cgroups do at each exec.
    let config = Config { procfs: "".into(), ..Config::new("debian-12") };
    let mut cache = ProcessCache::new(config, Clock::booted_at(1_700_000_000_000_000_000));
    let mut encoder = Encoder::default();
    let (mut events, mut json) = (Vec::with_capacity(3 * BATCH), Vec::with_capacity(1 << 20));
    for number in 0..PROCESSES {
        cache.apply(Record::Exec(exec(1_000_000, resident(number), Task::default())), &hooks, &mut events);
    }
    let mut best = f64::MAX;
    for repeat in 0..REPEATS as u64 {
        let (mut elapsed, mut count) = (Duration::ZERO, 0);
        for round in 0..ROUNDS {
            let records = records(repeat * ROUNDS + round + 1);
            events.clear();
            json.clear();
            let start = Instant::now();
            records.into_iter().for_each(|record| cache.apply(record, &hooks, &mut events));
            events.iter().for_each(|event| encoder.write(event, &mut json));
            elapsed += start.elapsed();
            count += black_box(&events).len();
        }
        best = best.min(elapsed.as_nanos() as f64 / count as f64);
    }
    println!("{name}: {best:.0} ns/event; {} processes, {:?}", cache.len(), cache.counters());
}

fn resident(number: u32) -> Task {
    Task { pid: 1000 + number, tid: 1000 + number, start_time: 1_000_000 }
}

fn hit(time: u64) -> Record {
    let arguments =
        vec![Argument::String("/etc/passwd".into()), Argument::Int(-100), Argument::String("/tmp/x".into())];
    let task = resident((time % u64::from(PROCESSES)) as u32);
    Record::Hook(HookHit {
        header: header(time, task),
        hook: 0,
        selector: 0,
        arguments,
        returned: None,
        kernel_stack: Vec::new(),
        user_stack: Vec::new(),
        hash: None,
        failed_closed: false,
        unenforced: false,
    })
}

/// A process that a shell forks, runs `ls` and ends after a millisecond.
fn life(number: u64) -> [Record; 3] {
    let start_time = number * 1_000_000;
    let pid = 100_000 + (number % 1_000_000) as u32;
    let (shell, child) = (resident(0), Task { pid, tid: pid, start_time });
    [
        Record::Fork(Fork { header: header(start_time, shell), child, parent: shell }),
        Record::Exec(exec(start_time + 300_000, child, shell)),
        Record::Exit(Exit { header: header(start_time + 1_000_000, child), code: 0 }),
    ]
}

fn exec(time: u64, task: Task, parent: Task) -> Exec {
    Exec {
        header: header(time, task),
        parent,
        binary: "/usr/bin/ls".into(),
        arguments: vec!["-l".into(), "/etc".into()],
        cwd: "/home/canary".into(),
        ..Exec::default()
    }
}

fn header(time: u64, task: Task) -> Header {
    Header { cpu: 0, sequence: 0, time, task, cgroup_id: 1 }
}

fn hook() -> HookInfo {
    HookInfo {
        place: Place::Function,
        function_name: "__x64_sys_symlinkat".into(),
        policy_name: "sys-symlink-passwd".into(),
        message: "".into(),
        tags: Arc::new([]),
        labels: Vec::new(),
        data: 0,
        return_label: "".into(),
        actions: vec![Arc::new(["KPROBE_ACTION_POST"])],
        return_actions: vec![],
    }
}
