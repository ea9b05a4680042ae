//! How long it takes to attach to the functions of a list, by one program and one by one.

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serin_btf::{Btf, KERNEL_BTF};

use super::{median, per_call, row};
use crate::agent::{Agent, Setup};

/// How many functions the lists have.
const COUNTS: [usize; 4] = [2, 10, 50, 200];

/// Repetitions; fewer where one takes seconds.
const fn rounds(functions: usize) -> usize {
    if functions > 50 { 1 } else { 3 }
}

/// Calls a round makes of a hooked function.
const CALLS: u32 = 2_000;

/// Where the kernel tells what can be attached to.
const ATTACHABLE: &str = "/sys/kernel/tracing/available_filter_functions";

/// Prints a row for each number of functions.
pub(super) fn functions() -> Result<()> {
    let names = names()?;
    println!("\n| functions of one list | attached together | one by one | ratio of times, of memory |");
    println!("|---|---|---|---|");
    for count in COUNTS {
        let functions = names.get(..count).context("this kernel has too few functions")?;
        let together = measure(functions, false)?;
        let alone = measure(functions, true)?;
        let [(time, memory), (alone_time, alone_memory)] = [together, alone];
        row(
            &count.to_string(),
            &format!(
                "{time:.0} ms, {memory:.2} MB | {alone_time:.0} ms, {alone_memory:.2} MB | {:.1}, {:.1}",
                alone_time / time,
                alone_memory / memory
            ),
        );
    }
    println!("\n| processor nanoseconds a write(2) to /dev/null | |");
    println!("|---|---|");
    row("nothing attached", &format!("{:.0}", per_write()?));
    for count in [2, 200] {
        let more = names.get(..count - 1).context("this kernel has too few functions")?;
        let functions = [&["vfs_write".to_owned()], more].concat();
        for (one_by_one, how) in [(false, "together"), (true, "one by one")] {
            let agent = Setup::new()?.policy(&policy(&functions, one_by_one))?.start()?;
            row(&format!("`vfs_write` and {} more, {how}", count - 1), &format!("{:.0}", per_write()?));
            agent.stop()?;
        }
    }
    Ok(())
}

fn per_write() -> Result<f64> {
    let nothing = File::options().write(true).open("/dev/null")?;
    Ok(per_call(CALLS, || drop(black_box((&nothing).write(b"x")))))
}

/// Functions that every kernel has many of, of which types are known and which no other function is named like.
fn names() -> Result<Vec<String>> {
    let types = Btf::load(Path::new(KERNEL_BTF))?;
    let all = std::fs::read_to_string(ATTACHABLE).context(ATTACHABLE)?;
    let mut names: Vec<String> = all
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| ["tcp_", "udp_", "ip_", "inet_"].iter().any(|prefix| name.starts_with(prefix)))
        .filter(|name| types.function_id(name).is_some())
        .map(str::to_owned)
        .collect();
    names.sort();
    let names: Vec<_> = names.chunk_by(|one, other| one == other).filter(|alike| alike.len() == 1).collect();
    Ok(names.concat())
}

/// A policy on these functions, of processes that there are none of.
fn policy(functions: &[String], one_by_one: bool) -> String {
    format!(
        "{{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {{name: many}}, spec: {{\
         options: [{{name: disable-kprobe-multi, value: {one_by_one}}}], \
         lists: [{{name: some, values: [{}]}}], kprobes: [{{call: 'list:some', selectors: [{{matchBinaries: \
         [{{operator: In, values: [/nobody]}}]}}]}}]}}}}",
        functions.join(", ")
    )
}

/// Milliseconds until a policy on these functions is attached, and megabytes that it takes of the kernel.
fn measure(functions: &[String], one_by_one: bool) -> Result<(f64, f64)> {
    let policy = policy(functions, one_by_one);
    let mut agent = Setup::new()?.start()?;
    let add = |_| add(&mut agent, &policy, functions.len());
    let times = (0..rounds(functions.len())).map(add).collect::<Result<Vec<_>>>()?;
    agent.stop()?;
    let times_of = |field: fn(&(f64, f64)) -> f64| median(times.iter().map(field).collect());
    Ok((times_of(|one| one.0).unwrap_or_default(), times_of(|one| one.1).unwrap_or_default()))
}

fn add(agent: &mut Agent, policy: &str, count: usize) -> Result<(f64, f64)> {
    let mut api = agent.api()?;
    let start = Instant::now();
    api.add(policy)?;
    let time = start.elapsed().as_secs_f64() * 1e3;
    let status = api.only()?;
    ensure!(status.sensors.len() == count, "{} of {count} functions are hooked", status.sensors.len());
    api.delete("many")?;
    Ok((time, status.kernel_memory_bytes as f64 / 1e6))
}
