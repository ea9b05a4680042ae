//! Filters on namespaces, capabilities and user ids, and on what has changed of them.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Result, ensure};

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::policy::on_symlinkat;
use crate::trigger::{self, Ended, Waiting};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("identity::namespaces", namespaces),
        scenario("identity::capabilities", capabilities),
        scenario("identity::capabilities_within_a_user_namespace", user_namespace).needs(user_namespaces),
        scenario("identity::users", users),
        scenario("identity::changes_are_reported_once", changes),
    ]
}

fn user_namespaces(_: &Kernel) -> Result<(), String> {
    let there =
        std::fs::read_to_string("/proc/sys/user/max_user_namespaces").is_ok_and(|max| max.trim() != "0");
    if there { Ok(()) } else { Err("this kernel has no user namespaces".into()) }
}

/// A filter, in YAML, and how many links of each subject it lets be reported.
type Case<'c> = (String, &'c [usize]);

fn start(cases: &[Case<'_>]) -> Result<Agent> {
    let mut setup = Setup::new()?;
    for (place, (filter, _)) in cases.iter().enumerate() {
        setup = setup.policy(&on_symlinkat(&format!("case-{place}"), &format!("    - {filter}\n")))?;
    }
    setup.start()
}

/// Holds how often each subject was reported against the table.
fn compare(agent: &Agent, cases: &[Case<'_>], subjects: &[u32]) -> Result<()> {
    let mut wrong = Vec::new();
    for (place, (filter, expected)) in cases.iter().enumerate() {
        let name = format!("case-{place}");
        let hits = |pid: &u32| {
            agent.hits_of(*pid).into_iter().filter(|hit| hit["policy_name"] == name.as_str()).count()
        };
        let found: Vec<usize> = subjects.iter().map(hits).collect();
        if found != *expected {
            wrong.push(format!("{filter}: reported {found:?}, expected {expected:?}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn pids(ended: &[Ended]) -> Vec<u32> {
    ended.iter().map(|ended| ended.pid).collect()
}

fn namespaces(_: &Kernel) -> Result<()> {
    let inode =
        |kind: &str| Ok::<u64, std::io::Error>(std::fs::metadata(format!("/proc/self/ns/{kind}"))?.ino());
    let (uts, pid) = (inode("uts")?, inode("pid")?);
    let filter = |kind, operator, values| {
        format!("matchNamespaces: [{{namespace: {kind}, operator: {operator}, values: {values}}}]")
    };
    let many: Vec<u64> = (1..500).chain([uts]).collect();
    let cases = [
        (filter("Mnt", "In", "[host_ns]"), &[1, 1, 0][..]),
        (filter("Mnt", "NotIn", "[host_ns, 5]"), &[0, 0, 1]),
        (filter("Uts", "In", &format!("['{uts}', '7']")), &[1, 0, 1]),
        (filter("Uts", "NotIn", &format!("{many:?}")), &[0, 1, 0]),
        (filter("Net", "In", "[host_ns]"), &[1, 1, 1]),
        (filter("Ipc", "NotIn", "['1']"), &[1, 1, 1]),
        (filter("Pid", "In", &format!("[{pid}]")), &[1, 1, 1]),
        (filter("PidForChildren", "In", "[host_ns]"), &[1, 1, 1]),
        (
            "matchNamespaces: [{namespace: Uts, operator: NotIn, values: [host_ns]}, {namespace: Mnt, operator: In, \
             values: [host_ns]}]"
                .into(),
            &[0, 1, 0],
        ),
    ];
    let mut agent = start(&cases)?;
    let ended = [
        trigger::symlink("/etc/hostname", "")?,
        trigger::symlink_unshared(&["--uts"])?,
        trigger::symlink_unshared(&["--mount"])?,
    ];
    agent.settle()?;
    compare(&agent, &cases, &pids(&ended))?;
    agent.stop()?;
    Ok(())
}

fn capabilities(_: &Kernel) -> Result<()> {
    const NET_RAW: &[u32] = &[13];
    let filter = |set, operator, values| {
        format!("matchCapabilities: [{{type: {set}, operator: {operator}, values: {values}}}]")
    };
    let within = "isNamespaceCapability: true, operator: In, values: [CAP_CHOWN]";
    let cases = [
        (filter("Effective", "In", "[CAP_NET_RAW]"), &[1, 0][..]),
        (filter("Effective", "NotIn", "[CAP_NET_RAW]"), &[0, 1]),
        (filter("Effective", "In", "[CAP_NET_RAW, CAP_CHOWN]"), &[1, 1]),
        (filter("Permitted", "In", "[CAP_NET_RAW]"), &[1, 0]),
        (filter("Inheritable", "In", "[CAP_NET_RAW, CAP_CHOWN]"), &[0, 0]),
        (format!("matchCapabilities: [{{{within}}}]"), &[0, 0]),
    ];
    let mut agent = start(&cases)?;
    let ended = [trigger::symlink("/etc/hostname", "")?, trigger::symlink_without(NET_RAW)?];
    agent.settle()?;
    compare(&agent, &cases, &pids(&ended))?;
    agent.stop()?;
    Ok(())
}

fn user_namespace(_: &Kernel) -> Result<()> {
    let filter = |rest| format!("matchCapabilities: [{{operator: In, values: [CAP_CHOWN]{rest}}}]");
    let cases = [(filter(""), &[1, 1][..]), (filter(", isNamespaceCapability: true"), &[0, 1])];
    let mut agent = start(&cases)?;
    let ended =
        [trigger::symlink("/etc/hostname", "")?, trigger::symlink_unshared(&["--user", "--map-root-user"])?];
    ensure!(ended[1].errno.is_some(), "no user namespace: {:?}", ended[1]);
    agent.settle()?;
    compare(&agent, &cases, &pids(&ended))?;
    agent.stop()?;
    Ok(())
}

fn users(_: &Kernel) -> Result<()> {
    let filter = |which, operator, values| {
        format!("matchCurrentCred: [{{{which}: [{{operator: {operator}, values: {values}}}]}}]")
    };
    let cases = [
        (filter("uid", "Equal", "[0]"), &[1, 0, 0][..]),
        (filter("uid", "Equal", "['1000:1500', 7]"), &[0, 1, 1]),
        (filter("uid", "NotEqual", "['1:2000']"), &[1, 0, 0]),
        (filter("euid", "Equal", "['0']"), &[1, 1, 0]),
        (filter("euid", "NotEqual", "['0']"), &[0, 0, 1]),
    ];
    let mut agent = start(&cases)?;
    let ended = [trigger::symlink_as(0, 0)?, trigger::symlink_as(1500, 0)?, trigger::symlink_as(1001, 1001)?];
    agent.settle()?;
    compare(&agent, &cases, &pids(&ended))?;
    agent.stop()?;
    Ok(())
}

fn changes(_: &Kernel) -> Result<()> {
    ensure!(Path::new("/proc/self/ns/uts").exists(), "this kernel has no UTS namespaces");
    let namespace =
        |operator, values| format!("matchNamespaceChanges: [{{operator: {operator}, values: {values}}}]");
    let capability =
        |operator, values| format!("matchCapabilityChanges: [{{operator: {operator}, values: {values}}}]");
    let cases = [
        (namespace("In", "[Mnt, Uts]"), &[1, 1, 0][..]),
        (namespace("In", "[Mnt, Net]"), &[0, 0, 0]),
        (namespace("NotIn", "[Mnt]"), &[1, 1, 0]),
        (namespace("NotIn", "[Uts]"), &[0, 0, 0]),
        (capability("In", "[CAP_CHOWN, CAP_NET_RAW]"), &[1, 1, 0]),
        (capability("In", "[CAP_CHOWN]"), &[0, 0, 0]),
        (capability("NotIn", "[CAP_CHOWN]"), &[1, 1, 0]),
        (capability("NotIn", "[CAP_NET_RAW]"), &[0, 0, 0]),
    ];
    // What a selector takes note of holds for all of them: so only one at a time is to match.
    for case in cases.chunks(2) {
        let mut before = Waiting::changing()?;
        let mut agent = start(case)?;
        let mut after = Waiting::changing()?;
        before.go()?;
        after.go()?;
        let unchanged = trigger::symlink("/etc/hostname", "")?;
        agent.settle()?;
        compare(&agent, case, &[before.pid(), after.pid(), unchanged.pid])?;
        before.end()?;
        after.end()?;
        agent.stop()?;
    }
    Ok(())
}
