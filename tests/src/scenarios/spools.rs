//! Spools of sinks: what reaches a server that was away, and what is promised of the rest.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::operations::sample;
use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::collector::Collector;
use crate::disk::SmallDisk;
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger::{self, Waiting};

/// Less than the ring buffer and the backlog hold, so that none need be lost there.
const HITS: u64 = 5_000;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("spools::an_outage_and_a_restart_lose_nothing", outage),
        scenario("spools::a_server_that_is_away_for_long", long_outage),
        scenario("spools::killed_the_agent_loses_nothing_that_was_spooled", killed),
        scenario("spools::what_exceeds_the_size_is_counted", exceeded),
        scenario("spools::a_full_disk_keeps_what_is_there", full_disk),
        scenario("spools::shared_spools_are_refused", shared),
    ]
}

/// An agent that prints every event and sends it to a server by way of a spool, with further fields of the entry.
fn setup(collector: &Collector, spool: &Path, size: &str, fields: &str) -> Result<Setup> {
    let pipeline = format!(
        "\
apiVersion: serin.dev/v1alpha1
kind: Pipeline
spec:
  sinks:
    - stdout: {{ format: json }}
    - http: {{ url: 'http://{address}', linger: 100ms, timeout: 5s }}
      spool: {{ path: {path}, size: {size} }}
      {fields}
",
        address = collector.address,
        path = spool.display(),
    );
    Setup::new()?.policy(&on_symlinkat("links", PASSWD))?.pipeline(&pipeline)
}

fn flood(agent: &mut Agent, count: u64) -> Result<()> {
    let mut flood = Waiting::flood(count)?;
    flood.go()?;
    flood.end()?;
    agent.settle()
}

/// The number after these words in what the agent said of its spooled sink when it ended.
fn counted(log: &[String], words: &str) -> Result<usize> {
    let line = log.iter().rev().find(|line| line.contains(" http http://") && line.contains(": written "));
    let line = line.with_context(|| format!("nothing about the sink in\n{}", log.join("\n")))?;
    let Some((_, rest)) = line.split_once(words) else { return Ok(0) };
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().with_context(|| format!("no number after {words:?} in {line:?}"))
}

/// That these are the same events in the same order.
fn same(arrived: &[Value], expected: &[Value]) -> Result<()> {
    let differs = arrived.iter().zip(expected).position(|(arrived, expected)| arrived != expected);
    let (count, wanted) = (arrived.len(), expected.len());
    ensure!(
        differs.is_none() && count == wanted,
        "{count} events arrived of {wanted}, the first that differs is the one at {differs:?}"
    );
    Ok(())
}

/// With a queue that holds much less than what happens while the server is away.
fn outage(_: &Kernel) -> Result<()> {
    let (folder, mut collector) = (tempfile::tempdir()?, Collector::away()?);
    // It makes the folders above it too.
    let spool = folder.path().join("var/spool");
    let setup = || setup(&collector, &spool, "64MiB", "queue: 100\n      overflow: block");
    let (first, second) = (setup()?, setup()?);
    let mut agent = first.start()?;
    flood(&mut agent, HITS)?;
    let (mut printed, log) = agent.finish(Signal::TERM)?;
    ensure!(printed.len() as u64 > HITS, "only {} events", printed.len());
    let kept = counted(&log, "kept in its spool")?;
    ensure!(kept == printed.len(), "{kept} kept, {} printed", printed.len());
    ensure!((counted(&log, "written")?, counted(&log, "lost")?) == (0, 0), "{}", log.join("\n"));

    let mut agent = second.start()?;
    let status: Value = serde_json::from_str(&agent.status(&["--json"])?)?;
    let records = status["sinks"][1]["spool"]["records"].as_u64().context("no spool in the status")?;
    ensure!(records >= kept as u64, "{records} in the spool, {kept} were kept");
    ensure!(agent.status(&[])?.contains("SPOOL OF"), "no spool in the table");
    collector.come()?;
    collector.wait_until(|arrived| arrived.len() >= kept)?;
    // Once more, while the agent runs.
    collector.go()?;
    flood(&mut agent, 100)?;
    collector.come()?;
    flood(&mut agent, 100)?;
    let at_least = kept + agent.events.len();
    collector.wait_until(|arrived| arrived.len() >= at_least)?;
    let (more, log) = agent.finish(Signal::TERM)?;
    printed.extend(more);
    ensure!((counted(&log, "lost")?, counted(&log, "kept")?) == (0, 0), "{}", log.join("\n"));
    same(&collector.arrived(), &printed)
}

