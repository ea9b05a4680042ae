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
use crate::certificates::Authority;
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger;

/// Far longer than anything takes: a limit, not a measure.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("tetra::status_and_version", status).needs(has_client),
        scenario("tetra::log_level_and_process_cache", debug).needs(has_client),
        scenario("tetra::policies", policies).needs(has_client),
        scenario("tetra::events_in_json", json).needs(has_client),
        scenario("tetra::events_in_short", compact).needs(has_client),
        scenario("tetra::a_client_with_a_certificate", remote).needs(has_client),
        scenario("tetra::what_loads_passes_tetragons_own_tests", policy_tests).needs(has_test_programs),
    ]
}

fn path() -> Option<std::ffi::OsString> {
    std::env::var_os("SERIN_TEST_TETRA")
}

fn has_client(_: &Kernel) -> Result<(), String> {
    let reason = "SERIN_TEST_TETRA does not name Tetragon's client `tetra`";
    path().map(drop).ok_or_else(|| reason.to_owned())
}

/// Where Tetragon's `contrib/tester-progs` are built, which its policy tests run.
fn test_programs() -> Option<String> {
    std::env::var("SERIN_TEST_TETRA_PROGRAMS").ok()
}

fn has_test_programs(kernel: &Kernel) -> Result<(), String> {
    has_client(kernel)?;
    let reason = "SERIN_TEST_TETRA_PROGRAMS does not name the folder of Tetragon's test programs";
    test_programs().map(drop).ok_or_else(|| reason.to_owned())
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

fn debug(_: &Kernel) -> Result<()> {
    let agent = Setup::new()?.start()?;
    for (arguments, expected) in [
        (&["loglevel", "get"][..], "Current log level: LOG_LEVEL_INFO"),
        (&["loglevel", "set", "debug"], "Log level set to: LOG_LEVEL_DEBUG"),
        (&["loglevel", "get"], "Current log level: LOG_LEVEL_DEBUG"),
        (&["loglevel", "set", "warning"], "Log level set to: LOG_LEVEL_WARN"),
        (&["loglevel", "get"], "Current log level: LOG_LEVEL_WARN"),
    ] {
        let answer = ask(&agent, arguments)?;
        ensure!(answer.trim() == expected, "{arguments:?}: {answer}");
    }
    let own = std::process::id();
    for (option, told) in [
        ("--skip-zero-refcnt=false", true),
        ("--skip-zero-refcnt", true),
        ("--exclude-execve-map-processes", false),
    ] {
        let dump = ask(&agent, &["dump", "processcache", option])?;
        let mut lines = dump.lines().map(serde_json::from_str::<Value>);
        let found = lines.find_map(|line| line.ok().filter(|line| line["process"]["pid"] == own));
        ensure!(found.is_some() == told, "{option}: {dump}");
        let Some(found) = found else { continue };
        // The client is a process that this one has started.
        ensure!(found["refcnt"].as_u64() >= Some(2) && found["color"] == "inUse", "{option}: {found}");
    }
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
    let expression =
        "process_exit.process.pid > uint(1) && process_exit.process.binary.endsWith('serin-tests')";
    let mut some = Following::start(&agent, &["getevents", "-o", "json", "--cel-expression", expression])?;
    let event: Value = serde_json::from_str(&some.first_line(link)?)?;
    ensure!(event["process_exit"]["process"]["binary"] == trigger::program()?.as_str(), "{event}");
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

/// It asks for the same as our own client, in its own words.
fn remote(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::new(folder.path())?;
    authority.sign("client")?;
    let (agent, url) = super::remote::start(&authority)?;
    let files = ["ca.pem", "client.pem", "client.key"].map(|name| authority.file(name));
    let list = |files: &[String; 3]| -> Result<std::process::Output> {
        let mut command = Command::new(path().context("no client")?);
        command.args(["--server-address", url.trim_start_matches("https://")]);
        command.args(["--tls-ca-cert-files", &files[0], "--tls-cert-file", &files[1]]);
        command.args(["--tls-key-file", &files[2], "tracingpolicy", "list"]).stdin(Stdio::null());
        Ok(command.output()?)
    };
    let output = list(&files)?;
    let listed = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success() && listed.contains("links"), "{output:?}");
    let strangers = Authority::new(&folder.path().join("strangers"))?;
    strangers.sign("client")?;
    let [_, cert, key] = ["ca.pem", "client.pem", "client.key"].map(|name| strangers.file(name));
    let output = list(&[files[0].clone(), cert, key])?;
    ensure!(!output.status.success(), "a stranger was served: {output:?}");
    agent.stop()?;
    Ok(())
}

/// Every policy of Tetragon's own tests either passes them, or is refused with its reason when it is loaded.
fn policy_tests(_: &Kernel) -> Result<()> {
    let agent = Setup::new()?.start()?;
    let programs = test_programs().context("no programs")?;
    let arguments = ["policytest", "run", "--all-tests", "--output", "json", "--bindir", &programs];
    // It fails if one test does; which, its output says.
    let output = tetra(&agent, &arguments)?.stderr(Stdio::piped()).output()?;
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let (mut passed, mut failed) = (0, Vec::new());
    for line in output.lines() {
        let test: Value = serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?;
        let (name, result) = (&test["name"], &test["result"]);
        let refused = result["error"].as_str().filter(|error| error.contains("failed to load policy"));
        if let Some(reason) = result["skipped"].as_str().or(refused) {
            println!("{name}: left out: {}", reason.lines().next().unwrap_or_default());
        } else if has_passed(result) {
            println!("{name}: passed");
            passed += 1;
        } else {
            failed.push(test.to_string());
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    ensure!(passed > 0, "none passed: {output}");
    agent.stop()?;
    Ok(())
}

fn has_passed(result: &Value) -> bool {
    let failures = ["trigger_error", "checker_error", "action_counts_error"];
    let well = |scenario: &Value| failures.iter().all(|failure| scenario[failure].is_null());
    result["error"].is_null() && result["scenarios"].as_array().is_some_and(|all| all.iter().all(well))
}
