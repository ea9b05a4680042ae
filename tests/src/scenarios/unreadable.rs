//! Arguments in memory that a program which must not sleep cannot read: no way around what enforces, and what observes reads
//! them when the call returns.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Scenario, scenario, uprobes};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger::{self, Ended, unreadable};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("unreadable::is_killed_for", kill),
        scenario("unreadable::is_observed_when_the_call_returns", observe),
        scenario("unreadable::is_observed_by_many_hooks", many),
        scenario("unreadable::is_read_late_with_what_was_returned", returned),
        scenario("unreadable::is_decided_late_by_the_selectors_in_order", in_order),
        scenario("unreadable::is_counted_where_it_stays_so", stays_unreadable),
        scenario("unreadable::is_refused", refuse).needs(Kernel::enforcement),
        scenario("unreadable::is_seen_by_functions", functions).needs(Kernel::function_hooks),
        scenario("unreadable::content_that_is_provided_late", provided).needs(has_provider),
        scenario("unreadable::buffers_and_addresses", other_types),
        scenario("unreadable::is_brought_in_for_hooks_in_programs", programs),
        scenario("unreadable::nobody_keeps_the_agent_waiting", held).needs(has_provider),
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
    let mut agent = Setup::new()?.policy(&on_symlinkat("kill", &kill))?.start()?;
    for way in ways {
        let link = folder.path().join(way).to_string_lossy().into_owned();
        let ended = unreadable::symlink(way, "/etc/passwd", &link)?;
        ensure!(ended.signal() == Some(libc::SIGKILL), "{way}: not killed: {ended:?}");
        agent.settle()?;
        let killed = hits(&agent, &ended, "kill");
        ensure!(killed.len() == 1 && failed_closed(killed[0]), "{way}: {killed:?}");
    }
    agent.stop()?;
    Ok(())
}

fn kill(_: &Kernel) -> Result<()> {
    check_kill(ways())
}

fn provided(_: &Kernel) -> Result<()> {
    check_kill(["provided"].into_iter())?;
    check_observe(["provided"].into_iter())
}

fn check_observe(ways: impl Iterator<Item = &'static str>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut agent = Setup::new()?
        .policy(&on_symlinkat("filtered", PASSWD))?
        .policy(&on_symlinkat("all", "    - matchActions:\n      - action: Post\n"))?
        .policy(&on_symlinkat("others", &PASSWD.replace("Postfix", "NotPostfix")))?
        .start()?;
    for way in ways {
        let link = folder.path().join(way).to_string_lossy().into_owned();
        let ended = unreadable::symlink(way, "/etc/passwd", &link)?;
        ensure!(ended.errno == Some(0), "{way}: no link: {ended:?}");
        agent.settle()?;
        for policy in ["filtered", "all"] {
            let seen = hits(&agent, &ended, policy);
            ensure!(seen.len() == 1, "{way}, {policy}: {seen:?}");
            let args = &seen[0]["process_kprobe"]["args"];
            ensure!(args[0]["string_arg"] == "/etc/passwd" && args[2]["string_arg"] == link, "{way}: {args}");
        }
        ensure!(hits(&agent, &ended, "others").is_empty(), "{way}: taken for another");
    }
    for policy in ["filtered", "all", "others"] {
        ensure!(counted(&agent, policy)? == 0, "{policy}: counted, though it was read late");
    }
    agent.stop()?;
    Ok(())
}

fn observe(_: &Kernel) -> Result<()> {
    check_observe(ways())
}

/// More than a function can have trampolines for, so that some are attached in another way.
fn many(_: &Kernel) -> Result<()> {
    const POLICIES: usize = 24;
    let setup = (0..POLICIES).try_fold(Setup::new()?, |setup, number| {
        setup.policy(&on_symlinkat(&format!("observe-{number}"), PASSWD))
    });
    let mut agent = setup?.start()?;
    let ended = unreadable::symlink("untouched", "/etc/passwd", "")?;
    agent.settle()?;
    for number in 0..POLICIES {
        let seen = hits(&agent, &ended, &format!("observe-{number}"));
        ensure!(seen.len() == 1, "policy {number}: {seen:?}");
    }
    agent.stop()?;
    Ok(())
}

