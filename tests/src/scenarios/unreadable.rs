//! Arguments in memory that a program which must not sleep cannot read: no way around what enforces, and counted.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger::{Ended, unreadable};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("unreadable::is_killed_for_and_not_reported_else", kill),
        scenario("unreadable::is_refused", refuse).needs(Kernel::enforcement),
        scenario("unreadable::is_seen_by_functions", functions).needs(Kernel::function_hooks),
        scenario("unreadable::content_that_is_provided_late", provided).needs(has_provider),
        scenario("unreadable::buffers_and_addresses", other_types),
    ]
}

fn has_provider(_: &Kernel) -> Result<(), String> {
    unreadable::nobody_provides().map_or(Ok(()), Err)
}

/// Those that every kernel has.
fn ways() -> impl Iterator<Item = &'static str> {
    unreadable::WAYS.into_iter().filter(|way| *way != "provided")
}

/// Its hits, or those of its child, by this policy.
fn hits<'a>(agent: &'a Agent, ended: &Ended, policy: &str) -> Vec<&'a Value> {
    let hits = agent.events.iter().filter(|event| {
        let hit = &event["process_kprobe"];
        hit["policy_name"] == policy
            && (hit["process"]["pid"] == ended.pid || hit["parent"]["pid"] == ended.pid)
    });
    hits.collect()
}

/// How often a filter of this policy could not read its argument, as the metrics say.
fn counted(agent: &Agent, policy: &str) -> Result<u64> {
    let (_, metrics) = agent.ask("/metrics")?;
    let name = "serin_policy_unreadable_total{";
    let of_policy = format!("policy=\"{policy}\"");
    let line = metrics.lines().find(|line| line.starts_with(name) && line.contains(&of_policy));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).context("no such metric")
}

fn failed_closed(event: &Value) -> bool {
    event["serin"]["failed_closed"] == true && event["process_kprobe"]["args"][0]["error_arg"].is_object()
}

fn check_kill(ways: impl Iterator<Item = &'static str>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let kill = format!("{PASSWD}      matchActions:\n      - action: Sigkill\n");
    let mut agent = Setup::new()?
        .policy(&on_symlinkat("kill", &kill))?
        .policy(&on_symlinkat("observe", PASSWD))?
        .start()?;
    for (number, way) in ways.enumerate() {
        let link = folder.path().join(way).to_string_lossy().into_owned();
        let ended = unreadable::symlink(way, "/etc/passwd", &link)?;
        ensure!(ended.signal() == Some(libc::SIGKILL), "{way}: not killed: {ended:?}");
        agent.settle()?;
        let killed = hits(&agent, &ended, "kill");
        ensure!(killed.len() == 1 && failed_closed(killed[0]), "{way}: {killed:?}");
        let observed = hits(&agent, &ended, "observe");
        ensure!(observed.is_empty(), "{way}: a policy that observes matched: {observed:?}");
        let count = counted(&agent, "observe")?;
        ensure!(count == number as u64 + 1, "{way}: {count} were counted in all");
    }
    agent.stop()?;
    Ok(())
}

fn kill(_: &Kernel) -> Result<()> {
    check_kill(ways())
}

fn provided(_: &Kernel) -> Result<()> {
    check_kill(["provided"].into_iter())
}

fn refuse(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let refuse = format!("{PASSWD}      matchActions:\n      - action: Override\n        argError: -1\n");
    let mut agent = Setup::new()?.policy(&on_symlinkat("refuse", &refuse))?.start()?;
    for way in ways() {
        let link = folder.path().join(way);
        let ended = unreadable::symlink(way, "/etc/passwd", &link.to_string_lossy())?;
        ensure!(ended.errno == Some(libc::EPERM), "{way}: not refused: {ended:?}");
        ensure!(!Path::new(&link).is_symlink(), "{way}: the link was made all the same");
        agent.settle()?;
        let refused = hits(&agent, &ended, "refuse");
        ensure!(refused.len() == 1 && failed_closed(refused[0]), "{way}: {refused:?}");
    }
    agent.stop()?;
    Ok(())
}

/// The kernel's own copy is always there.
fn functions(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let policy = "{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {name: copy}, spec: {kprobes: [{\
                  call: security_path_symlink, syscall: false, args: [{index: 2, type: string}], selectors: [{\
                  matchArgs: [{index: 2, operator: Equal, values: [/etc/passwd]}]}]}]}}";
    let mut agent = Setup::new()?.policy(policy)?.start()?;
    for way in ways() {
        let link = folder.path().join(way).to_string_lossy().into_owned();
        let ended = unreadable::symlink(way, "/etc/passwd", &link)?;
        ensure!(ended.errno == Some(0), "{way}: no link: {ended:?}");
        agent.settle()?;
        let seen = hits(&agent, &ended, "copy");
        let is_whole = |event: &Value| event["process_kprobe"]["args"][0]["string_arg"] == "/etc/passwd";
        ensure!(seen.len() == 1 && is_whole(seen[0]), "{way}: {seen:?}");
    }
    ensure!(counted(&agent, "copy")? == 0, "something could not be read");
    agent.stop()?;
    Ok(())
}

fn other_types(_: &Kernel) -> Result<()> {
    let policy = |name: &str, call: &str, argument: &str, filter: &str, action: &str| {
        format!(
            "{{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {{name: {name}}}, spec: {{kprobes: [{{\
             call: {call}, args: [{{index: 0, type: int}}, {argument}], selectors: [{{matchArgs: [{filter}], \
             matchActions: [{{action: {action}}}]}}]}}]}}}}"
        )
    };
    // Of the descriptor no other process uses, so that nobody else is killed.
    let buffer = "{index: 1, type: char_buf, sizeArgIndex: 3}";
    let written =
        "{index: 0, operator: Equal, values: ['999']}, {index: 1, operator: Prefix, values: [secret]}";
    let address = "{index: 1, type: sockaddr}";
    let port = "{index: 1, operator: SPort, values: ['9']}";
    let mut agent = Setup::new()?
        .policy(&policy("buffer-kill", "sys_write", buffer, written, "Sigkill"))?
        .policy(&policy("buffer-observe", "sys_write", buffer, written, "Post"))?
        .policy(&policy("address-observe", "sys_connect", address, port, "Post"))?
        .start()?;
    let ended = unreadable::write("secret")?;
    ensure!(ended.signal() == Some(libc::SIGKILL), "the writer was not killed: {ended:?}");
    let connected = unreadable::connect()?;
    ensure!(connected.errno == Some(0), "not connected: {connected:?}");
    agent.settle()?;
    let killed = hits(&agent, &ended, "buffer-kill");
    ensure!(killed.len() == 1 && killed[0]["serin"]["failed_closed"] == true, "{killed:?}");
    for (ended, policy) in [(&ended, "buffer-observe"), (&connected, "address-observe")] {
        ensure!(hits(&agent, ended, policy).is_empty(), "{policy} matched");
        ensure!(counted(&agent, policy)? >= 1, "{policy}: nothing was counted");
    }
    agent.stop()?;
    Ok(())
}
