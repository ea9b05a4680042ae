//! What the API tells of the agent's inside while it runs: its log, and the processes that it remembers.

use anyhow::{Context, Result, ensure};
use serin_api::proto::{DumpProcessCacheReqArgs, LogLevel, ProcessInternal};

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::api::Api;
use crate::kernel::Kernel;
use crate::trigger::{self, Waiting};

/// Far more than it takes to meet a process that has just ended.
const ATTEMPTS: usize = 100;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("debug::the_log_level_changes_while_the_agent_runs", log_level),
        scenario("debug::the_processes_that_are_remembered_are_told", processes),
    ]
}

/// What is said of a dump at level debug, and of a level that is changed at level warn.
fn log_level(_: &Kernel) -> Result<()> {
    const ASKED: &str = "a client of the API asks which processes are remembered";
    let mut agent = Setup::new()?.start()?;
    let api = agent.api()?;
    let said = |agent: &Agent, text: &str| agent.log.iter().filter(|line| line.contains(text)).count();
    ensure!(api.log_level()? == LogLevel::Info, "{:?} at first", api.log_level()?);
    api.processes(DumpProcessCacheReqArgs::default())?;
    for level in [LogLevel::Debug, LogLevel::Error, LogLevel::Warn, LogLevel::Info] {
        api.set_log_level(level)?;
        ensure!(api.log_level()? == level, "{level:?} was set, not {:?}", api.log_level()?);
        api.processes(DumpProcessCacheReqArgs::default())?;
    }
    agent.wait_for_log("the log level from warn to info")?;
    ensure!(said(&agent, ASKED) == 1, "not said at level debug alone: {:?}", agent.log);
    ensure!(said(&agent, "from error to warn") == 0, "a warning at level error: {:?}", agent.log);
    agent.stop()?;
    Ok(())
}

fn processes(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.start()?;
    let api = agent.api()?;
    let waiting = Waiting::flood(1)?;
    let pid = waiting.pid();
    agent.wait_for("its exec", |event| event["process_exec"]["process"]["pid"] == pid)?;
    let all = api.processes(DumpProcessCacheReqArgs::default())?;
    let (child, parent) = (found(&all, pid)?, found(&all, std::process::id())?);
    let process = child.process.as_ref().context("without a process")?;
    ensure!(process.binary == trigger::program()?, "{child:?}");
    ensure!(child.refcnt == Some(1) && child.color == "inUse", "{child:?}");
    ensure!(child.refcnt_ops.get("process++") == Some(&1) && child.refcnt_ops.len() == 1, "{child:?}");
    ensure!(parent.refcnt >= Some(2) && parent.refcnt_ops.get("parent++") >= Some(&1), "{parent:?}");
    // The kernel knows whoever runs.
    let excluded = DumpProcessCacheReqArgs { exclude_execve_map_processes: true, ..Default::default() };
    ensure!(found(&api.processes(excluded)?, pid).is_err(), "the kernel's table does not have it");
    waiting.end()?;
    exited(&mut agent, &api)?;
    agent.stop()?;
    Ok(())
}

/// For a moment, processes that have exited are there without being in use.
fn exited(agent: &mut Agent, api: &Api) -> Result<()> {
    let in_use = DumpProcessCacheReqArgs { skip_zero_refcnt: true, ..Default::default() };
    for _ in 0..ATTEMPTS {
        let ended = trigger::exit(0, &[])?;
        agent.settle()?;
        ensure!(found(&api.processes(in_use)?, ended.pid).is_err(), "it is still in use");
        let Ok(gone) = found(&api.processes(DumpProcessCacheReqArgs::default())?, ended.pid) else {
            continue;
        };
        ensure!(gone.refcnt == Some(0) && gone.color == "deletePending", "{gone:?}");
        ensure!(gone.refcnt_ops.get("process--") == Some(&1), "{gone:?}");
        return Ok(());
    }
    anyhow::bail!("nothing that has exited was remembered in {ATTEMPTS} attempts")
}

fn found(all: &[ProcessInternal], pid: u32) -> Result<ProcessInternal> {
    let is_it = |one: &&ProcessInternal| one.process.as_ref().is_some_and(|process| process.pid == Some(pid));
    all.iter().find(is_it).cloned().with_context(|| format!("no process {pid} among {}", all.len()))
}