fn returned(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let with_return = |name: &str, filter: &str| {
        let policy = on_symlinkat(name, &format!("{PASSWD}{filter}"));
        policy.replace("    args:\n", "    return: true\n    returnArg: {index: 0, type: int}\n    args:\n")
    };
    let fails = "      matchReturnArgs:\n      - {index: 0, operator: Equal, values: ['-17']}\n";
    let mut agent =
        Setup::new()?.policy(&with_return("any", ""))?.policy(&with_return("fails", fails))?.start()?;
    let link = folder.path().join("link").to_string_lossy().into_owned();
    for (errno, expected) in [(0, 0), (libc::EEXIST, 1)] {
        let ended = unreadable::symlink("untouched", "/etc/passwd", &link)?;
        ensure!(ended.errno == Some(errno), "{ended:?}");
        agent.settle()?;
        let seen = hits(&agent, &ended, "any");
        ensure!(seen.len() == 1, "{seen:?}");
        let hit = &seen[0]["process_kprobe"];
        ensure!(hit["args"][0]["string_arg"] == "/etc/passwd" && hit["return"]["int_arg"] == -errno, "{hit}");
        ensure!(
            hits(&agent, &ended, "fails").len() == expected,
            "errno {errno}: what was returned is filtered"
        );
    }
    agent.stop()?;
    Ok(())
}

/// What must not be told comes first, and what enforces, elsewhere, is left out when the call returns.
fn in_order(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hidden = format!("{PASSWD}      matchActions:\n      - action: NoPost\n");
    let rest = "    - matchActions:\n      - action: Post\n";
    let nobody = "    - matchPIDs:\n      - {operator: In, values: [1]}\n      matchArgs:\n      \
                  - {index: 0, operator: Postfix, values: [shadow]}\n      matchActions:\n      - action: Sigkill\n";
    let mut agent =
        Setup::new()?.policy(&on_symlinkat("order", &format!("{nobody}{hidden}{rest}")))?.start()?;
    for (target, expected) in [("/etc/passwd", 0), ("/etc/shadow", 1)] {
        let link = folder.path().join(target.trim_start_matches("/etc/"));
        let ended = unreadable::symlink("untouched", target, &link.to_string_lossy())?;
        ensure!(ended.errno == Some(0), "{ended:?}");
        agent.settle()?;
        let seen = hits(&agent, &ended, "order");
        ensure!(seen.len() == expected, "{target}: {seen:?}");
    }
    agent.stop()?;
    Ok(())
}

/// Of a call that fails as its memory is nowhere.
fn stays_unreadable(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.policy(&on_symlinkat("observe", PASSWD))?.start()?;
    let ended = unreadable::symlink_to_nowhere()?;
    ensure!(ended.errno == Some(libc::EFAULT), "{ended:?}");
    agent.settle()?;
    ensure!(hits(&agent, &ended, "observe").is_empty(), "what nobody can read was matched");
    let count = counted(&agent, "observe")?;
    ensure!(count == 1, "{count} were counted");
    agent.stop()?;
    Ok(())
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
    let segments = "{index: 1, type: char_iovec, sizeArgIndex: 3}";
    let gathered = "{index: 1, operator: Equal, values: [secretend]}";
    let address = "{index: 1, type: sockaddr}";
    let port = "{index: 1, operator: SPort, values: ['9']}";
    let mut agent = Setup::new()?
        .policy(&policy("buffer-kill", "sys_write", buffer, written, "Sigkill"))?
        .policy(&policy("buffer-observe", "sys_write", buffer, written, "Post"))?
        .policy(&policy("address-observe", "sys_connect", address, port, "Post"))?
        .policy(&policy("segments-observe", "sys_writev", segments, gathered, "Post"))?
        .start()?;
    let ended = unreadable::write("secret")?;
    ensure!(ended.signal() == Some(libc::SIGKILL), "the writer was not killed: {ended:?}");
    let connected = unreadable::connect()?;
    ensure!(connected.errno == Some(0), "not connected: {connected:?}");
    agent.settle()?;
    let killed = hits(&agent, &ended, "buffer-kill");
    ensure!(killed.len() == 1 && killed[0]["serin"]["failed_closed"] == true, "{killed:?}");
    // A call that fails for its descriptor reads no buffer.
    ensure!(hits(&agent, &ended, "buffer-observe").is_empty(), "a buffer that nobody read was matched");
    ensure!(counted(&agent, "buffer-observe")? >= 1, "nothing was counted");
    let seen = hits(&agent, &connected, "address-observe");
    ensure!(seen.len() == 1, "{seen:?}");
    let address = &seen[0]["process_kprobe"]["args"][1]["sockaddr_arg"];
    ensure!(address["addr"] == "127.0.0.1" && address["port"] == 9, "{address}");
    let scattered = unreadable::write_scattered("secret")?;
    ensure!(scattered.errno == Some(0), "not written: {scattered:?}");
    agent.settle()?;
    let seen = hits(&agent, &scattered, "segments-observe");
    ensure!(seen.len() == 1, "{seen:?}");
    for policy in ["address-observe", "segments-observe"] {
        ensure!(counted(&agent, policy)? == 0, "{policy}: counted, though it was read late");
    }
    agent.stop()?;
    Ok(())
}

