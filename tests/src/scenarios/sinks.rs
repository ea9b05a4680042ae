//! Sinks: what they get, and what is promised when something breaks.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use rustix::process::{Resource, Rlimit, Signal, prlimit};
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::disk::SmallDisk;
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger::{self, Waiting};

/// Less than the ring buffer and the backlog hold, so that none need be lost.
const HITS: u64 = 5_000;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("sinks::filters_and_fields", filters_and_fields),
        scenario("sinks::expressions_choose", expressions),
        scenario("sinks::secrets_are_hidden_from_one_and_not_from_others", redaction),
        scenario("sinks::rotated_and_compressed_without_loss", rotation),
        scenario("sinks::a_removed_file_is_made_anew", removed_file),
        scenario("sinks::a_full_disk_is_counted_and_recovered", full_disk),
        scenario("sinks::out_of_descriptors_is_counted_and_recovered", out_of_descriptors),
        scenario("sinks::nothing_is_lost_when_terminated_under_load", terminated_under_load),
    ]
}

/// An agent with a policy on links to passwd, that prints every event and has one more sink: YAML of an entry of
/// `sinks` in which FOLDER stands for a folder of this test's own.
fn agent_with(sink: &str) -> Result<(Agent, tempfile::TempDir)> {
    let folder = tempfile::tempdir()?;
    let sink = sink.replace("FOLDER", &folder.path().display().to_string());
    let pipeline = format!(
        "\
apiVersion: serin.dev/v1alpha1
kind: Pipeline
spec:
  sinks:
    - stdout: {{ format: json }}
    - {sink}
"
    );
    let agent = Setup::new()?.policy(&on_symlinkat("links", PASSWD))?.pipeline(&pipeline)?.start()?;
    Ok((agent, folder))
}

/// The events in a file, compressed or not.
fn read(path: &Path) -> Result<Vec<Value>> {
    let mut text = String::new();
    let file = fs::File::open(path).with_context(|| format!("no {}", path.display()))?;
    match path.extension().is_some_and(|extension| extension == "gz") {
        true => GzDecoder::new(file).read_to_string(&mut text)?,
        false => { file }.read_to_string(&mut text)?,
    };
    text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))).collect()
}

fn is_hit(event: &Value) -> bool {
    event["process_kprobe"].is_object()
}

/// Makes hits until the sink has said something.
fn hit_until(agent: &mut Agent, text: &str) -> Result<()> {
    let said = |agent: &Agent| agent.log.iter().any(|line| line.contains(text));
    while !said(agent) {
        trigger::symlink("/etc/passwd", "")?;
        agent.settle()?;
    }
    Ok(())
}

/// The number after these words in what the agent said of this sink when it ended.
fn counted(log: &[String], sink: &Path, words: &str) -> Result<u64> {
    let of = format!("file {}: ", sink.display());
    let line = log.iter().find(|line| line.contains(&of)).with_context(|| format!("nothing about {of}"))?;
    let Some((_, rest)) = line.split_once(words) else { return Ok(0) };
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().with_context(|| format!("no number after {words:?} in {line:?}"))
}

fn filters_and_fields(_: &Kernel) -> Result<()> {
    let (mut agent, folder) = agent_with(
        "file: { path: FOLDER/hits.json }\n      allow: [{ policies: [links] }]\n      fields: { exclude: [process.arguments, parent] }",
    )?;
    trigger::symlink("/etc/passwd", "")?;
    agent.settle()?;
    agent.stop()?;
    let events = read(&folder.path().join("hits.json"))?;
    let [event] = events.as_slice() else { anyhow::bail!("not one hit, but {events:?}") };
    let hit = &event["process_kprobe"];
    ensure!(hit["policy_name"] == "links" && hit["process"]["pid"].is_u64(), "not the hit: {event}");
    ensure!(hit["process"]["arguments"].is_null() && hit["parent"].is_null(), "not left out: {event}");
    Ok(())
}

fn expressions(_: &Kernel) -> Result<()> {
    let (mut agent, folder) = agent_with(
        "file: { path: FOLDER/chosen.json }\n      allow: [{ cel: \"process_kprobe.args[0].string_arg == '/etc/passwd'\" }]\n      deny: [{ cel: \"process_kprobe.args[2].string_arg == '/proc/none/other'\" }]",
    )?;
    let wanted = trigger::symlink("/etc/passwd", "")?.pid;
    trigger::symlink("/tmp/passwd", "")?;
    trigger::symlink("/etc/passwd", "/proc/none/other")?;
    agent.settle()?;
    agent.stop()?;
    let pids: Vec<_> = read(&folder.path().join("chosen.json"))?
        .iter()
        .map(|event| event["process_kprobe"]["process"]["pid"].clone())
        .collect();
    ensure!(pids == [wanted], "not the hit of {wanted} alone, but of {pids:?}");
    Ok(())
}

fn redaction(_: &Kernel) -> Result<()> {
    let (mut agent, folder) = agent_with(
        "file: { path: FOLDER/events.json }\n      redact: [{ patterns: ['--password[= ](\\S+)'] }]",
    )?;
    let pid = trigger::exit(0, &["--password", "hunter2", "--user", "me"])?.pid;
    agent.settle()?;
    let (events, _) = agent.finish(Signal::TERM)?;
    let exec_of = |events: &[Value]| {
        let exec = events.iter().map(|event| &event["process_exec"]["process"]);
        let exec =
            exec.filter(|process| process["pid"] == pid).find_map(|process| process["arguments"].as_str());
        exec.map(str::to_owned).context("no process_exec")
    };
    let (printed, written) = (exec_of(&events)?, exec_of(&read(&folder.path().join("events.json"))?)?);
    ensure!(printed.ends_with("--password hunter2 --user me"), "{printed}");
    ensure!(written.ends_with("--password ***** --user me"), "{written}");
    let text = fs::read_to_string(folder.path().join("events.json"))?;
    ensure!(!text.contains("hunter2"), "the secret is in the file");
    Ok(())
}