/// How long the server is away, in seconds, instead of [`OUTAGE`].
const OUTAGE_VARIABLE: &str = "SERIN_TEST_OUTAGE";
const OUTAGE: u64 = 10;

/// Events trickle in all the while, ten a second, and the agent needs no more memory for them.
fn long_outage(_: &Kernel) -> Result<()> {
    let seconds = std::env::var(OUTAGE_VARIABLE).map_or(Ok(OUTAGE), |text| text.parse())?;
    let (folder, mut collector) = (tempfile::tempdir()?, Collector::away()?);
    // Not in the way of other agents while it takes long.
    let setup = setup(&collector, &folder.path().join("spool"), "256MiB", "queue: 100")?;
    let mut agent = setup.arguments(["--bpffs", "/sys/fs/bpf/serin-outage"]).start()?;
    let resident = |agent: &Agent| sample(&agent.ask("/metrics")?.1, "process_resident_memory_bytes");
    let before = resident(&agent)?;
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        trigger::symlink("/etc/passwd", "")?;
        agent.settle()?;
        std::thread::sleep(Duration::from_millis(100));
    }
    let grown = resident(&agent)?.saturating_sub(before);
    collector.come()?;
    let so_far = agent.events.len();
    collector.wait_until(|arrived| arrived.len() >= so_far)?;
    let (printed, log) = agent.finish(Signal::TERM)?;
    let lost = (counted(&log, "lost")?, counted(&log, "dropped: queue full")?, counted(&log, "kept")?);
    ensure!(lost == (0, 0, 0), "{}", log.join("\n"));
    same(&collector.arrived(), &printed)?;
    // What it knows of processes grows with those that there are; the events of an hour would take more.
    ensure!(grown < 64 << 20, "{grown} bytes more than before, after {} events", printed.len());
    Ok(())
}

fn killed(_: &Kernel) -> Result<()> {
    let (folder, mut collector) = (tempfile::tempdir()?, Collector::away()?);
    let setup = || setup(&collector, &folder.path().join("spool"), "64MiB", "");
    let (first, second) = (setup()?, setup()?);
    let mut agent = first.start()?;
    flood(&mut agent, HITS)?;
    let settled = agent.events.len();
    let spooled = |agent: &Agent| -> Result<u64> {
        let name = format!("serin_sink_spool_events{{sink=\"http http://{}/\"}}", collector.address);
        sample(&agent.ask("/metrics")?.1, &name)
    };
    while spooled(&agent)? < settled as u64 {}
    let mut flood = Waiting::flood(HITS)?;
    flood.go()?;
    agent.signal(Signal::KILL)?;
    flood.end()?;
    ensure!(agent.wait_until(|_| false).is_err(), "unreachable: nothing was waited for");
    let printed = agent.events.clone();
    agent.killed()?;

    collector.come()?;
    let mut agent = second.start()?;
    agent.settle()?;
    let (after, _) = agent.finish(Signal::TERM)?;
    let arrived = collector.arrived();
    let of_first =
        arrived.len().checked_sub(after.len()).context("events of the second agent are missing")?;
    let (before, rest) = arrived.split_at(of_first);
    same(rest, &after)?;
    ensure!(of_first >= settled, "{of_first} arrived of {settled} that were in the spool");
    // What was printed and what was spooled of the last events may differ, but there is no gap in either.
    let common = of_first.min(printed.len());
    same(&before[..common], &printed[..common])
}

