//! Enforcement: what a policy forbids does not happen.

use std::path::Path;

use anyhow::{Result, ensure};

use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::policy::{OVERRIDE_AND_KILL, PASSWD, on_symlinkat};
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("enforcement::sigkill", sigkill),
        scenario("enforcement::override_fails_the_call", override_alone).needs(Kernel::enforcement),
        scenario("enforcement::override_and_sigkill_block_and_kill", override_and_kill)
            .needs(Kernel::enforcement),
        scenario("enforcement::override_is_refused_where_nothing_can", refused).needs(Kernel::no_enforcement),
    ]
}

fn sigkill(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("link").to_string_lossy().into_owned();
    let selectors = format!("{PASSWD}      matchActions:\n      - action: Sigkill\n");
    let mut agent = Setup::new()?.policy(&on_symlinkat("kill", &selectors))?.start()?;
    let ended = trigger::symlink("/etc/passwd", &link)?;
    ensure!(ended.signal() == Some(libc::SIGKILL), "not killed: {ended:?}");
    let event =
        agent.wait_for("process_kprobe", |event| event["process_kprobe"]["process"]["pid"] == ended.pid)?;
    ensure!(event["process_kprobe"]["action"] == "KPROBE_ACTION_SIGKILL", "action: {event}");
    let exit = agent.wait_for("process_exit", |event| crate::agent::is_exit_of(event, ended.pid))?;
    ensure!(exit["process_exit"]["signal"] == "SIGKILL", "signal: {exit}");
    agent.stop()?;
    Ok(())
}

fn override_alone(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("link").to_string_lossy().into_owned();
    let selectors = format!("{PASSWD}      matchActions:\n      - action: Override\n        argError: -1\n");
    let mut agent = Setup::new()?.policy(&on_symlinkat("deny", &selectors))?.start()?;
    let ended = trigger::symlink("/etc/passwd", &link)?;
    ensure!(ended.errno == Some(libc::EPERM), "expected EPERM: {ended:?}");
    ensure!(!Path::new(&link).is_symlink(), "the link was made all the same");
    let event =
        agent.wait_for("process_kprobe", |event| event["process_kprobe"]["process"]["pid"] == ended.pid)?;
    ensure!(event["process_kprobe"]["action"] == "KPROBE_ACTION_OVERRIDE", "action: {event}");
    let other = trigger::symlink("/etc/hostname", &link)?;
    ensure!(other.errno == Some(0), "another link was forbidden as well: {other:?}");
    agent.stop()?;
    let after = trigger::symlink("/etc/passwd", &format!("{link}-2"))?;
    ensure!(after.errno == Some(0), "still forbidden after the agent has gone: {after:?}");
    Ok(())
}

fn override_and_kill(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("link").to_string_lossy().into_owned();
    let policy =
        std::fs::read_to_string(crate::root().join("policies/enforce/sys-symlink-passwd-block.yaml"))?;
    let mut agent = Setup::new()?.policy(&policy)?.start()?;
    let ended = trigger::symlink("/etc/passwd", &link)?;
    ensure!(ended.signal() == Some(libc::SIGKILL), "not killed: {ended:?}");
    ensure!(!Path::new(&link).is_symlink(), "the link was made all the same");
    let event =
        agent.wait_for("process_kprobe", |event| event["process_kprobe"]["process"]["pid"] == ended.pid)?;
    ensure!(event["process_kprobe"]["policy_name"] == "sys-symlink-passwd-block", "policy_name: {event}");
    agent.stop()?;
    Ok(())
}

fn refused(_: &Kernel) -> Result<()> {
    let selectors = format!("{PASSWD}{OVERRIDE_AND_KILL}");
    let log = Setup::new()?.policy(&on_symlinkat("deny-and-kill", &selectors))?.refusal()?;
    for words in ["policy-0.yaml:7:", "deny-and-kill", "Override", "`__x64_sys_symlinkat`", "lsm"] {
        ensure!(log.contains(words), "the refusal lacks {words:?}:\n{log}");
    }
    Ok(())
}