fn rotation(_: &Kernel) -> Result<()> {
    let (mut agent, folder) = agent_with(
        "file: { path: FOLDER/events.json, rotate: { size: 256KiB, compress: gzip } }\n      allow: [{ policies: [links] }]",
    )?;
    let mut flood = Waiting::flood(HITS)?;
    flood.go()?;
    flood.end()?;
    agent.settle()?;
    let (events, _) = agent.finish(Signal::TERM)?;
    let expected = events.iter().filter(|event| is_hit(event)).count();
    let (mut hits, mut compressed) = (0, 0);
    for entry in fs::read_dir(folder.path())? {
        let path = entry?.path();
        compressed += usize::from(path.extension().is_some_and(|extension| extension == "gz"));
        hits += read(&path)?.len();
    }
    ensure!(compressed > 2, "only {compressed} compressed files");
    ensure!(hits == expected, "{hits} hits in the files, {expected} on standard output");
    Ok(())
}

fn removed_file(_: &Kernel) -> Result<()> {
    let (mut agent, folder) = agent_with("file: { path: FOLDER/events.json }")?;
    let path = folder.path().join("events.json");
    let mut pids = Vec::new();
    for change in ["none", "remove", "rename", "truncate", "hang up"] {
        match change {
            "remove" => fs::remove_file(&path)?,
            "rename" => fs::rename(&path, folder.path().join("by-somebody"))?,
            // As `logrotate` does it with `copytruncate`.
            "truncate" => fs::OpenOptions::new().write(true).open(&path)?.set_len(0)?,
            "hang up" => agent.signal(Signal::HUP)?,
            _ => {}
        }
        pids.push(trigger::symlink("/etc/passwd", "")?.pid);
        agent.settle()?;
        // Standard output may be ahead of the file.
        while !read(&path).is_ok_and(|events| events.iter().any(|event| hit_of(event, &pids))) {
            agent.settle()?;
        }
    }
    agent.stop()?;
    let after: Vec<_> = read(&path)?.into_iter().filter(is_hit).collect();
    ensure!(after.len() == 2, "not the hits after it was cut and after SIGHUP: {after:?}");
    Ok(())
}

/// Whether this is a hit of the last of these processes.
fn hit_of(event: &Value, pids: &[u32]) -> bool {
    pids.last().is_some_and(|pid| event["process_kprobe"]["process"]["pid"] == *pid)
}

fn full_disk(_: &Kernel) -> Result<()> {
    let disk = SmallDisk::mount()?;
    let (path, filler) = (disk.path().join("events.json"), disk.path().join("filler"));
    fs::write(&filler, [0; 40 << 10])?;
    let (mut agent, _folder) = agent_with(&format!("file: {{ path: {} }}", path.display()))?;
    hit_until(&mut agent, "sink fails")?;
    fs::remove_file(&filler)?;
    hit_until(&mut agent, "sink works again")?;
    let (events, log) = agent.finish(Signal::TERM)?;
    let (written, lost) = (counted(&log, &path, "written")?, counted(&log, &path, "lost")?);
    let printed = events.len() as u64;
    ensure!(lost > 0 && written + lost == printed, "{written} written, {lost} lost, {printed} printed");
    let text = fs::read_to_string(&path)?;
    let whole = text.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count() as u64;
    ensure!(whole == written, "{whole} whole lines, but {written} counted as written");
    Ok(())
}

fn out_of_descriptors(_: &Kernel) -> Result<()> {
    let (mut agent, folder) = agent_with("file: { path: FOLDER/events.json }")?;
    let path = folder.path().join("events.json");
    let limit = |soft| Rlimit { current: Some(soft), maximum: Some(4096) };
    let before = prlimit(Some(agent.pid()?), Resource::Nofile, limit(3))?;
    fs::remove_file(&path)?;
    hit_until(&mut agent, "sink fails")?;
    prlimit(Some(agent.pid()?), Resource::Nofile, limit(before.current.unwrap_or(1024).min(4096)))?;
    hit_until(&mut agent, "sink works again")?;
    let (_, log) = agent.finish(Signal::TERM)?;
    let (written, lost) = (counted(&log, &path, "written")?, counted(&log, &path, "lost")?);
    ensure!(lost > 0 && !read(&path)?.is_empty(), "{written} written, {lost} lost");
    Ok(())
}

fn terminated_under_load(_: &Kernel) -> Result<()> {
    let (mut agent, folder) = agent_with("file: { path: FOLDER/events.json }")?;
    let mut flood = Waiting::flood(HITS)?;
    agent.settle()?;
    let pid = flood.pid();
    flood.go()?;
    // All hits have happened, and most of them are still on their way.
    let (events, log) = agent.finish(Signal::TERM)?;
    flood.end()?;
    let of_flood = |event: &&Value| event["process_kprobe"]["process"]["pid"] == pid;
    let printed = events.iter().filter(of_flood).count() as u64;
    let written = read(&folder.path().join("events.json"))?;
    let written = written.iter().filter(of_flood).count() as u64;
    ensure!(
        printed == HITS && written == HITS,
        "{HITS} hits, but {printed} printed and {written} written; the agent said:\n{}",
        log.join("\n")
    );
    Ok(())
}