/// Before the hook looks, so that what enforces acts on what matches, and on nothing else.
fn programs(kernel: &Kernel) -> Result<()> {
    let policy = |name: &str, action: &str| {
        let library = uprobes::c_library()?;
        Ok::<_, anyhow::Error>(format!(
            "{{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {{name: {name}}}, spec: {{uprobes: [{{\
             path: {library}, symbols: [atoi], args: [{{index: 0, type: string}}], selectors: [{{matchArgs: [{{\
             index: 0, operator: Equal, values: ['4711']}}], matchActions: [{{action: {action}}}]}}]}}]}}}}"
        ))
    };
    let provided = has_provider(kernel).is_ok().then_some("provided");
    let all = || ways().chain(["crossing"]).chain(provided);
    let mut agent = Setup::new()?.policy(&policy("observe", "Post")?)?.start()?;
    for way in all() {
        for (text, expected) in [("4711", 1), ("4712", 0)] {
            let ended = unreadable::parse_number(way, text)?;
            ensure!(ended.errno == Some(0), "{way}: {ended:?}");
            agent.settle()?;
            let hits = uprobe_hits(&agent, &ended);
            ensure!(hits.len() == expected, "{way}, {text}: {hits:?}");
            ensure!(hits.iter().all(|hit| hit["args"][0]["string_arg"] == text), "{way}: {hits:?}");
        }
    }
    ensure!(counted(&agent, "observe")? == 0, "something could not be read");
    agent.stop()?;
    let agent = Setup::new()?.policy(&policy("kill", "Sigkill")?)?.start()?;
    for way in all() {
        let (spared, killed) =
            (unreadable::parse_number(way, "4712")?, unreadable::parse_number(way, "4711")?);
        ensure!(spared.errno == Some(0), "{way}: killed for another text: {spared:?}");
        ensure!(killed.signal() == Some(libc::SIGKILL), "{way}: not killed: {killed:?}");
    }
    agent.stop()?;
    Ok(())
}

fn uprobe_hits<'a>(agent: &'a Agent, ended: &Ended) -> Vec<&'a Value> {
    let hits = agent.events.iter().map(|event| &event["process_uprobe"]);
    hits.filter(|hit| hit["process"]["pid"] == ended.pid || hit["parent"]["pid"] == ended.pid).collect()
}

/// A process whose memory nobody provides has the kernel hold on to the hook that waits for it, and not the agent.
fn held(_: &Kernel) -> Result<()> {
    let library = uprobes::c_library()?;
    let policy = format!(
        "{{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {{name: held}}, spec: {{uprobes: [{{\
         path: {library}, symbols: [atoi], args: [{{index: 0, type: string}}]}}]}}}}"
    );
    let mut agent = Setup::new()?.start()?;
    let mut api = agent.api()?;
    api.add(&policy)?;
    let mut waiting = unreadable::wait_for_nobody()?;
    let stack = format!("/proc/{}/wchan", waiting.id());
    while !std::fs::read_to_string(&stack)?.contains("userfault") {
        std::thread::sleep(Duration::from_millis(10));
    }
    api.delete("held")?;
    agent.wait_for_log("a process keeps the kernel from letting go")?;
    api.add(&on_symlinkat("other", PASSWD))?;
    let ended = trigger::symlink("/etc/passwd", "")?;
    agent.settle()?;
    ensure!(hits(&agent, &ended, "other").len() == 1, "the agent does nothing else meanwhile");
    waiting.kill()?;
    waiting.wait()?;
    agent.stop()?;
    Ok(())
}
