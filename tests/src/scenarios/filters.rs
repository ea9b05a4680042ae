//! Filters: every operator holds where it should, and only there.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::policy::on_symlinkat;
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("filters::integers", integers),
        scenario("filters::integers_of_two_bytes", integers_of_two_bytes),
        scenario("filters::texts", texts),
        scenario("filters::many_texts", many_texts),
        scenario("filters::many_beginnings_and_endings", many_edges),
        scenario("filters::process_ids_follow_forks", follow_forks),
        scenario("filters::process_ids_of_a_namespace", namespace_ids),
        scenario("filters::signal_and_no_post", signal_and_no_post),
    ]
}

/// An operator with its values, and whether it holds for each subject of the test.
type Case<'c> = (&'c str, &'c str, &'c [bool]);

/// A policy of one hook that looks at one argument, the first entry of `args`; named after its place in the table.
fn policy(place: usize, call: &str, index: u8, kind: &str, operator: &str, values: &str) -> String {
    format!(
        "\
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata:
  name: case-{place}
spec:
  kprobes:
  - call: {call}
    args:
    - {{ index: {index}, type: {kind} }}
    selectors:
    - matchArgs:
      - {{ args: [0], operator: {operator}, values: {values} }}
"
    )
}

/// Names of the policies that reported a process.
fn reporters(agent: &Agent, pid: u32) -> BTreeSet<String> {
    let name = |hit: &&Value| hit["policy_name"].as_str().map(str::to_owned);
    agent.hits_of(pid).iter().filter_map(name).collect()
}

