//! Lists of functions, which one program is on where the kernel can do that.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use serin_api::proto::TracingPolicyMode;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup, nothing_left};
use crate::kernel::Kernel;
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("lists::functions_are_hooked_by_one_program", together).needs(Kernel::function_hooks),
        scenario("lists::functions_are_hooked_one_by_one_if_the_policy_says_so", one_by_one)
            .needs(Kernel::function_hooks),
        scenario("lists::functions_that_are_missing_leave_the_others_alone", missing)
            .needs(Kernel::function_hooks),
        scenario("lists::functions_that_kill_do_so_while_they_enforce", kill).needs(Kernel::function_hooks),
        scenario("lists::functions_that_kill_outlive_the_agent", kept).needs(Kernel::function_hooks),
        scenario("lists::functions_come_and_go_with_their_policy", come_and_go).needs(Kernel::function_hooks),
    ]
}

/// A policy on what reads and writes a file.
fn policy(path: &Path, (options, functions, more, actions): (&str, &str, &str, &str)) -> String {
    format!(
        "apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: together}}
spec:
  options: [{options}]
  lists:
  - {{name: some, values: [{functions}]}}
  kprobes:
  - call: list:some
    args: [{{index: 0, type: file}}, {{index: 2, type: uint64}}]
    return: true
    returnArg: {{index: 0, type: int64}}
{more}    selectors:
    - matchArgs: [{{index: 0, operator: Equal, values: ['{}']}}]
{actions}",
        path.display()
    )
}

const FUNCTIONS: &str = "vfs_read, vfs_write";
const PLAIN: (&str, &str, &str, &str) = ("", FUNCTIONS, "", "");
const KILL: (&str, &str, &str, &str) =
    ("", FUNCTIONS, "", "      matchActions: [{action: Sigkill}, {action: Post}]\n");

/// A file that is there, to append to.
fn file(setup: &Setup) -> Result<std::path::PathBuf> {
    let path = setup.path("appended");
    fs::write(&path, "before")?;
    Ok(path)
}

/// Has a file appended to and read, and looks for both with what they returned.
fn sees_both(agent: &mut Agent, path: &Path) -> Result<()> {
    let before = fs::metadata(path)?.len();
    let ended = trigger::write(&path.display().to_string())?;
    let after = fs::metadata(path)?.len();
    agent.settle()?;
    let hits = agent.hits_of(ended.pid);
    let of = |function: &str| {
        let of = hits.iter().filter(|hit| hit["function_name"] == function);
        of.map(|hit| (hit["args"][1]["size_arg"].clone(), hit["return"].clone())).collect::<Vec<_>>()
    };
    let written = after - before;
    ensure!(written > 0, "nothing was written");
    let write = (json!(written.to_string()), json!({ "long_arg": written.to_string() }));
    ensure!(of("vfs_write") == [write], "vfs_write: {hits:?}");
    let reads = of("vfs_read");
    let read: i64 =
        reads.iter().filter_map(|(_, returned)| returned["long_arg"].as_str()?.parse::<i64>().ok()).sum();
    ensure!(read == i64::try_from(after)? && reads.len() > 1, "vfs_read: {hits:?}");
    let path = path.display().to_string();
    let others = hits.iter().find(|hit| hit["args"][0]["file_arg"]["path"] != *path);
    ensure!(others.is_none(), "another file: {others:?}");
    Ok(())
}

/// What of the hits each hook of the only policy counted.
fn counts(agent: &Agent) -> Result<Vec<(String, u64)>> {
    let policy = agent.api()?.only()?;
    for count in &policy.hook_counts {
        ensure!(count.hits == count.posted + count.lost, "{count:?}");
    }
    let hits = policy.hook_counts.iter().map(|count| count.hits);
    Ok(policy.sensors.iter().cloned().zip(hits).collect())
}

