//! serin's own commands for a running agent.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger::{self, Waiting};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("client::policies", policies),
        scenario("client::events", events),
        scenario("client::events_by_expression", expression),
        scenario("client::events_in_short_and_together", compact),
        scenario("client::plugins_are_listed_and_reloaded", plugins),
        scenario("client::the_log_level_is_printed_and_changed", log_level),
        scenario("client::an_agent_checks_policies", check),
        scenario("client::errors_say_where_and_why", errors),
    ]
}

/// The command line of a client of this agent.
fn serin(agent: &Agent, arguments: &[&str]) -> Command {
    let mut command = Command::new(crate::root().join("target/release/serin"));
    command.args(arguments).arg("--api-socket").arg(agent.socket()).stdin(Stdio::null());
    command
}

fn said(output: Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs a command that must succeed; what it prints.
fn done(agent: &Agent, arguments: &[&str]) -> Result<String> {
    let output = serin(agent, arguments).output()?;
    let success = output.status.success();
    let said = said(output);
    ensure!(success, "serin {arguments:?}: {said}");
    Ok(said)
}

/// Starts a command that prints lines until the agent ends.
pub(super) fn follow(mut command: Command) -> Result<(Child, Receiver<String>)> {
    let mut following = command.stdout(Stdio::piped()).spawn()?;
    let output = BufReader::new(following.stdout.take().context("no pipe")?);
    let (sender, lines) = channel();
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    Ok((following, lines))
}

/// Makes links until the command tells of one, which the agent's own output must have as well.
pub(super) fn same_event(agent: &mut Agent, following: &mut Child, lines: &Receiver<String>) -> Result<()> {
    // It does not say when it begins to follow.
    let line = loop {
        trigger::symlink("/etc/passwd", "")?;
        if let Ok(line) = lines.recv_timeout(Duration::from_millis(200)) {
            break line;
        }
        ensure!(following.try_wait()?.is_none(), "it ended");
    };
    let event: Value = serde_json::from_str(&line)?;
    agent.wait_for("the same event", |printed| *printed == event)?;
    Ok(())
}

/// A policy in a file beside the socket.
fn policy_file(agent: &Agent, yaml: &str) -> Result<String> {
    let path = agent.socket().with_file_name("links.yaml");
    std::fs::write(&path, yaml)?;
    Ok(path.to_string_lossy().into_owned())
}

fn policies(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.start()?;
    let file = policy_file(&agent, &on_symlinkat("links", PASSWD))?;
    for (arguments, state, hits) in [
        (&["add", &file][..], Some("enabled"), 1),
        (&["disable", "links"], Some("disabled"), 0),
        (&["enable", "links"], Some("enabled"), 1),
        (&["add", "--replace", &file], Some("enabled"), 1),
        (&["delete", "links"], None, 0),
    ] {
        let arguments: Vec<_> = std::iter::once("policy").chain(arguments.iter().copied()).collect();
        done(&agent, &arguments)?;
        let list: Value = serde_json::from_str(&done(&agent, &["policy", "list", "--json"])?)?;
        let listed = list["policies"][0]["state"].as_str().map(str::to_lowercase);
        let expected = state.map(|state| format!("tp_state_{state}"));
        ensure!(listed == expected, "after {arguments:?}: {list}");
        let table = done(&agent, &["policy", "list"])?;
        ensure!(table.lines().count() == 1 + usize::from(state.is_some()), "after {arguments:?}: {table}");
        let ended = trigger::symlink("/etc/passwd", "")?;
        agent.settle()?;
        ensure!(agent.hits_of(ended.pid).len() == hits, "after {arguments:?}: not {hits} hits");
    }
    agent.stop()?;
    Ok(())
}

/// The stream ends with the agent, and with success.
fn events(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.policy(&on_symlinkat("links", PASSWD))?.start()?;
    let (mut following, lines) = follow(serin(&agent, &["events", "--policy", "links"]))?;
    same_event(&mut agent, &mut following, &lines)?;
    agent.stop()?;
    let status = following.wait()?;
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}

fn expression(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.policy(&on_symlinkat("links", PASSWD))?.start()?;
    let expression =
        "process_kprobe.policy_name == 'links' && process_kprobe.args[0].string_arg.endsWith('passwd')";
    let (mut following, lines) = follow(serin(&agent, &["events", "--cel", expression]))?;
    same_event(&mut agent, &mut following, &lines)?;
    // Links come with a process that begins and ends, which it does not name.
    let others: Vec<_> = lines.try_iter().filter(|line| !line.contains("process_kprobe")).collect();
    ensure!(others.is_empty(), "{others:?}");
    agent.stop()?;
    ensure!(following.wait()?.success(), "it did not end with the agent");
    Ok(())
}

/// Equal events come once, with how many they were.
fn compact(_: &Kernel) -> Result<()> {
    let agent = Setup::new()?.policy(&on_symlinkat("links", PASSWD))?.start()?;
    let arguments = ["events", "--policy", "links", "-o", "compact", "--aggregate", "100ms"];
    let (mut following, lines) = follow(serin(&agent, &arguments))?;
    // It does not say when it begins to follow, and a window may end between any two hits.
    let line = loop {
        let mut flood = Waiting::flood(3)?;
        flood.go()?;
        flood.end()?;
        match lines.recv_timeout(Duration::from_millis(500)) {
            Ok(line) if line.ends_with("×3") => break line,
            _ => ensure!(following.try_wait()?.is_none(), "it ended"),
        }
    };
    let begins = line.starts_with("🎯 hook    ") && line.contains("_sys_symlinkat /etc/passwd ");
    ensure!(begins && line.ends_with(" [links] ×3") && !line.contains('\x1b'), "{line}");
    agent.stop()?;
    ensure!(following.wait()?.success(), "it did not end with the agent");
    Ok(())
}

fn plugins(_: &Kernel) -> Result<()> {
    let component = crate::root().join("target/plugins/process-tree.wasm");
    let pipeline = |name: &str| {
        format!(
            "apiVersion: serin.dev/v1alpha1\nkind: Pipeline\nspec:\n  plugins:\n    - name: {name}\n      component: {}\n  \
             sinks:\n    - stdout: {{}}\n",
            component.display()
        )
    };
    let setup = Setup::new()?.pipeline(&pipeline("one"))?;
    let file = setup.path("pipeline.yaml");
    let agent = setup.start()?;
    let first_row = |agent: &Agent| -> Result<Vec<String>> {
        let table = done(agent, &["plugin", "list"])?;
        let row = table.lines().nth(1).with_context(|| format!("no row in\n{table}"))?;
        Ok(row.split_whitespace().map(str::to_owned).collect())
    };
    ensure!(first_row(&agent)?[..4] == ["one", "running", "1/1", "process-tree"], "{:?}", first_row(&agent)?);
    let list: Value = serde_json::from_str(&done(&agent, &["plugin", "list", "--json"])?)?;
    ensure!(list["plugins"][0]["state"] == "PLUGIN_STATE_RUNNING", "{list}");
    std::fs::write(&file, pipeline("two"))?;
    let said_of_it = done(&agent, &["plugin", "reload"])?;
    ensure!(said_of_it == "1 plugin reloaded\n", "{said_of_it}");
    ensure!(first_row(&agent)?[..2] == ["two", "running"], "{:?}", first_row(&agent)?);
    std::fs::write(&file, pipeline("three").replace("process-tree", "none"))?;
    let output = serin(&agent, &["plugin", "reload"]).output()?;
    ensure!(output.status.code() == Some(1), "a reload that failed: {}", output.status);
    let expected = format!("error: {}:6:18: plugin `three` ", file.display());
    let refused = said(output);
    ensure!(refused.starts_with(&expected), "{refused}, not {expected}");
    ensure!(first_row(&agent)?[..2] == ["two", "running"], "{:?}", first_row(&agent)?);
    agent.stop()?;
    Ok(())
}

fn log_level(_: &Kernel) -> Result<()> {
    let agent = Setup::new()?.start()?;
    for (arguments, expected) in [
        (&["log-level"][..], "info\n"),
        (&["log-level", "debug"], "debug\n"),
        (&["log-level"], "debug\n"),
        (&["log-level", "off"], "off\n"),
        (&["log-level", "warn"], "warn\n"),
    ] {
        let printed = done(&agent, arguments)?;
        ensure!(printed == expected, "{arguments:?}: {printed}");
    }
    let unknown = serin(&agent, &["log-level", "loud"]).output()?;
    ensure!(unknown.status.code() == Some(2), "a level that is not there: {}", unknown.status);
    agent.stop()?;
    Ok(())
}

/// It says what is said here.
fn check(_: &Kernel) -> Result<()> {
    let agent = Setup::new()?.start()?;
    let right = on_symlinkat("links", &format!("{PASSWD}      matchActions:\n      - action: Sigkill\n"));
    let wrong = right.replace("syscall: true", "syscal: true");
    for (yaml, status) in [(right, 0), (wrong, 1)] {
        let file = policy_file(&agent, &yaml)?;
        let here = Command::new(crate::root().join("target/release/serin"))
            .args(["policy", "check", &file])
            .output()?;
        let there = serin(&agent, &["policy", "check", &file]).output()?;
        ensure!(here.status.code() == Some(status), "here it ends with {}", here.status);
        ensure!(there.status.code() == Some(status), "there it ends with {}", there.status);
        // All but which kernel that is.
        let kernel = |line: &&str| line.contains(" checked against ");
        let (here, there) = (said(here), said(there));
        let lines =
            |text: &str| text.lines().filter(|line| !kernel(line)).map(str::to_owned).collect::<Vec<_>>();
        ensure!(lines(&here) == lines(&there) && !there.is_empty(), "here:\n{here}\nthere:\n{there}");
        ensure!(there.contains("checked against Linux ") == (status == 0), "{there}");
    }
    agent.stop()?;
    Ok(())
}

fn errors(_: &Kernel) -> Result<()> {
    let agent = Setup::new()?.start()?;
    let wrong = policy_file(&agent, &on_symlinkat("links", PASSWD).replace("syscall: true", "syscal: true"))?;
    for (arguments, words) in [
        (&["policy", "add", &wrong][..], format!("{wrong}:8:5: ")),
        (&["policy", "add", "/none.yaml"], "cannot read /none.yaml".into()),
        (&["policy", "delete", "links"], "there is no policy `links`".into()),
        (
            &["events", "--cel", "process_exec.pid == 1u"],
            "cel_expression[0]:1:1: `tetragon.ProcessExec` has no field".into(),
        ),
        (&["events", "--binary", "("], "allow_list[0].binary_regex: `(` is not a regular expression".into()),
    ] {
        let output = serin(&agent, arguments).output()?;
        ensure!(output.status.code() == Some(1), "serin {arguments:?}: {}", output.status);
        let said = said(output);
        ensure!(said.starts_with("error: ") && said.contains(&words), "serin {arguments:?}: {said}");
    }
    agent.stop()?;
    let program = crate::root().join("target/release/serin");
    let list = ["policy", "list", "--api-socket", "/none/serin.sock"];
    let output = Command::new(&program).args(list).output()?;
    ensure!(!output.status.success() && !Path::new("/none").exists());
    let said = said(output);
    ensure!(said.contains("no agent answers at /none/serin.sock"), "{said}");
    Ok(())
}
