//! Policies that come and go while the agent runs.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serin_api::proto::{TracingPolicyMode, TracingPolicyState};
use tonic::Code;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup, nothing_left};
use crate::bpf::Loaded;
use crate::kernel::Kernel;
use crate::policy::{OVERRIDE_AND_KILL, PASSWD, on_symlinkat};
use crate::trigger::{self, Waiting};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("live::a_policy_that_is_added_reports", added),
        scenario("live::a_disabled_policy_is_silent_until_enabled", disabled),
        scenario("live::a_deleted_policy_leaves_nothing_in_the_kernel", deleted),
        scenario("live::policies_on_one_call_go_one_by_one", one_by_one),
        scenario("live::lists_and_returns_come_and_go", lists_and_returns),
        scenario("live::what_has_no_room_is_refused", no_room),
        scenario("live::policies_for_other_hosts_are_left_out", for_other_hosts),
        scenario("live::replacing_loses_nothing", replaced),
        scenario("live::a_refused_policy_leaves_the_old_one_in_place", refused),
        scenario("live::binaries_are_known_of_processes_that_run", running_binary),
        scenario("live::enforcement_comes_and_goes", enforcement).needs(Kernel::enforcement),
        scenario("live::a_policy_starts_in_the_mode_it_asks_for", mode_of_the_policy),
    ]
}

/// Whether a link to the password file is reported now.
fn reports(agent: &mut Agent, policy: &str) -> Result<bool> {
    let ended = trigger::symlink("/etc/passwd", "")?;
    agent.settle()?;
    Ok(agent.hits_of(ended.pid).iter().any(|hit| hit["policy_name"] == policy))
}

fn added(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.start()?;
    let mut api = agent.api()?;
    ensure!(api.list()?.is_empty(), "policies before any was added: {:?}", api.list()?);
    api.add(&on_symlinkat("links", PASSWD))?;
    ensure!(reports(&mut agent, "links")?, "no event");
    let policy = api.only()?;
    ensure!((policy.name.as_str(), policy.domain.as_str()) == ("links", "grpc"), "{policy:?}");
    ensure!(policy.state() == TracingPolicyState::TpStateEnabled && policy.enabled, "{policy:?}");
    ensure!(policy.mode() == TracingPolicyMode::TpModeMonitorOnly, "{policy:?}");
    ensure!(policy.sensors == ["__x64_sys_symlinkat"], "{policy:?}");
    ensure!(policy.kernel_memory_bytes > 0, "{policy:?}");
    let count = policy.hook_counts.first().context("no counts")?;
    ensure!((count.hits, count.posted) == (1, 1), "{policy:?}");
    agent.stop()?;
    Ok(())
}

fn for_other_hosts(_: &Kernel) -> Result<()> {
    let on = |name: &str, nodes: &str| {
        on_symlinkat(name, PASSWD).replacen("spec:\n", &format!("spec:\n  nodeSelector: {nodes}\n"), 1)
    };
    let web = "{matchLabels: {tier: web}, matchExpressions: [{key: kubernetes.io/os, operator: Exists}]}";
    let others = "{matchExpressions: [{key: tier, operator: NotIn, values: [db, web]}]}";
    // What another kernel has need not be here.
    let elsewhere = "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {name: elsewhere}\nspec:\n  \
                     kprobes: [{call: of_another_kernel, syscall: false}]\n  nodeSelector: {matchLabels: {tier: db}}\n";
    let setup = Setup::new()?.policy(&on("others", others))?.policy(elsewhere)?.policy(&on("here", web))?;
    let mut agent = setup.arguments(["--node-label", "tier=web"]).start()?;
    let mut api = agent.api()?;
    api.add(&on("later", others))?;
    ensure!(reports(&mut agent, "here")?, "no event of the policy for this host");
    for name in ["others", "later"] {
        ensure!(!reports(&mut agent, name)?, "{name}: an event, though it is for others");
        let refused = api.enable(name, true).err().with_context(|| format!("{name} was enabled"))?;
        ensure!(refused.message().contains("not for this host"), "{refused:?}");
        let listed = api.list()?.into_iter().find(|policy| policy.name == name).context("not listed")?;
        ensure!(listed.state() == TracingPolicyState::TpStateDisabled && !listed.enabled, "{listed:?}");
        ensure!(listed.error.contains("`nodeSelector`") && listed.sensors.is_empty(), "{listed:?}");
    }
    // Another one of its name may be for this host.
    api.replace(&on("later", "{}"))?;
    ensure!(reports(&mut agent, "later")?, "no event of the policy that took its place");
    agent.stop()?;
    Ok(())
}

