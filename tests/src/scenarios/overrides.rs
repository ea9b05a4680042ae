//! `Override` at places in programs.

use anyhow::{Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::uprobes::{c_library, place_of};
use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("overrides::a_function_returns_what_the_policy_says", returned)
            .needs(Kernel::register_changes),
        scenario("overrides::registers_are_set", set).needs(Kernel::register_changes),
        scenario("overrides::what_cannot_be_read_sets_nothing", unreadable).needs(Kernel::register_changes),
        scenario("overrides::other_code_runs", elsewhere).needs(Kernel::register_changes),
        scenario("overrides::nobody_waits_for_the_return", waiting).needs(Kernel::register_changes),
        scenario("overrides::registers_cannot_be_set", refused).needs(Kernel::no_register_changes),
    ]
}

/// A policy on a function of the C library, as this program calls it; the parameters of `Override` are YAML.
fn policy(function: &str, filter: &str, parameters: &str) -> Result<String> {
    Ok(format!(
        "apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: overrides}}
spec:
  uprobes:
  - path: {}
    symbols: [{function}]
    args: [{{index: 0, type: string}}, {{index: 0, type: int}}]
    selectors:
    - matchBinaries: [{{operator: In, values: ['{}']}}]
{filter}      matchActions: [{{action: Override, {parameters}}}]
",
        c_library()?,
        trigger::program()?
    ))
}

/// Texts that begin with 47.
const BEGINS_WITH_47: &str = "      matchArgs: [{index: 0, operator: Prefix, values: ['47']}]\n";

fn is_hit(event: &Value, pid: u32) -> bool {
    event["process_uprobe"]["process"]["pid"] == pid
}

fn returned(_: &Kernel) -> Result<()> {
    let yaml = policy("atoi", BEGINS_WITH_47, "argError: -12")?;
    let mut agent = Setup::new()?.policy(&yaml)?.start()?;
    let (spared, overridden) = (trigger::number_of("13")?, trigger::number_of("4711")?);
    ensure!(spared.errno == Some(13), "another call was overridden: {spared:?}");
    ensure!(overridden.errno == Some(-12), "not what the policy says: {overridden:?}");
    ensure!(overridden.status.success(), "it did not go on: {overridden:?}");
    let event = agent.wait_for("atoi", |event| is_hit(event, overridden.pid))?;
    ensure!(event["process_uprobe"]["action"] == "KPROBE_ACTION_OVERRIDE", "action: {event}");
    ensure!(event["process_uprobe"]["args"][0]["string_arg"] == "4711", "args: {event}");
    agent.settle()?;
    ensure!(!agent.events.iter().any(|event| is_hit(event, spared.pid)), "another call was reported");
    agent.stop()?;
    let monitor = format!("{yaml}  options: [{{name: policy-mode, value: monitor}}]\n");
    let agent = Setup::new()?.policy(&monitor)?.start()?;
    let spared = trigger::number_of("4711")?;
    ensure!(spared.errno == Some(4711), "overridden in monitor mode: {spared:?}");
    agent.stop()?;
    Ok(())
}

/// Of each kind of source, and a part of a register: `4711` is 0x31313734 in memory.
fn set(_: &Kernel) -> Result<()> {
    const RETURN: &str = "'rip=(%rsp)', 'rsp=8%rsp'";
    for (registers, expected) in [
        ("'rax=(%rdi)'", 0x3131_3734),
        ("'rax=(%rdi)', 'ax=0x4242'", 0x3131_4242),
        ("'rax=(%rdi)', 'al=1'", 0x3131_3701),
        ("'rax=1(%rdi)'", 0x0031_3137),
        ("'rcx=(%rdi)', 'eax=%cx'", 0x3734),
        ("'rcx=7', 'rax=-9%rcx'", -2),
        ("'r15=%r15', 'r8=4', 'eax=%r8d'", 4),
    ] {
        let parameters = format!("argRegs: [{registers}, {RETURN}]");
        let agent = Setup::new()?.policy(&policy("atoi", BEGINS_WITH_47, &parameters)?)?.start()?;
        let ended = trigger::number_of("4711")?;
        ensure!(ended.errno == Some(expected), "{registers}: {ended:?}");
        agent.stop()?;
    }
    Ok(())
}

/// No memory is at the number of a letter.
fn unreadable(_: &Kernel) -> Result<()> {
    let parameters = "argRegs: ['rax=(%rdi)', 'rip=(%rsp)', 'rsp=8%rsp']";
    let mut agent = Setup::new()?.policy(&policy("toupper", "", parameters)?)?.start()?;
    let ended = trigger::capital_of('m')?;
    ensure!(ended.errno == Some('M' as i32), "something was set: {ended:?}");
    agent.wait_for("toupper", |event| is_hit(event, ended.pid))?;
    let (_, log) = agent.finish(Signal::INT)?;
    ensure!(log.iter().any(|line| line.contains("not enforced 1")), "it is not counted: {log:?}");
    Ok(())
}

fn elsewhere(_: &Kernel) -> Result<()> {
    let (offset, address) = place_of("tolower")?;
    for place in
        ["argNewSymbol: tolower", &format!("argNewOffset: {offset}"), &format!("argNewAddr: {address:#x}")]
    {
        let filter = "      matchArgs: [{args: [1], operator: Equal, values: [77]}]\n";
        let mut agent = Setup::new()?.policy(&policy("toupper", filter, place)?)?.start()?;
        let (spared, overridden) = (trigger::capital_of('n')?, trigger::capital_of('M')?);
        ensure!(spared.errno == Some('N' as i32), "{place}: another call went elsewhere: {spared:?}");
        ensure!(overridden.errno == Some('m' as i32), "{place}: {overridden:?}");
        agent.wait_for(place, |event| is_hit(event, overridden.pid))?;
        agent.stop()?;
    }
    let log = Setup::new()?.policy(&policy("toupper", "", "argNewSymbol: tolowre")?)?.refusal()?;
    for words in ["policy-0.yaml:7:15:", "has no function `tolowre`"] {
        ensure!(log.contains(words), "the refusal lacks {words:?}:\n{log}");
    }
    Ok(())
}

/// The kernel would write where it is to return to over the caller's stack.
fn waiting(_: &Kernel) -> Result<()> {
    let waits = format!(
        "apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: waits}}
spec:
  uprobes:
  - {{path: {}, symbols: [atoi], return: true, returnArg: {{index: 0, type: int}}}}
",
        c_library()?
    );
    let overrides = policy("atoi", BEGINS_WITH_47, "argError: 12")?;
    for [first, second] in [[&waits, &overrides], [&overrides, &waits]] {
        let log = Setup::new()?.policy(first)?.policy(second)?.refusal()?;
        ensure!(log.contains("would write over the program's stack"), "another reason:\n{log}");
    }
    Ok(())
}

fn refused(_: &Kernel) -> Result<()> {
    let log = Setup::new()?.policy(&policy("atoi", BEGINS_WITH_47, "argError: 12")?)?.refusal()?;
    for words in ["policy-0.yaml:7:15:", "lets no program change the registers"] {
        ensure!(log.contains(words), "the refusal lacks {words:?}:\n{log}");
    }
    Ok(())
}