/// The queue alone holds more than the spool, so nothing is dropped before that is full.
fn exceeded(_: &Kernel) -> Result<()> {
    let (folder, mut collector) = (tempfile::tempdir()?, Collector::away()?);
    let spool = folder.path().join("spool");
    let mut agent = setup(&collector, &spool, "1MiB", "queue: 2000")?.start()?;
    flood(&mut agent, HITS)?;
    agent.wait_for_log("its spool takes no events: it is full")?;
    let on_disk: u64 = std::fs::read_dir(&spool)?
        .map(|file| Ok(file?.metadata()?.len()))
        .collect::<Result<Vec<_>>>()?
        .iter()
        .sum();
    ensure!((900 << 10..=1 << 20).contains(&on_disk), "{on_disk} bytes on the disk");
    let held = status_of(&agent)?["records"].as_u64().context("no records")? as usize;
    collector.come()?;
    collector.wait_until(|arrived| arrived.len() > held)?;
    agent.wait_for_log("its spool takes events again")?;
    let (printed, log) = agent.finish(Signal::TERM)?;
    let arrived = collector.arrived();
    let (written, dropped) = (counted(&log, "written")?, counted(&log, "dropped: queue full")?);
    let (lost, kept) = (counted(&log, ", lost")?, counted(&log, "kept")?);
    ensure!(
        dropped > 0 && lost + kept == 0 && written + dropped == printed.len() && arrived.len() == written,
        "{written} written, {dropped} dropped, {lost} lost, {kept} kept, {} printed, {} arrived",
        printed.len(),
        arrived.len()
    );
    same(&arrived[..held], &printed[..held])
}

/// What the status says of the spool.
fn status_of(agent: &Agent) -> Result<Value> {
    let mut status: Value = serde_json::from_str(&agent.status(&["--json"])?)?;
    Ok(status["sinks"][1]["spool"].take())
}

fn full_disk(_: &Kernel) -> Result<()> {
    let (disk, mut collector) = (SmallDisk::mount()?, Collector::away()?);
    let mut agent = setup(&collector, &disk.path().join("spool"), "1MiB", "queue: 64")?.start()?;
    let hit_until = |agent: &mut Agent, text: &str| -> Result<()> {
        while !agent.log.iter().any(|line| line.contains(text)) {
            trigger::symlink("/etc/passwd", "")?;
            agent.settle()?;
        }
        Ok(())
    };
    hit_until(&mut agent, "its spool takes no events: No space left on device")?;
    let held = status_of(&agent)?["records"].as_u64().context("no records")? as usize;
    ensure!(held > 10 && status_of(&agent)?["stuck"] == true, "{}", status_of(&agent)?);
    // More than the queue holds.
    flood(&mut agent, 500)?;
    collector.come()?;
    hit_until(&mut agent, "its spool takes events again")?;
    let (printed, log) = agent.finish(Signal::TERM)?;
    let arrived = collector.arrived();
    let (written, dropped) = (counted(&log, "written")?, counted(&log, "dropped: queue full")?);
    ensure!(
        dropped > 0 && written + dropped == printed.len() && arrived.len() == written,
        "{written} written, {dropped} dropped, {} printed, {} arrived:\n{}",
        printed.len(),
        arrived.len(),
        log.join("\n")
    );
    same(&arrived[..held], &printed[..held])
}

fn shared(_: &Kernel) -> Result<()> {
    let (folder, collector) = (tempfile::tempdir()?, Collector::away()?);
    let spool = folder.path().join("spool");
    let path = spool.display();
    let twice =
        format!("\n    - otlp: {{ url: 'http://logs.test' }}\n      spool: {{ path: {path}, size: 1MiB }}");
    let refusal = setup(&collector, &spool, "1MiB", &twice)?.refusal()?;
    let expected =
        format!(":10:14: another sink has the spool {path} already: give each a folder of its own");
    ensure!(refusal.contains(&expected), "{refusal}");
    let syslog = format!(
        "\n    - syslog: {{ address: 'unix:/dev/log' }}\n      spool: {{ path: {path}, size: 1MiB }}"
    );
    let refusal = setup(&collector, &spool, "1MiB", &syslog)?.refusal()?;
    ensure!(
        refusal.contains(":9:7: spec.sinks[2]: `spool` keeps what a server has not acknowledged"),
        "{refusal}"
    );

    let agent = setup(&collector, &spool, "1MiB", "")?.start()?;
    let other = setup(&collector, &spool, "1MiB", "")?.arguments(["--bpffs", "/sys/fs/bpf/serin-other"]);
    let refusal = other.refusal()?;
    let expected = format!("the spool {path} is in use by another sink or agent");
    ensure!(refusal.contains(&expected), "{refusal}");
    agent.stop()?;
    Ok(())
}