fn disabled(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.policy(&on_symlinkat("links", PASSWD))?.start()?;
    let mut api = agent.api()?;
    ensure!(reports(&mut agent, "links")?, "no event at first");
    api.enable("links", false)?;
    ensure!(!reports(&mut agent, "links")?, "an event though it is disabled");
    let policy = api.only()?;
    ensure!(policy.state() == TracingPolicyState::TpStateDisabled && !policy.enabled, "{policy:?}");
    ensure!(policy.kernel_memory_bytes == 0 && policy.domain == "static", "{policy:?}");
    api.enable("links", true)?;
    ensure!(reports(&mut agent, "links")?, "no event though it is enabled again");
    let counters = api.only()?.stats.and_then(|stats| stats.action_counters).context("no counters")?;
    ensure!(counters.post == 2, "{counters:?}");
    agent.stop()?;
    Ok(())
}

fn deleted(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.start()?;
    let mut api = agent.api()?;
    let before = Loaded::now();
    for round in 0..3 {
        api.add(&on_symlinkat("links", PASSWD))?;
        ensure!(Loaded::now().added_since(&before).0 > 0, "no program was loaded in round {round}");
        ensure!(reports(&mut agent, "links")?, "no event in round {round}");
        api.delete("links")?;
        nothing_left(&before)?;
        ensure!(!reports(&mut agent, "links")?, "an event after the policy has gone, in round {round}");
    }
    ensure!(api.list()?.is_empty(), "still there: {:?}", api.list()?);
    let missing = api.delete("links").err().context("a policy that is not there was deleted")?;
    ensure!(missing.code() == Code::NotFound, "{missing:?}");
    agent.stop()?;
    Ok(())
}

/// Where there is no other way, hooks on one call lead on to each other.
fn one_by_one(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.start()?;
    let mut api = agent.api()?;
    let names = ["a", "b", "c", "d"];
    for name in names {
        api.add(&on_symlinkat(name, PASSWD))?;
    }
    let mut left: BTreeSet<_> = names.into();
    for goes in ["b", "d", "a"] {
        api.delete(goes)?;
        left.remove(goes);
        let ended = trigger::symlink("/etc/passwd", "")?;
        agent.settle()?;
        let hits = agent.hits_of(ended.pid);
        let seen: BTreeSet<_> = hits.iter().filter_map(|hit| hit["policy_name"].as_str()).collect();
        ensure!(seen == left && hits.len() == left.len(), "without {goes}: {seen:?}, not {left:?}");
    }
    api.add(&on_symlinkat("e", PASSWD))?;
    ensure!(
        reports(&mut agent, "e")? && reports(&mut agent, "c")?,
        "a new one, or the one before it, is silent"
    );
    agent.stop()?;
    Ok(())
}

fn replaced(_: &Kernel) -> Result<()> {
    const TIMES: usize = 10;
    let mut agent = Setup::new()?.policy(&on_symlinkat("links", PASSWD))?.start()?;
    let mut api = agent.api()?;
    let mut links = Waiting::linking()?;
    let pid = links.pid();
    agent.settle()?;
    links.go()?;
    for _ in 0..TIMES {
        api.replace(&on_symlinkat("links", PASSWD))?;
    }
    let made = links.go()?;
    links.end()?;
    agent.settle()?;
    let names = agent.hits_of(pid).into_iter().filter_map(|hit| hit["args"][2]["string_arg"].as_str());
    let seen: BTreeSet<_> = names.filter_map(|name| name.rsplit('/').next()?.parse::<i32>().ok()).collect();
    let missing: Vec<_> = (0..made).filter(|link| !seen.contains(link)).collect();
    ensure!(made > 0 && missing.is_empty(), "of {made} links, these were not seen: {missing:?}");
    ensure!(api.list()?.len() == 1, "{:?}", api.list()?);
    agent.stop()?;
    Ok(())
}

