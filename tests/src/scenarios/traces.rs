//! Events that are recorded from a running agent, and what is made of them later.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::listener::Listener;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("traces::what_is_recorded_is_replayed", record_and_replay),
        scenario("traces::canaries_of_a_replay_fire_only_if_asked", replay_with_canaries),
    ]
}

/// Runs serin; gives what it prints to standard output.
fn serin(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(crate::root().join("target/release/serin"));
    let output = command.args(arguments).stdin(Stdio::null()).output()?;
    let (stdout, stderr) = (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "serin {arguments:?} failed:\n{stdout}{stderr}");
    Ok(stdout)
}

fn events(lines: &str) -> Result<Vec<Value>> {
    Ok(lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// A recorder that is at work.
struct Recorder {
    child: Child,
    said: BufReader<std::process::ChildStderr>,
}

impl Recorder {
    fn start(agent: &Agent, file: &Path, further: &[&str]) -> Result<Self> {
        let mut command = Command::new(crate::root().join("target/release/serin"));
        command.arg("record").arg(file).arg("--api-socket").arg(agent.socket()).args(further);
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let mut said = BufReader::new(child.stderr.take().context("no pipe")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        ensure!(line.starts_with("recording to "), "it says: {line}");
        Ok(Self { child, said })
    }

    /// Asks it to end, if it is to be asked; what it says then.
    fn end(mut self, signal: Option<Signal>) -> Result<String> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        if let Some(signal) = signal {
            kill_process(pid, signal)?;
        }
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.said, &mut said)?;
        ensure!(self.child.wait()?.success(), "it failed: {said}");
        Ok(said)
    }
}

/// A trace of one link to a password file, and the link's events as the agent printed them.
fn record(file: &Path) -> Result<Vec<Value>> {
    let mut agent = Setup::new()?.policy(&on_symlinkat("record", PASSWD))?.start()?;
    let recorder = Recorder::start(&agent, file, &[])?;
    let link = trigger::symlink("/etc/passwd", "/nonexistent/link")?;
    agent.settle()?;
    let of_link = |event: &&Value| concerns(event, link.pid);
    let live: Vec<Value> = agent.events.iter().filter(of_link).cloned().collect();
    ensure!(live.len() == 3, "not one exec, one hit and one exit: {live:?}");
    // Ends with the agent, when all is written.
    agent.stop()?;
    let said = recorder.end(None)?;
    ensure!(said.contains("because the agent ended"), "it says: {said}");
    Ok(live)
}

fn concerns(event: &Value, pid: u32) -> bool {
    ["process_exec", "process_kprobe", "process_exit"].iter().any(|kind| event[kind]["process"]["pid"] == pid)
}

/// The start of a container's id is all that there is of a cgroup, and not read back.
fn without_container(mut events: Vec<Value>) -> Vec<Value> {
    for event in &mut events {
        for body in event.as_object_mut().into_iter().flat_map(|event| event.values_mut()) {
            for process in ["process", "parent"] {
                if let Some(process) = body.get_mut(process).and_then(Value::as_object_mut) {
                    process.remove("docker");
                }
            }
        }
    }
    events
}

fn record_and_replay(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let trace = folder.path().join("trace.jsonl");
    let live = record(&trace)?;
    let path = trace.to_str().context("no text")?;
    let pid = live[0]["process_exec"]["process"]["pid"].as_u64().context("no pid")?;
    let mut replayed = events(&serin(&["replay", path])?)?;
    replayed.retain(|event| concerns(event, pid as u32));
    ensure!(replayed == without_container(live), "not what the agent printed: {replayed:?}");

    let agent = Setup::new()?.start()?;
    let mut again = Command::new(crate::root().join("target/release/serin"));
    let again = again.arg("record").arg(&trace).arg("--api-socket").arg(agent.socket()).output()?;
    ensure!(!again.status.success(), "a trace was written over");
    let small = folder.path().join("small.jsonl");
    let recorder = Recorder::start(&agent, &small, &["--max-size", "3000"])?;
    while std::fs::metadata(&small)?.len() < 1500 {
        trigger::exit(0, &[])?;
    }
    trigger::exit(0, &[&"x".repeat(3000)])?;
    let said = recorder.end(None)?;
    ensure!(said.contains("--max-size"), "it says: {said}");
    ensure!(std::fs::metadata(&small)?.len() <= 3000, "it is too large");
    let recorder = Recorder::start(&agent, &folder.path().join("asked.jsonl"), &[])?;
    let said = recorder.end(Some(Signal::INT))?;
    ensure!(said.contains("as asked to"), "it says: {said}");
    agent.stop()?;
    Ok(())
}

fn replay_with_canaries(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (trace, file) = (folder.path().join("trace.jsonl"), folder.path().join("pipeline.yaml"));
    record(&trace)?;
    let server = Listener::dns()?;
    let plugins = crate::root().join("target/plugins");
    let pipeline = format!(
        "\
apiVersion: serin.dev/v1alpha1
kind: Pipeline
spec:
  plugins:
    - name: rules
      component: {plugins}/rules.wasm
      config:
        rules:
          - id: links
            title: a link to a password file
            severity: high
            events: [process_kprobe]
            when: {{ policy: record, arg.0: {{ endswith: /etc/passwd }} }}
    - name: bait
      component: {plugins}/canary.wasm
      events: {{ kinds: [process_kprobe] }}
      config: {{ dns: token.canary.example }}
      grants: {{ dns: ['*.token.canary.example'] }}
  canary:
    dns: {{ resolver: '{}' }}
",
        server.address,
        plugins = plugins.display(),
    );
    std::fs::write(&file, pipeline)?;
    let (trace, file) = (trace.to_str().context("no text")?, file.to_str().context("no text")?);

    let shown = events(&serin(&["replay", trace, "--pipeline", file])?)?;
    let alerts = shown.iter().filter(|event| event["alert"]["rule"] == "links").count();
    ensure!(alerts == 1, "{alerts} alerts: {shown:?}");
    let suppressed = |event: &&Value| event["action_result"]["suppressed"] == "replayed without --fire";
    ensure!(shown.iter().filter(suppressed).count() == 1, "the request is not shown: {shown:?}");
    ensure!(server.rest().is_empty(), "a name was looked up without --fire");

    let fired = events(&serin(&["replay", trace, "--pipeline", file, "--fire"])?)?;
    ensure!(server.next()?.contains("token.canary.example"), "another name was looked up");
    let answered = |event: &&Value| event["action_result"]["resolved"][0] == "192.0.2.1";
    ensure!(fired.iter().filter(answered).count() == 1, "no result: {fired:?}");

    let verdicts = serin(&["plugin", "run", file, "--events", trace])?;
    ensure!(verdicts.contains(r#""rule":"links""#), "another verdict: {verdicts}");
    Ok(())
}
