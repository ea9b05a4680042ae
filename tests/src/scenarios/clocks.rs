//! A wall clock that is set while the agent runs: what goes by it, and what does not.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::listener::Listener;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger::{self, Waiting};

/// What the clock is set to, and how times of that day begin.
const FUTURE: (i64, &str) = (2_051_222_400, "2035-01-01T");
const PAST: (i64, &str) = (1_433_116_800, "2015-06-01T");

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("clocks::events_carry_the_time_that_was_set", times).needs(guest),
        scenario("clocks::limits_and_ages_do_not_go_by_the_wall_clock", limits).needs(guest),
        scenario("clocks::rotated_files_stay_in_order", rotation).needs(guest),
    ]
}

/// Setting the clock is for machines that nobody else uses.
fn guest(_: &Kernel) -> Result<(), String> {
    match std::env::var_os("SERIN_GUEST") {
        Some(_) => Ok(()),
        None => Err("the clock is set in guests of `cargo xtask vm` only".to_owned()),
    }
}

/// The wall clock, put right when dropped.
struct WallClock {
    /// Seconds from the boot on.
    booted: i64,
}

impl WallClock {
    fn new() -> Self {
        let seconds = |clock| clock_gettime(clock).tv_sec;
        Self { booted: seconds(ClockId::Realtime) - seconds(ClockId::Boottime) }
    }

    fn set(&self, (seconds, _): (i64, &str)) -> Result<()> {
        clock_settime(ClockId::Realtime, Timespec { tv_sec: seconds, tv_nsec: 0 })
            .context("cannot set the clock")
    }
}

impl Drop for WallClock {
    fn drop(&mut self) {
        let now = clock_gettime(ClockId::Boottime);
        let _ = clock_settime(ClockId::Realtime, Timespec { tv_sec: self.booted + now.tv_sec, ..now });
    }
}

/// Makes hits until one carries this day, as the agent looks at the clock once a second.
fn hit_on(agent: &mut Agent, day: &str) -> Result<()> {
    for _ in 0..600 {
        let pid = trigger::symlink("/etc/passwd", "")?.pid;
        let hit = agent.wait_for("hit", |event| event["process_kprobe"]["process"]["pid"] == pid)?;
        let (time, start) = (hit["time"].as_str(), hit["process_kprobe"]["process"]["start_time"].as_str());
        if time.is_some_and(|time| time.starts_with(day)) && start.is_some_and(|start| start.starts_with(day))
        {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    anyhow::bail!("no event carries {day}: {:?}", agent.events.last())
}

fn times(_: &Kernel) -> Result<()> {
    let mut agent = Agent::with_links()?;
    let clock = WallClock::new();
    for set in [FUTURE, PAST, FUTURE] {
        clock.set(set)?;
        hit_on(&mut agent, set.1)?;
    }
    // The agent ends as ever, and has lost nothing.
    let (events, _) = agent.finish(Signal::TERM)?;
    ensure!(!events.iter().any(|event| event["loss"].is_object()), "events were lost");
    Ok(())
}

/// An agent with a sink of this file, and with what else is to be in the pipeline.
fn with_file(path: &Path, rotate: &str, others: &str) -> Result<Setup> {
    let pipeline = format!(
        "\
apiVersion: serin.dev/v1alpha1
kind: Pipeline
spec:
  {others}
  sinks:
    - stdout: {{ format: json }}
    - file: {{ path: {path}, rotate: {rotate} }}
",
        path = path.display()
    );
    Setup::new()?.pipeline(&pipeline)
}

/// The rotated files of `events.json`, in the order of their names.
fn rotated(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.file_name().is_some_and(|name| name != "events.json"));
    files.sort();
    Ok(files)
}

fn limits(_: &Kernel) -> Result<()> {
    let (folder, server) = (tempfile::tempdir()?, Listener::http()?);
    let limited = "    - matchActions:\n      - { action: Post, rateLimit: 10h, rateLimitScope: global }\n";
    let canary = format!(
        "{PASSWD}      matchActions:\n      - action: GetUrl\n        argUrl: http://{}/token\n",
        server.address
    );
    let setup = with_file(
        &folder.path().join("events.json"),
        "{ age: 10h }",
        "canary: { egress: { allow: [loopback] }, dedupe: 10h }",
    )?;
    let setup = setup.policy(&on_symlinkat("limited", limited))?.policy(&on_symlinkat("canary", &canary))?;
    let mut agent = setup.start()?;
    let clock = WallClock::new();
    trigger::symlink("/etc/passwd", "")?;
    server.next()?;
    for set in [FUTURE, PAST, FUTURE] {
        clock.set(set)?;
        // By then the agent has seen that the clock was set.
        hit_on(&mut agent, set.1)?;
    }
    agent.settle()?;
    let held_back = |event: &Value| event["action_result"].to_string().contains("\"suppressed\":\"duplicate");
    agent.wait_for("canary that is held back", held_back)?;
    let (events, _) = agent.finish(Signal::TERM)?;
    let of_limited = |event: &&Value| event["process_kprobe"]["policy_name"] == "limited";
    let posted = events.iter().filter(of_limited).count();
    ensure!(posted == 1, "{posted} events of a policy that is limited to one in 10 hours");
    ensure!(server.rest().is_empty(), "the canary was sent again within 10 hours");
    let rotated = rotated(folder.path())?;
    ensure!(rotated.is_empty(), "rotated within 10 hours: {rotated:?}");
    Ok(())
}

/// Those that are kept are the newest, though their names would be older.
fn rotation(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.json");
    let setup = with_file(&path, "{ size: 64KiB, keep: 3 }", "plugins: []")?;
    let mut agent = setup.policy(&on_symlinkat("links", PASSWD))?.start()?;
    let clock = WallClock::new();
    for set in [FUTURE, PAST] {
        clock.set(set)?;
        let mut flood = Waiting::flood(500)?;
        flood.go()?;
        flood.end()?;
        agent.settle()?;
    }
    let (events, _) = agent.finish(Signal::TERM)?;
    let mut files = rotated(folder.path())?;
    ensure!(files.len() == 3, "not three rotated files: {files:?}");
    files.push(path);
    let mut written = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file)?;
        written.extend(text.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?);
    }
    ensure!(written.len() > 100 && events.ends_with(&written), "not the last events, in order: {files:?}");
    Ok(())
}
