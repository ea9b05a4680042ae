//! Processes: they are seen to start and to end.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::{Setup, is_exit_of};
use crate::kernel::Kernel;
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("processes::exec_and_exit", exec_and_exit),
        scenario("processes::an_argument_with_spaces_and_quotes_is_one", odd_arguments),
        scenario("processes::one_killed_by_a_signal_says_which", killed),
    ]
}

fn is_exec_of(event: &Value, pid: u32) -> bool {
    event["process_exec"]["process"]["pid"] == pid
}

fn exec_and_exit(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.start()?;
    let ended = trigger::exit(42, &["one", "two"])?;
    let exec = agent.wait_for("process_exec", |event| is_exec_of(event, ended.pid))?;
    let exit = agent.wait_for("process_exit", |event| is_exit_of(event, ended.pid))?;
    let (started, process) = (&exec["process_exec"], &exec["process_exec"]["process"]);
    ensure!(process["binary"] == trigger::program()?, "binary: {exec}");
    ensure!(process["arguments"] == "trigger exit 42 one two", "arguments: {exec}");
    ensure!(process["uid"] == 0, "uid: {exec}");
    ensure!(process["cwd"] == std::env::current_dir()?.to_string_lossy().as_ref(), "cwd: {exec}");
    ensure!(process["flags"].as_str().is_some_and(|flags| flags.contains("execve")), "flags: {exec}");
    ensure!(started["parent"]["pid"] == std::process::id(), "parent: {exec}");
    ensure!(process["parent_exec_id"] == started["parent"]["exec_id"], "exec_id of the parent: {exec}");
    ensure!(exit["process_exit"]["status"] == 42, "status: {exit}");
    ensure!(exit["process_exit"]["process"]["exec_id"] == process["exec_id"], "exec_id: {exec} {exit}");
    agent.stop()?;
    Ok(())
}

fn odd_arguments(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.start()?;
    let ended = trigger::exit(0, &["two words"])?;
    let exec = agent.wait_for("process_exec", |event| is_exec_of(event, ended.pid))?;
    let arguments = &exec["process_exec"]["process"]["arguments"];
    ensure!(*arguments == "trigger exit 0 \"two words\"", "arguments: {exec}");
    agent.stop()?;
    Ok(())
}

fn killed(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.start()?;
    let waiting = trigger::Waiting::flood(0)?;
    let pid = waiting.pid();
    waiting.kill()?;
    let exit = agent.wait_for("process_exit", |event| is_exit_of(event, pid))?;
    ensure!(exit["process_exit"]["signal"] == "SIGKILL", "signal: {exit}");
    ensure!(exit["process_exit"]["status"].is_null(), "status: {exit}");
    agent.stop()?;
    Ok(())
}