fn together(kernel: &Kernel) -> Result<()> {
    let setup = Setup::new()?;
    let path = file(&setup)?;
    let mut agent = setup.policy(&policy(&path, PLAIN))?.start()?;
    if kernel.many_functions {
        agent.wait_for_log("vfs_read and 1 more attached by kprobe.multi and kretprobe.multi")?;
    }
    sees_both(&mut agent, &path)?;
    let events = |function: &str| {
        let of_function = |event: &&Value| event["process_kprobe"]["function_name"] == function;
        agent.events.iter().filter(of_function).count() as u64
    };
    let expected = ["vfs_read", "vfs_write"].map(|function| (function.to_owned(), events(function)));
    ensure!(expected.iter().all(|(_, count)| *count > 0), "{expected:?}");
    let counted = counts(&agent)?;
    ensure!(counted == expected, "{counted:?} instead of {expected:?}");
    agent.stop()?;
    Ok(())
}

fn one_by_one(_: &Kernel) -> Result<()> {
    let setup = Setup::new()?;
    let path = file(&setup)?;
    let alone = ("{name: disable-kprobe-multi, value: true}", FUNCTIONS, "", "");
    let mut agent = setup.policy(&policy(&path, alone))?.start()?;
    sees_both(&mut agent, &path)?;
    let multi = agent.log.iter().find(|line| line.contains("probe.multi"));
    ensure!(multi.is_none(), "{multi:?}");
    agent.stop()?;
    Ok(())
}

fn missing(_: &Kernel) -> Result<()> {
    let setup = Setup::new()?;
    let path = file(&setup)?;
    let some = ("", "vfs_read, no_such_function, vfs_write", "    ignore: {callNotFound: true}\n", "");
    let mut agent = setup.policy(&policy(&path, some))?.start()?;
    sees_both(&mut agent, &path)?;
    agent.stop()?;
    Ok(())
}

fn kill(_: &Kernel) -> Result<()> {
    let setup = Setup::new()?;
    let path = file(&setup)?;
    let mut agent = setup.policy(&policy(&path, KILL))?.start()?;
    let text = path.display().to_string();
    for (mode, killed) in [
        (TracingPolicyMode::TpModeEnforce, true),
        (TracingPolicyMode::TpModeMonitor, false),
        (TracingPolicyMode::TpModeEnforce, true),
    ] {
        agent.api()?.set_mode("together", mode)?;
        let ended = trigger::write(&text)?;
        ensure!(ended.signal() == killed.then_some(libc::SIGKILL), "{mode:?}: {ended:?}");
        agent.settle()?;
        let hits = agent.hits_of(ended.pid);
        ensure!(hits.iter().any(|hit| hit["function_name"] == "vfs_write"), "{mode:?}: {hits:?}");
    }
    agent.stop()?;
    Ok(())
}

fn kept(_: &Kernel) -> Result<()> {
    let place = Setup::new()?;
    let path = file(&place)?;
    let text = path.display().to_string();
    let setup =
        || -> Result<Setup> { Ok(Setup::new()?.policy(&policy(&path, KILL))?.arguments(["--keep-on-exit"])) };
    setup()?.start()?.leave(rustix::process::Signal::TERM)?;
    let ended = trigger::write(&text)?;
    ensure!(ended.signal() == Some(libc::SIGKILL), "nothing is enforced: {ended:?}");
    let (before, _) = setup()?.start()?.leave(rustix::process::Signal::TERM)?;
    Setup::new()?.start()?.leave(rustix::process::Signal::TERM)?;
    let ended = trigger::write(&text)?;
    ensure!(ended.signal().is_none(), "it is enforced still: {ended:?}");
    nothing_left(&before)
}

fn come_and_go(_: &Kernel) -> Result<()> {
    let setup = Setup::new()?;
    let path = file(&setup)?;
    let mut agent = setup.start()?;
    for _ in 0..2 {
        agent.api()?.add(&policy(&path, PLAIN))?;
        sees_both(&mut agent, &path)?;
        agent.api()?.enable("together", false)?;
        ensure!(agent.api()?.only()?.kernel_memory_bytes == 0, "memory of a policy that is disabled");
        let ended = trigger::write(&path.display().to_string())?;
        agent.settle()?;
        ensure!(agent.hits_of(ended.pid).is_empty(), "an event though it is disabled");
        agent.api()?.enable("together", true)?;
        sees_both(&mut agent, &path)?;
        agent.api()?.delete("together")?;
        let ended = trigger::write(&path.display().to_string())?;
        agent.settle()?;
        ensure!(agent.hits_of(ended.pid).is_empty(), "an event though the policy is gone");
    }
    agent.stop().context("the agent left something")?;
    Ok(())
}
