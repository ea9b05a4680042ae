//! Measurements of the whole agent; `cargo xtask bench` runs them natively and, counting instructions, in qemu.

mod functions;
mod many;

use std::ffi::CStr;
use std::hint::black_box;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;
use serin_btf::{Btf, KERNEL_BTF};

use crate::agent::Setup;
use crate::bpf::EmptyProgram;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger::Waiting;

/// Repetitions of each measurement; the median counts.
const ROUNDS: usize = 7;

/// Calls a round makes natively.
const CALLS: u32 = 200_000;

/// Prints all measurements, or with a number of calls those of system calls only, with `policies` those of many
/// policies only, or with `functions` those of lists of functions only.
pub(crate) fn run(part: Option<&str>) -> ExitCode {
    let measured = match (part, part.and_then(|calls| calls.parse().ok())) {
        (_, Some(calls)) => system_calls(calls),
        (Some("policies"), _) => many::policies(),
        (Some("functions"), _) => functions::functions(),
        _ => system_calls(CALLS)
            .and_then(|()| throughput(CALLS))
            .and_then(|()| start_and_memory())
            .and_then(|()| many::policies()),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn row(what: &str, value: &str) {
    println!("| {what} | {value} |");
}

fn median<T: Copy + PartialOrd>(mut values: Vec<T>) -> Option<T> {
    values.sort_by(|left, right| left.partial_cmp(right).unwrap_or(std::cmp::Ordering::Equal));
    values.get(values.len() / 2).copied()
}

/// Nanoseconds of this thread's processor time for one of these calls: the median of some rounds.
fn per_call(calls: u32, call: impl Fn()) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let start = thread_time();
        for _ in 0..calls {
            call();
        }
        (thread_time() - start).as_nanos() as f64 / f64::from(calls)
    });
    median(rounds.collect()).unwrap_or_default()
}

/// The agent's work on what the calls cause is not in it, nor is that of others.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// A call with a target that no policy matches.
fn missed() {
    link(c"/etc/hostname");
}

/// A call that the policy matches.
fn hit() {
    link(c"/etc/passwd");
}

/// A call that no hook asks for.
fn unrelated() {
    black_box(rustix::process::getppid());
}

/// The empty name for the link makes the call fail as soon as the hooks have run.
fn link(target: &CStr) {
    let _ = black_box(rustix::fs::symlinkat(target, rustix::fs::CWD, c""));
}

fn system_calls(calls: u32) -> Result<()> {
    println!(
        "\n| processor nanoseconds a call (median of {ROUNDS} × {calls}) | symlinkat, no match | symlinkat, match | getppid |"
    );
    println!("|---|---|---|---|");
    calls_with("nothing attached", calls);
    if let Some(program) = EmptyProgram::at_tracepoint(c"sys_enter") {
        calls_with("an empty program at the raw tracepoint sys_enter", calls);
        drop(program);
    }
    let function = Btf::load(Path::new(KERNEL_BTF))?.function_id("__x64_sys_symlinkat");
    if let Some(program) = function.and_then(EmptyProgram::at_function) {
        calls_with("an empty program at the function, by fentry", calls);
        drop(program);
    }
    let agent = Setup::new()?.start()?;
    calls_with("serin, no policy", calls);
    agent.stop()?;
    let agent = Setup::new()?.policy(&on_symlinkat("bench", PASSWD))?.start()?;
    calls_with("serin, one policy on symlinkat", calls);
    agent.stop()?;
    for (operator, what) in [("Equal", "equal to"), ("Prefix", "starting with"), ("Postfix", "ending with")] {
        for values in [1, 100, 10_000] {
            let agent = Setup::new()?.policy(&on_symlinkat("bench", &filter(operator, values)))?.start()?;
            calls_with(&format!("the same, {what} one of {values}"), calls);
            agent.stop()?;
        }
    }
    Ok(())
}

/// A filter with this many values, the last of which [`hit`] matches.
fn filter(operator: &str, values: usize) -> String {
    let others: String = (1..values).map(|number| format!("/bait/{number}/, ")).collect();
    format!("    - matchArgs:\n      - {{ index: 0, operator: {operator}, values: [{others}/etc/passwd] }}\n")
}

fn calls_with(what: &str, calls: u32) {
    let [missed, hit, unrelated] =
        [per_call(calls, missed), per_call(calls, hit), per_call(calls, unrelated)];
    row(what, &format!("{missed:.0} | {hit:.0} | {unrelated:.0}"));
}

/// From the ring buffer to a file of JSON lines, with a producer that never waits.
fn throughput(calls: u32) -> Result<()> {
    println!("\n| from the ring buffer to a JSON file | |");
    println!("|---|---|");
    let setup = Setup::new()?.policy(&on_symlinkat("bench", PASSWD))?;
    let output = setup.path("events.json");
    let mut flood = Waiting::flood(u64::from(calls))?;
    let mut child = setup
        .command()
        .stdout(std::fs::File::create(&output)?)
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start the agent")?;
    wait_until_still(&output)?;
    let start = Instant::now();
    flood.go()?;
    let end = wait_until_still(&output)?;
    flood.end()?;
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.context("no process id")?, Signal::INT)?;
    child.wait()?;
    let text = std::fs::read_to_string(&output)?;
    let delivered = text.lines().filter(|line| line.starts_with("{\"process_kprobe\"")).count();
    let seconds = end.duration_since(start).as_secs_f64();
    row("events made", &calls.to_string());
    row("events written", &delivered.to_string());
    row("events a second", &format!("{:.0}", delivered as f64 / seconds));
    Ok(())
}

/// Waits until the file has not grown for half a second, and returns when it last did.
fn wait_until_still(file: &Path) -> Result<Instant> {
    let mut last = (0, Instant::now());
    loop {
        let length = std::fs::metadata(file)?.len();
        if length != last.0 {
            last = (length, Instant::now());
        } else if last.1.elapsed() > Duration::from_millis(500) {
            return Ok(last.1);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// With the policies and the pipeline that a first run has.
fn start_and_memory() -> Result<()> {
    println!("\n| start with the shipped policies and the demo pipeline (median of {ROUNDS}) | |");
    println!("|---|---|");
    let mut milliseconds = Vec::new();
    let mut kilobytes = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let agent = Setup::shipped()?.start()?;
        milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
        kilobytes.push(agent.resident()?);
        agent.stop()?;
    }
    row("from exec to all hooks attached", &format!("{:.0} ms", median(milliseconds).unwrap_or_default()));
    row("resident memory then", &format!("{:.1} MB", median(kilobytes).unwrap_or_default() as f64 / 1e3));
    Ok(())
}
