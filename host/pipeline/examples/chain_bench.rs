//! Nanoseconds per event that a chain of plugins takes, against the same rule in native Rust:
//! `cargo xtask build`, then `cargo run --release -p serin-pipeline --example chain_bench`.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use serin_event::argument::Argument;
use serin_event::process::Flags;
use serin_event::{Event, EventKind, Hook, Place, Process};
use serin_pipeline::{FrameEncoder, MAX_BATCH, Pipeline, PipelineFile};

const SAMPLES: usize = 41;
/// How long a sample takes at least.
const SAMPLE: Duration = Duration::from_millis(4);
/// One event in so many matches the rule.
const HITS: usize = 200;
const SUFFIX: &str = "/ln";
const PREFIX: &str = "/etc/";

fn main() -> anyhow::Result<()> {
    println!(
        "ns of CPU time per event, batches of {MAX_BATCH}, {SAMPLES} samples; one event in {HITS} matches the rule\n"
    );
    println!("{:<58} {:>7} {:>7}", "", "median", "best");
    let mut events = batch();
    row("the rule in native Rust", &mut events, |events| {
        black_box(events.iter().filter(|event| matches(event)).count());
    });

    let mut encoder = FrameEncoder::default();
    for (name, mut events) in [("a process for each event", batch()), ("8 events for each process", burst())]
    {
        row(&format!("encoding, {name}"), &mut events, |events| _ = black_box(encoder.encode(events).len()));
        println!("{:<58} {:>7}", "  bytes of an event", encoder.encode(&events).len() / MAX_BATCH);
    }

    for (name, mut events) in [("a process for each event", batch()), ("8 events for each process", burst())]
    {
        println!("{name}, encoding included");
        let mut single = 0.0;
        for plugins in [0, 1, 3, 5] {
            let mut pipeline = pipeline(&rules(plugins))?;
            let time = row(&format!("  a chain of {plugins} plugins"), &mut events, |events| {
                black_box(pipeline.process(events));
            });
            check(&pipeline)?;
            match plugins {
                1 => single = time,
                5 => println!("{:<58} {:>7.0}", "  of which each further plugin", (time - single) / 4.0),
                _ => {}
            }
        }
    }
    let mut enrich = pipeline(&[entry("containers", "container-enrich", "{}")])?;
    row("container-enrich, 2 annotations for each event", &mut events, |events| {
        black_box(enrich.process(events));
    });
    check(&enrich)?;
    let mut enriched = rules(1);
    enriched.insert(0, entry("containers", "container-enrich", "{}"));
    let mut enriched = pipeline(&enriched)?;
    row("container-enrich, then a rule that gets the annotations", &mut events, |events| {
        black_box(enriched.process(events));
    });
    check(&enriched)
}

/// What a plugin does in the sandbox: plugins/bench-rule.
fn matches(event: &Event) -> bool {
    let Some(process) = &event.process else { return false };
    let EventKind::Kprobe(hook) = &event.kind else { return false };
    process.binary.ends_with(black_box(SUFFIX))
        && hook.arguments.iter().any(|(argument, _)| match argument {
            Argument::String(text) => text.starts_with(black_box(PREFIX)),
            Argument::File(file) => file.path.starts_with(black_box(PREFIX)),
            _ => false,
        })
}

/// Measures, prints and returns the median.
fn row(name: &str, events: &mut Vec<Event>, mut run: impl FnMut(&mut Vec<Event>)) -> f64 {
    let mut samples: Vec<f64> = (0..SAMPLES).map(|_| sample(events, &mut run)).collect();
    samples.sort_by(f64::total_cmp);
    let (best, median) =
        (samples.first().copied().unwrap_or(0.0), samples.get(SAMPLES / 2).copied().unwrap_or(0.0));
    println!("{name:<58} {median:>7.0} {best:>7.0}");
    median
}

/// Of this thread: whoever else uses the machine doesn't count.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn sample(events: &mut Vec<Event>, run: &mut impl FnMut(&mut Vec<Event>)) -> f64 {
    let mut time = Duration::ZERO;
    let mut rounds = 0u32;
    while time < SAMPLE {
        // What the round before left.
        events.retain(|event| !matches!(event.kind, EventKind::Alert(_)));
        for event in events.iter_mut() {
            event.annotations.clear();
            event.alerts.clear();
        }
        let started = cpu_time();
        run(events);
        time += cpu_time().saturating_sub(started);
        rounds += 1;
    }
    time.as_nanos() as f64 / f64::from(rounds) / events.len() as f64
}

fn check(pipeline: &Pipeline) -> anyhow::Result<()> {
    for (name, counters) in pipeline.counters() {
        ensure!(counters.failures() == 0 && counters.rejected == 0, "{name} failed: {counters:?}");
        ensure!(counters.alerts + counters.annotations > 0, "{name} did nothing: {counters:?}");
    }
    Ok(())
}

fn rules(count: usize) -> Vec<String> {
    let config = format!("{{ binarySuffix: {SUFFIX}, argumentPrefix: {PREFIX} }}");
    (0..count).map(|number| entry(&format!("rule-{number}"), "bench-rule", &config)).collect()
}

fn entry(name: &str, component: &str, config: &str) -> String {
    let folder = match std::env::var_os("SERIN_PLUGINS_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins"),
    };
    let path = folder.join(component).with_extension("wasm");
    format!("    - {{ name: {name}, component: {}, config: {config} }}\n", path.display())
}

fn pipeline(entries: &[String]) -> anyhow::Result<Pipeline> {
    let plugins = if entries.is_empty() { "[]\n".to_owned() } else { format!("\n{}", entries.concat()) };
    let text = format!("apiVersion: serin.dev/v1alpha1\nkind: Pipeline\nspec:\n  plugins: {plugins}");
    let file = PipelineFile::<(), ()>::parse(Path::new("bench.yaml"), text)?;
    Pipeline::load(&file, None).context("`cargo xtask build` builds the plugins")
}

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
fn batch() -> Vec<Event> {
    let common = Common::new();
    let binary = |number: usize| if number.is_multiple_of(2) { "/usr/bin/ln" } else { "/usr/bin/python3.11" };
    (0..MAX_BATCH).map(|number| common.event(number, &process(number as u32, binary(number)))).collect()
}

/// Eight events in a row have the same process.
fn burst() -> Vec<Event> {
    let common = Common::new();
    let processes: Vec<_> = (0..MAX_BATCH / 8).map(|number| process(number as u32, "/usr/bin/ln")).collect();
    let processes = processes.iter().flat_map(|process| std::iter::repeat_n(process, 8));
    processes.enumerate().map(|(number, process)| common.event(number, process)).collect()
}