/// Holds what was reported of each subject against the table.
fn compare(agent: &Agent, cases: &[Case<'_>], subjects: &[(String, u32)]) -> Result<()> {
    let mut wrong = Vec::new();
    for (column, (subject, pid)) in subjects.iter().enumerate() {
        let reporters = reporters(agent, *pid);
        for (place, (operator, values, expected)) in cases.iter().enumerate() {
            let reported = reporters.contains(&format!("case-{place}"));
            if reported != expected[column] {
                wrong.push(format!("{operator} {values:.80} on {subject:.40}: reported is {reported}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn integers(_: &Kernel) -> Result<()> {
    let subjects: [i64; 5] = [-7, -1, 0, 8, 0x1_0000_0008];
    let signed: &[Case<'_>] = &[
        ("Equal", "['-7', '0x8']", &[true, false, false, true, false]),
        ("NotEqual", "['-7', 010]", &[false, true, true, false, true]),
        ("GT", "['-1']", &[false, false, true, true, true]),
        ("LT", "[0]", &[true, true, false, false, false]),
        ("InRange", "['-6:0', '8:9']", &[false, true, true, true, false]),
        ("NotInRange", "['-6:0', '8:9']", &[true, false, false, false, true]),
        ("InMap", "['-7:-6', '0', '8']", &[true, false, true, true, false]),
        ("NotInMap", "['8', '4294967304']", &[true, true, true, false, false]),
        ("Mask", "[8]", &[true, true, false, true, true]),
    ];
    let unsigned: &[Case<'_>] = &[
        ("GT", "[9]", &[true, true, false, false, true]),
        ("LT", "[9]", &[false, false, true, true, false]),
        ("InRange", "['0x100000000:0xffffffffffffffff']", &[true, true, false, false, true]),
        ("Mask", "['0x100000000']", &[true, true, false, false, true]),
        ("NotEqual", "['0xffffffffffffffff']", &[true, false, true, true, true]),
    ];
    for (kind, cases) in [("int64", signed), ("uint64", unsigned)] {
        let mut setup = Setup::new()?;
        for (place, (operator, values, _)) in cases.iter().enumerate() {
            setup = setup.policy(&policy(place, "sys_lseek", 1, kind, operator, values))?;
        }
        let mut agent = setup.start()?;
        let mut ended = Vec::new();
        for subject in subjects {
            ended.push((subject.to_string(), trigger::seek(subject)?.pid));
        }
        agent.settle()?;
        compare(&agent, cases, &ended).with_context(|| format!("as {kind}"))?;
        agent.stop()?;
    }
    Ok(())
}

fn integers_of_two_bytes(_: &Kernel) -> Result<()> {
    // chmod(2) takes a mode of two bytes: what is above them is not part of it.
    let subjects = [0x1_0001_u32, 0xffff, 0x8000];
    for (kind, cases) in [
        ("uint16", [("Equal", "[1]", &[true, false, false][..]), ("GT", "[32767]", &[false, true, true])]),
        ("int16", [("Equal", "['-1']", &[false, true, false][..]), ("LT", "['-1']", &[false, false, true])]),
    ] {
        let mut setup = Setup::new()?;
        for (place, (operator, values, _)) in cases.iter().enumerate() {
            setup = setup.policy(&policy(place, "sys_chmod", 1, kind, operator, values))?;
        }
        let mut agent = setup.start()?;
        let mut ended = Vec::new();
        for subject in subjects {
            ended.push((subject.to_string(), trigger::chmod_nothing(subject)?.pid));
        }
        agent.settle()?;
        compare(&agent, &cases, &ended).with_context(|| format!("as {kind}"))?;
        agent.stop()?;
    }
    Ok(())
}

fn texts(_: &Kernel) -> Result<()> {
    let long = format!("/{}passwd", "pass/".repeat(800));
    let subjects = ["/etc/passwd", "/etc/hostname", "passw", &long];
    let cases: &[Case<'_>] = &[
        ("NotEqual", "[/etc/passwd, passw]", &[false, true, false, true]),
        ("NotPrefix", "[/etc/p, pa]", &[false, true, false, true]),
        ("NotPostfix", "[passwd, name]", &[false, false, true, false]),
        ("SubString", "[passwd, nothing]", &[true, false, false, true]),
        ("SubString", "[/pass/pass/passw]", &[false, false, false, true]),
        ("SubString", "[passw]", &[true, false, true, true]),
        ("SubString", "[tc/h]", &[false, true, false, false]),
        ("SubString", "[Passw]", &[false, false, false, false]),
        ("SubStringIgnCase", "[/PASSw]", &[true, false, false, true]),
    ];
    compare_links(cases, &subjects)
}

/// Links to each of the subjects, under a policy for each of the cases.
fn compare_links(cases: &[Case<'_>], subjects: &[&str]) -> Result<()> {
    let mut setup = Setup::new()?;
    for (place, (operator, values, _)) in cases.iter().enumerate() {
        setup = setup.policy(&policy(place, "sys_symlinkat", 0, "string", operator, values))?;
    }
    let mut agent = setup.start()?;
    let mut ended = Vec::new();
    for &subject in subjects {
        // Without a name for the link the call fails, but not before the hooks have run.
        ended.push((subject.to_owned(), trigger::symlink(subject, "")?.pid));
    }
    agent.settle()?;
    compare(&agent, cases, &ended)?;
    agent.stop()?;
    Ok(())
}

/// Many values are not compared one after the other.
fn many_texts(_: &Kernel) -> Result<()> {
    const VALUES: u32 = 2000;
    let long = format!("/{}", "x".repeat(4000));
    let values: Vec<String> = (0..VALUES).map(|number| format!("/bait/{number}")).collect();
    let values = format!("[{}, {long}, ab]", values.join(", "));
    let cases: &[Case<'_>] = &[
        ("Equal", &values, &[true, true, true, false, false, false, true, false]),
        ("NotEqual", &values, &[false, false, false, true, true, true, false, true]),
    ];
    let subjects = ["/bait/0", "/bait/1999", &long, "/bait/2000", "/bait/", &long[1..], "ab", "abc"];
    compare_links(cases, &subjects)
}

/// Neither are these, of which one can cover another.
fn many_edges(_: &Kernel) -> Result<()> {
    const VALUES: u32 = 2000;
    let long = format!("/{}", "x".repeat(4000));
    let numbers: Vec<String> = (1000..1000 + VALUES).map(|number| format!("/bait/{number}/")).collect();
    let values = format!("[{}, {long}, /bait/1500/more, ab]", numbers.join(", "));
    let cases: &[Case<'_>] = &[
        ("Prefix", &values, &[true, true, false, true, false, true, false, true]),
        ("NotPrefix", &values, &[false, false, true, false, true, false, true, false]),
        ("Postfix", &values, &[true, false, true, false, false, true, false, false]),
        ("NotPostfix", &values, &[false, true, false, true, true, false, true, true]),
    ];
    let longer = format!("{}y", &long);
    let subjects =
        ["/bait/1000/", "/bait/2999/a", "x/bait/2999/", "/bait/1500/m", "/bait/3000/", &long, "a", &longer];
    compare_links(cases, &subjects)
}

fn follow_forks(_: &Kernel) -> Result<()> {
    let parent = std::process::id();
    let cases = [
        ("In", parent, true, true),
        ("In", parent, false, false),
        ("NotIn", parent, true, false),
        ("NotIn", parent, false, true),
        ("In", 1, true, true),
        ("In", 0, true, false),
    ];
    let mut setup = Setup::new()?;
    for (place, (operator, pid, follow, _)) in cases.iter().enumerate() {
        let selectors = format!(
            "    - matchPIDs:\n      - {{ operator: {operator}, values: [4000000, {pid}], followForks: {follow} }}\n"
        );
        setup = setup.policy(&on_symlinkat(&format!("case-{place}"), &selectors))?;
    }
    let mut agent = setup.start()?;
    let ended = trigger::symlink("/etc/hostname", "")?;
    agent.settle()?;
    let reporters = reporters(&agent, ended.pid);
    for (place, case) in cases.iter().enumerate() {
        let reported = reporters.contains(&format!("case-{place}"));
        ensure!(reported == case.3, "{case:?}: reported is {reported}");
    }
    agent.stop()?;
    Ok(())
}

/// The first process of a pid namespace, which ends when its input does.
struct Namespace {
    unshare: Child,
    /// The process's id outside of the namespace.
    first: String,
}

impl Namespace {
    fn new() -> Result<Self> {
        // /proc still belongs to the outer namespace.
        let script = "read -r id rest < /proc/self/stat && echo $id && exec cat";
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "sh", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut unshare = command.spawn().context("cannot start unshare")?;
        let mut first = String::new();
        BufReader::new(unshare.stdout.take().context("no pipe from unshare")?).read_line(&mut first)?;
        Ok(Self { unshare, first: first.trim().to_owned() })
    }

    /// Runs a trigger in it that no process of it has started.
    fn enter(&self, words: &[&str]) -> Result<()> {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.first, "-p", &trigger::program()?, "trigger"]).args(words);
        let status = command.stdout(Stdio::null()).status().context("cannot start nsenter")?;
        ensure!(status.success(), "nsenter ended with {status}");
        Ok(())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.unshare.stdin.take());
        let _ = self.unshare.wait();
    }
}

/// The shipped policy reports who sets a clock and does not descend from its namespace's first process.
fn namespace_ids(_: &Kernel) -> Result<()> {
    let shipped = std::fs::read_to_string(crate::root().join("policies/sys-clock-settime.yaml"))?;
    let mut agent = Setup::new()?.policy(&shipped)?.start()?;
    let namespace = Namespace::new()?;
    let program = trigger::program()?;
    // Each sets a clock of its own, none of which exists.
    namespace.enter(&["set-clock", "1001"])?;
    trigger::set_clock(1002)?;
    let as_first = format!("exec {program} trigger set-clock 1003 > /dev/null");
    let below_first = format!("{program} trigger set-clock 1004 > /dev/null; true");
    for script in [as_first, below_first] {
        let status = Command::new("unshare").args(["--pid", "--fork", "sh", "-c", &script]).status()?;
        ensure!(status.success(), "unshare ended with {status}");
    }
    let from_outside = agent.wait_for("process_kprobe", |event| !event["process_kprobe"].is_null())?;
    let hit = &from_outside["process_kprobe"];
    ensure!(hit["function_name"] == "__x64_sys_clock_settime", "function_name: {from_outside}");
    ensure!(hit["args"][0]["int_arg"] == 1001, "args: {from_outside}");
    agent.settle()?;
    let others: Vec<_> =
        agent.events.iter().filter(|event| event["process_kprobe"]["policy_name"].is_string()).collect();
    ensure!(others.len() == 1, "others were reported as well: {others:?}");
    agent.stop()?;
    Ok(())
}

fn signal_and_no_post(_: &Kernel) -> Result<()> {
    let selectors = "    - matchArgs:
      - { index: 0, operator: Equal, values: [/silent] }
      matchActions:
      - action: NoPost
      - action: Sigkill
    - matchArgs:
      - { index: 0, operator: Equal, values: [/signal] }
      matchActions:
      - action: Signal
        argSig: 15
";
    let mut agent = Setup::new()?.policy(&on_symlinkat("signals", selectors))?.start()?;
    let silent = trigger::symlink("/silent", "")?;
    let signalled = trigger::symlink("/signal", "")?;
    let other = trigger::symlink("/other", "")?;
    ensure!(silent.signal() == Some(libc::SIGKILL), "not killed: {silent:?}");
    ensure!(signalled.signal() == Some(libc::SIGTERM), "no SIGTERM: {signalled:?}");
    ensure!(other.signal().is_none(), "another process got a signal: {other:?}");
    agent.settle()?;
    ensure!(agent.hits_of(silent.pid).is_empty(), "NoPost was reported");
    let hits = agent.hits_of(signalled.pid);
    ensure!(hits.len() == 1 && hits[0]["action"] == "KPROBE_ACTION_SIGNAL", "hits: {hits:?}");
    agent.stop()?;
    Ok(())
}
