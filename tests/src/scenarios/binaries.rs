//! Filters on the binaries of processes and their parents.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::policy::on_symlinkat;
use crate::trigger::{self, Waiting};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("binaries::operators", operators),
        scenario("binaries::children_are_followed", children),
        scenario("binaries::parents", parents),
        scenario("binaries::processes_from_before", from_before),
        scenario("binaries::policies_that_come_later", later_policies),
        scenario("binaries::hundreds_of_values", many_values),
    ]
}

/// Copies of this program under names of their own.
struct Programs {
    folder: tempfile::TempDir,
}

impl Programs {
    fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir()? })
    }

    fn add(&self, name: &str) -> Result<String> {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().context("no folder")?)?;
        let program = trigger::program()?;
        // Where both are in one file system, a copy costs nothing.
        std::fs::hard_link(&program, &path).or_else(|_| std::fs::copy(&program, &path).map(|_| ()))?;
        Ok(path.to_string_lossy().into_owned())
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A filter, and the subjects for which it holds.
type Case<'c> = (String, &'c [&'c str]);

/// One policy for each case; named after its place in the table.
fn setup(field: &str, cases: &[Case<'_>]) -> Result<Setup> {
    let mut setup = Setup::new()?;
    for (place, (filter, _)) in cases.iter().enumerate() {
        setup = setup.policy(&policy(field, place, filter))?;
    }
    Ok(setup)
}

fn policy(field: &str, place: usize, filter: &str) -> String {
    on_symlinkat(&format!("case-{place}"), &format!("    - {field}:\n      - {{ {filter} }}\n"))
}

/// Holds which binaries each policy reported against the table.
fn compare(agent: &Agent, cases: &[Case<'_>]) -> Result<()> {
    let mut wrong = Vec::new();
    for (place, (filter, expected)) in cases.iter().enumerate() {
        let name = format!("case-{place}");
        let reported = |event: &&Value| event["process_kprobe"]["policy_name"] == name.as_str();
        let binary = |event: &Value| event["process_kprobe"]["process"]["binary"].as_str().map(str::to_owned);
        let found: BTreeSet<_> = agent.events.iter().filter(reported).filter_map(binary).collect();
        let expected: BTreeSet<_> = expected.iter().map(|path| (*path).to_owned()).collect();
        if found != expected {
            wrong.push(format!("{filter:.80}: reported are {found:?}, expected {expected:?}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn operators(_: &Kernel) -> Result<()> {
    let programs = Programs::new()?;
    // Longer than what is found by one look-up.
    let deep = format!("{}alpha", "deep-folder/".repeat(25));
    let (alpha, beta, deep) = (programs.add("alpha")?, programs.add("beta")?, programs.add(&deep)?);
    ensure!(deep.len() > 300, "{deep} is not long");
    let folder = programs.path().display();
    let cases = [
        (format!("operator: In, values: [{alpha}, /bin/none]"), &[alpha.as_str()][..]),
        (format!("operator: In, values: ['{deep}', {beta}]"), &[&deep, &beta]),
        (format!("operator: NotIn, values: [{alpha}]"), &[&beta, &deep]),
        (format!("operator: Prefix, values: [{folder}/b, {folder}/deep-f]"), &[&beta, &deep]),
        (format!("operator: NotPrefix, values: [{folder}/deep]"), &[&alpha, &beta]),
        ("operator: Postfix, values: [/alpha]".into(), &[&alpha, &deep]),
        ("operator: NotPostfix, values: [/alpha, pha]".into(), &[&beta]),
        ("operator: Postfix, values: [lph]".into(), &[]),
    ];
    let mut agent = setup("matchBinaries", &cases)?.start()?;
    for program in [&alpha, &beta, &deep] {
        trigger::symlink_by(&[program], "/etc/hostname")?;
    }
    agent.settle()?;
    compare(&agent, &cases)?;
    agent.stop()?;
    Ok(())
}

fn children(_: &Kernel) -> Result<()> {
    let programs = Programs::new()?;
    let [alpha, beta, gamma] = ["alpha", "beta", "gamma"].map(|name| programs.add(name));
    let (alpha, beta, gamma) = (alpha?, beta?, gamma?);
    let cases = [
        (format!("operator: In, values: [{alpha}], followChildren: true"), &[gamma.as_str()][..]),
        (format!("operator: In, values: [{alpha}]"), &[]),
        (format!("operator: NotIn, values: [{alpha}], followChildren: true"), &[&beta]),
        ("operator: Postfix, values: [/alpha, /nothing], followChildren: true".into(), &[&gamma]),
        (format!("operator: In, values: [{gamma}], followChildren: true"), &[&gamma]),
    ];
    let mut agent = setup("matchBinaries", &cases)?.start()?;
    trigger::symlink_by(&[&alpha, &beta, &gamma], "/etc/hostname")?;
    trigger::symlink_by(&[&beta], "/etc/hostname")?;
    agent.settle()?;
    compare(&agent, &cases)?;
    agent.stop()?;
    Ok(())
}

fn parents(_: &Kernel) -> Result<()> {
    let programs = Programs::new()?;
    let [alpha, beta, gamma] = ["alpha", "beta", "gamma"].map(|name| programs.add(name));
    let (alpha, beta, gamma) = (alpha?, beta?, gamma?);
    let cases = [
        (format!("operator: In, values: [{alpha}]"), &[beta.as_str()][..]),
        (format!("operator: NotIn, values: [{alpha}]"), &[&gamma]),
        ("operator: Postfix, values: [/beta, /alpha]".into(), &[&beta, &gamma]),
        (format!("operator: In, values: [{alpha}], followChildren: true"), &[&beta, &gamma]),
    ];
    let mut agent = setup("matchParentBinaries", &cases)?.start()?;
    trigger::symlink_by(&[&alpha, &beta], "/etc/hostname")?;
    trigger::symlink_by(&[&alpha, &beta, &gamma], "/etc/hostname")?;
    agent.settle()?;
    compare(&agent, &cases)?;
    agent.stop()?;
    Ok(())
}

/// What runs when the agent starts is known by what /proc says of it and its ancestors.
fn from_before(_: &Kernel) -> Result<()> {
    let programs = Programs::new()?;
    let [alpha, beta, gamma] = ["alpha", "beta", "gamma"].map(|name| programs.add(name));
    let (alpha, beta, gamma) = (alpha?, beta?, gamma?);
    let cases = [
        (format!("operator: In, values: [{gamma}]"), &[gamma.as_str()][..]),
        ("operator: Postfix, values: [/gamma]".into(), &[&gamma]),
        (format!("operator: In, values: [{alpha}], followChildren: true"), &[&gamma]),
        (format!("operator: In, values: [{beta}]"), &[]),
        (format!("operator: NotIn, values: [{beta}], followChildren: true"), &[]),
    ];
    let mut before = Waiting::symlink_by(&[&alpha, &beta, &gamma], "/etc/hostname")?;
    let mut agent = setup("matchBinaries", &cases)?.start()?;
    before.go()?;
    agent.settle()?;
    compare(&agent, &cases)?;
    before.end()?;
    agent.stop()?;
    Ok(())
}

/// What runs when a policy is added is held against its filters, and those that are there keep theirs.
fn later_policies(_: &Kernel) -> Result<()> {
    let programs = Programs::new()?;
    let [alpha, beta, gamma] = ["alpha", "beta", "gamma"].map(|name| programs.add(name));
    let (alpha, beta, gamma) = (alpha?, beta?, gamma?);
    let cases = [
        (format!("operator: In, values: [{beta}]"), &[beta.as_str()][..]),
        (format!("operator: In, values: [{gamma}]"), &[gamma.as_str()][..]),
        ("operator: Postfix, values: [/gamma]".into(), &[&gamma]),
        (format!("operator: In, values: [{alpha}], followChildren: true"), &[&gamma]),
        (format!("operator: NotIn, values: [{alpha}], followChildren: true"), &[&beta]),
        (format!("operator: Prefix, values: ['{}/']", programs.path().display()), &[&beta, &gamma]),
    ];
    let (at_start, later) = cases.split_at(1);
    let mut agent = setup("matchBinaries", at_start)?.start()?;
    let mut before = Waiting::symlink_by(&[&alpha, &beta, &gamma], "/etc/hostname")?;
    agent.settle()?;
    let mut api = agent.api()?;
    for (place, (filter, _)) in later.iter().enumerate() {
        api.add(&policy("matchBinaries", place + at_start.len(), filter))?;
    }
    before.go()?;
    trigger::symlink_by(&[&beta], "/etc/hostname")?;
    agent.settle()?;
    compare(&agent, &cases)?;
    before.end()?;
    agent.stop()?;
    Ok(())
}

fn many_values(_: &Kernel) -> Result<()> {
    let programs = Programs::new()?;
    let (alpha, beta) = (programs.add("alpha")?, programs.add("beta")?);
    let many = |last: &str| {
        let values: Vec<_> = (0..600).map(|number| format!("/no/such/{number}/program")).collect();
        format!("[{}, {last}]", values.join(", "))
    };
    let cases = [
        (format!("operator: In, values: {}", many(&alpha)), &[alpha.as_str()][..]),
        (format!("operator: Postfix, values: {}", many("/beta")), &[&beta]),
        (format!("operator: NotPrefix, values: {}", many(&beta)), &[&alpha]),
    ];
    let mut agent = setup("matchBinaries", &cases)?.start()?;
    for program in [&alpha, &beta] {
        trigger::symlink_by(&[program], "/etc/hostname")?;
    }
    agent.settle()?;
    // The test's own process and its helpers make no links, so that only the two can be among the reported.
    compare(&agent, &cases)?;
    agent.stop()?;
    Ok(())
}
