//! Tetragon's own client, where there is one: `SERIN_TEST_TETRA` is its path.
//!
//! What it asks is asked by a client of our own in `live` and `api`, too.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger;

/// Far longer than anything takes: a limit, not a measure.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("tetra::status_and_version", status).needs(has_client),
        scenario("tetra::policies", policies).needs(has_client),
        scenario("tetra::events_in_json", json).needs(has_client),
        scenario("tetra::events_in_short", compact).needs(has_client),
    ]
}

fn path() -> Option<std::ffi::OsString> {
    std::env::var_os("SERIN_TEST_TETRA")
}

fn has_client(_: &Kernel) -> Result<(), String> {
    let reason = "SERIN_TEST_TETRA does not name Tetragon's client `tetra`";
    path().map(drop).ok_or_else(|| reason.to_owned())
}

/// The client, on its way to this agent.
fn tetra(agent: &Agent, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(path().context("no client")?);
    command.arg("--server-address").arg(format!("unix://{}", agent.socket().display())).args(arguments);
    // It reads events from standard input if that is no terminal or device.
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command)
}

/// Runs it to its end; what it prints.
fn ask(agent: &Agent, arguments: &[&str]) -> Result<String> {
    let output = tetra(agent, arguments)?.stderr(Stdio::piped()).output()?;
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    ensure!(output.status.success(), "tetra {arguments:?}: {stdout}{stderr}");
    Ok(stdout + &stderr)
}

/// The events that it prints, until dropped.
struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(agent: &Agent, arguments: &[&str]) -> Result<Self> {
        let mut child = tetra(agent, arguments)?.spawn().context("cannot start tetra")?;
        let output = BufReader::new(child.stdout.take().context("no pipe from tetra")?);
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let _ = output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
        });
        Ok(Self { child, lines })
    }

    /// Does something again and again until it has printed a line; that line. It does not say when it begins to follow.
    fn first_line(&mut self, provoke: impl Fn() -> Result<trigger::Ended>) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            provoke()?;
            match self.lines.recv_timeout(Duration::from_millis(200)) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("tetra ended: {}", self.child.wait()?),
            }
        }
        bail!("tetra printed nothing")
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn status(_: &Kernel) -> Result<()> {
    let agent = Setup::new()?.start()?;
    let status = ask(&agent, &["status"])?;
    ensure!(status.contains("Health Status: running"), "{status}");
    let version = ask(&agent, &["version", "--server"])?;
    ensure!(version.contains("Server version: 0.1.0"), "{version}");
    let info = ask(&agent, &["info"])?;
    ensure!(info.contains("serin"), "{info}");
    agent.stop()?;
    Ok(())
}

fn policies(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.start()?;
    let file = agent.socket().with_file_name("policy.yaml");
    std::fs::write(&file, on_symlinkat("links", PASSWD))?;
    let file = file.to_string_lossy().into_owned();
    let hits = |agent: &mut Agent| -> Result<usize> {
        let ended = trigger::symlink("/etc/passwd", "")?;
        agent.settle()?;
        Ok(agent.hits_of(ended.pid).len())
    };
    for (arguments, said, listed, expected) in [
        (&["add", &file][..], "added", Some("enabled"), 1),
        (&["disable", "links"], "disabled", Some("disabled"), 0),
        (&["enable", "links"], "enabled", Some("enabled"), 1),
        (&["set-mode", "links", "monitor"], "set to mode", Some("monitor_only"), 1),
        (&["delete", "links"], "deleted", None, 0),
    ] {
        let arguments: Vec<_> = std::iter::once("tracingpolicy").chain(arguments.iter().copied()).collect();
        let answer = ask(&agent, &arguments)?;
        ensure!(answer.contains(said), "{arguments:?}: {answer}");
        let list = ask(&agent, &["tracingpolicy", "list"])?;
        let line = list.lines().find(|line| line.contains("links"));
        ensure!(line.is_some() == listed.is_some(), "after {arguments:?}: {list}");
        ensure!(line.unwrap_or_default().contains(listed.unwrap_or_default()), "after {arguments:?}: {list}");
        ensure!(hits(&mut agent)? == expected, "after {arguments:?}: not {expected} hits");
    }
    agent.stop()?;
    Ok(())
}

fn json(_: &Kernel) -> Result<()> {
    let agent = Setup::new()?.policy(&on_symlinkat("links", PASSWD))?.start()?;
    let link = || trigger::symlink("/etc/passwd", "");
    let mut all = Following::start(&agent, &["getevents", "-o", "json", "--policy-names", "links"])?;
    let event: Value = serde_json::from_str(&all.first_line(link)?)?;
    let hit = &event["process_kprobe"];
    ensure!(hit["policy_name"] == "links" && hit["args"][0]["string_arg"] == "/etc/passwd", "{event}");
    ensure!(hit["process"]["binary"] == trigger::program()?.as_str(), "{event}");
    let cut = ["getevents", "-o", "json", "-e", "PROCESS_EXIT", "--host", "-f", "process.binary,process.pid"];
    let mut some = Following::start(&agent, &cut)?;
    let event: Value = serde_json::from_str(&some.first_line(link)?)?;
    let fields = event["process_exit"]["process"].as_object().context("no process")?;
    ensure!(fields.keys().eq(["binary", "pid"]), "{event}");
    agent.stop()?;
    Ok(())
}

fn compact(_: &Kernel) -> Result<()> {
    let agent = Setup::new()?.policy(&on_symlinkat("links", PASSWD))?.start()?;
    let program = trigger::program()?;
    let arguments =
        ["getevents", "-o", "compact", "--color", "never", "--process", &program, "-e", "PROCESS_KPROBE"];
    let mut events = Following::start(&agent, &arguments)?;
    let line = events.first_line(|| trigger::symlink("/etc/passwd", ""))?;
    ensure!(line.contains(&program) && line.contains("__x64_sys_symlinkat"), "{line}");
    agent.stop()?;
    Ok(())
}