/// A program for several calls has as many places in the tables of both dispatchers.
fn lists_and_returns(_: &Kernel) -> Result<()> {
    let policy = |name: &str, calls: &str| {
        format!(
            "apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: {name}}}
spec:
  lists:
  - {{name: calls, type: syscalls, values: [{calls}]}}
  kprobes:
  - call: list:calls
    args: [{{index: 1, type: int64}}]
    return: true
    returnArg: {{type: int}}
    selectors: [matchArgs: [{{index: 1, operator: Equal, values: [86]}}]]
"
        )
    };
    let (first, second) = (policy("first", "sys_lseek, sys_chmod"), policy("second", "sys_dup, sys_lseek"));
    let mut agent = Setup::new()?.start()?;
    let mut api = agent.api()?;
    let before = Loaded::now();
    let reported = |agent: &mut Agent| -> Result<BTreeSet<String>> {
        let ended = trigger::seek(86)?;
        agent.settle()?;
        let hits = agent.hits_of(ended.pid);
        let failed = |hit: &&serde_json::Value| hit["return"]["int_arg"] == -libc::EBADF;
        ensure!(hits.iter().all(|hit| failed(&&**hit)), "returns: {hits:?}");
        Ok(hits.iter().filter_map(|hit| hit["policy_name"].as_str()).map(str::to_owned).collect())
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    for round in 0..3 {
        api.add(&first)?;
        ensure!(reported(&mut agent)? == names(&["first"]), "round {round}: with the first");
        api.add(&second)?;
        ensure!(reported(&mut agent)? == names(&["first", "second"]), "round {round}: with both");
        api.delete("first")?;
        ensure!(reported(&mut agent)? == names(&["second"]), "round {round}: without the first");
        api.delete("second")?;
        ensure!(reported(&mut agent)?.is_empty(), "round {round}: with none");
        nothing_left(&before)?;
    }
    agent.stop()?;
    Ok(())
}

/// Tables whose size is fixed at the start, when nothing asked for them.
fn no_room(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.start()?;
    let mut api = agent.api()?;
    let before = Loaded::now();
    let patterns: Vec<_> = (0..65).map(|number| format!("/{number}")).collect();
    let follow = "    - matchActions: [{action: FollowFD, argFd: 1, argName: 0}]\n";
    let changes = "    - matchNamespaceChanges: [{operator: In, values: [Uts]}]\n";
    let binaries =
        format!("    - matchBinaries: [{{operator: Prefix, values: ['{}']}}]\n", patterns.join("', '"));
    for (selectors, words) in
        [(follow, "follows descriptors"), (changes, "asks what has changed"), (&binaries, "room for 64")]
    {
        let refused =
            api.add(&on_symlinkat("links", selectors)).err().with_context(|| format!("taken: {words}"))?;
        ensure!(refused.message().contains(words), "{refused:?}");
    }
    nothing_left(&before)?;
    api.add(&on_symlinkat("links", PASSWD))?;
    ensure!(reports(&mut agent, "links")?, "no event");
    agent.stop()?;
    Ok(())
}

fn refused(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.start()?;
    let mut api = agent.api()?;
    let policy = on_symlinkat("links", PASSWD);
    api.add(&policy)?;
    let before = Loaded::now();
    for (yaml, code, words) in [
        (policy.as_str(), Code::AlreadyExists, "there is a policy `links` already"),
        (&policy.replace("kprobes", "kprobs"), Code::InvalidArgument, "policy:6:3: "),
        (&policy.replace("symlinkat", "symlinkatt"), Code::InvalidArgument, "policy:7:"),
        ("", Code::InvalidArgument, "there is no policy in this file"),
        (&format!("{policy}---\n{policy}"), Code::InvalidArgument, "add them one by one"),
    ] {
        let replace = code != Code::AlreadyExists;
        let result = if replace { api.replace(yaml) } else { api.add(yaml) };
        let refused = result.err().with_context(|| format!("taken: {yaml}"))?;
        ensure!(refused.code() == code && refused.message().contains(words), "{refused:?}");
    }
    nothing_left(&before)?;
    ensure!(reports(&mut agent, "links")?, "the policy that was there is silent");
    agent.stop()?;
    Ok(())
}

fn running_binary(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.start()?;
    let mut api = agent.api()?;
    let mut link = Waiting::symlink("/etc/passwd", "")?;
    agent.settle()?;
    let program = trigger::program()?;
    let selectors =
        format!("    - matchBinaries:\n      - operator: In\n        values:\n        - {program}\n");
    api.add(&on_symlinkat("by-binary", &selectors))?;
    link.go()?;
    let pid = link.pid();
    link.end()?;
    agent.settle()?;
    ensure!(agent.hits_of(pid).len() == 1, "hits: {:?}", agent.hits_of(pid));
    agent.stop()?;
    Ok(())
}

fn enforcement(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut number = 0;
    let mut is_made = || -> Result<bool> {
        number += 1;
        let link = folder.path().join(number.to_string()).to_string_lossy().into_owned();
        trigger::symlink("/etc/passwd", &link)?;
        Ok(Path::new(&link).is_symlink())
    };
    let mut agent = Setup::new()?.start()?;
    let mut api = agent.api()?;
    let before = Loaded::now();
    for round in 0..2 {
        api.add(&on_symlinkat("block", &format!("{PASSWD}{OVERRIDE_AND_KILL}")))?;
        ensure!(!is_made()?, "round {round}: not blocked");
        api.set_mode("block", TracingPolicyMode::TpModeMonitor)?;
        ensure!(is_made()?, "round {round}: blocked though it only monitors");
        ensure!(reports(&mut agent, "block")?, "round {round}: no event though it monitors");
        api.set_mode("block", TracingPolicyMode::TpModeEnforce)?;
        ensure!(!is_made()?, "round {round}: not blocked though it enforces again");
        api.enable("block", false)?;
        ensure!(is_made()?, "round {round}: blocked though it is disabled");
        api.delete("block")?;
        ensure!(is_made()?, "round {round}: blocked though it is gone");
        nothing_left(&before)?;
    }
    agent.stop()?;
    Ok(())
}

fn mode_of_the_policy(_: &Kernel) -> Result<()> {
    let killing = on_symlinkat("kill", "    - macros: [passwd, kill]\n").replace(
        "spec:\n",
        "spec:
  options: [{name: policy-mode, value: monitor}]
  selectorsMacros:
    passwd: {matchArgs: [{index: 0, operator: Postfix, values: [passwd]}]}
    kill: {matchActions: [{action: Sigkill}]}
",
    );
    let is_killed =
        || Ok::<_, anyhow::Error>(trigger::symlink("/etc/passwd", "")?.signal() == Some(libc::SIGKILL));
    let mut agent = Setup::new()?.policy(&killing)?.start()?;
    let mut api = agent.api()?;
    ensure!(api.only()?.mode() == TracingPolicyMode::TpModeMonitor, "{:?}", api.only()?);
    ensure!(!is_killed()?, "killed though the policy only monitors");
    ensure!(reports(&mut agent, "kill")?, "no event though it monitors");
    api.set_mode("kill", TracingPolicyMode::TpModeEnforce)?;
    ensure!(is_killed()?, "not killed though it enforces");
    api.replace(&killing)?;
    ensure!(!is_killed()?, "killed though the policy that came in its place only monitors");
    agent.stop()?;
    Ok(())
}
