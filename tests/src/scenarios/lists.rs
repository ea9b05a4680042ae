//! Lists of system calls, and those of 32-bit programs.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("lists::each_call_is_reported_by_its_name", each_call),
        scenario("lists::all_system_calls_of_a_process", all_calls),
        scenario("lists::a_call_in_two_lists_is_reported_twice", two_lists),
        scenario("lists::functions_that_a_pattern_matches", functions).needs(Kernel::function_hooks),
        scenario("lists::patterns_that_match_too_much_or_nothing", patterns).needs(Kernel::function_hooks),
        scenario("lists::calls_of_32_bit_programs", compat).needs(Kernel::compat_calls),
    ]
}

fn policy(spec: &str) -> String {
    format!("apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {{name: lists}}\nspec:\n{spec}")
}

/// What of a process's hits these functions made.
fn hits_on(agent: &Agent, pid: u32, function: &str) -> Vec<Value> {
    agent.hits_of(pid).into_iter().filter(|hit| hit["function_name"] == function).cloned().collect()
}

fn each_call(_: &Kernel) -> Result<()> {
    let spec = "  lists:
  - {name: two, type: syscalls, values: [sys_lseek, chmod, sys_lseek]}
  kprobes:
  - call: list:two
    args: [{index: 1, type: uint64}]
    selectors: [matchArgs: [{index: 1, operator: Equal, values: [83]}]]
";
    let mut agent = Setup::new()?.policy(&policy(spec))?.start()?;
    let calls = [("__x64_sys_lseek", trigger::seek(83)?), ("__x64_sys_chmod", trigger::chmod_nothing(83)?)];
    agent.settle()?;
    for (function, ended) in calls {
        let all = agent.hits_of(ended.pid);
        ensure!(all.len() == 1, "{function}: {} hits instead of one", all.len());
        let hits = hits_on(&agent, ended.pid, function);
        ensure!(hits.len() == 1 && hits[0]["args"] == json!([{ "size_arg": "83" }]), "{function}: {all:?}");
    }
    agent.stop()?;
    Ok(())
}

fn all_calls(_: &Kernel) -> Result<()> {
    let spec = format!(
        "  lists:
  - {{name: all, type: generated_syscalls}}
  kprobes:
  - call: list:all
    args: [{{index: 1, type: uint64}}]
    return: true
    returnArg: {{type: int}}
    selectors: [matchBinaries: [{{operator: In, values: ['{}']}}]]
",
        trigger::program()?
    );
    let mut agent = Setup::new()?.policy(&policy(&spec))?.start()?;
    let ended = trigger::seek(84)?;
    agent.settle()?;
    let seeks = hits_on(&agent, ended.pid, "__x64_sys_lseek");
    let failed = |hit: &Value| hit["return"] == json!({ "int_arg": -libc::EBADF });
    let ours: Vec<_> = seeks.iter().filter(|hit| hit["args"] == json!([{ "size_arg": "84" }])).collect();
    ensure!(ours.len() == 1 && failed(ours[0]), "lseek: {seeks:?}");
    let exits = hits_on(&agent, ended.pid, "__x64_sys_exit_group");
    ensure!(exits.len() == 1 && exits[0]["return"].is_null(), "exit_group: {exits:?}");
    ensure!(!hits_on(&agent, ended.pid, "__x64_sys_write").is_empty(), "its output was not seen");
    agent.stop()?;
    Ok(())
}

fn functions(_: &Kernel) -> Result<()> {
    let spec = format!(
        "  lists:
  - {{name: some, type: generated_ftrace, pattern: '^(do_sys_openat2|__x64_sys_(lseek|chmod)|vfs_open)$'}}
  kprobes:
  - call: list:some
    args: [{{index: 1, type: uint64}}]
    selectors: [matchBinaries: [{{operator: In, values: ['{}']}}]]
",
        trigger::program()?
    );
    let mut agent = Setup::new()?.policy(&policy(&spec))?.start()?;
    let (sought, changed) = (trigger::seek(86)?, trigger::chmod_nothing(87)?);
    agent.settle()?;
    for (ended, call, number) in [(sought, "__x64_sys_lseek", "86"), (changed, "__x64_sys_chmod", "87")] {
        let calls = hits_on(&agent, ended.pid, call);
        ensure!(calls.iter().any(|hit| hit["args"][0]["size_arg"] == number), "{call}: {calls:?}");
        // Its libraries.
        for function in ["do_sys_openat2", "vfs_open"] {
            ensure!(!hits_on(&agent, ended.pid, function).is_empty(), "{function} was not seen");
        }
        let others = agent.hits_of(ended.pid).into_iter().filter_map(|hit| hit["function_name"].as_str());
        let known = [call, "do_sys_openat2", "vfs_open", "__x64_sys_lseek"];
        let others: Vec<_> = others.filter(|function| !known.contains(function)).collect();
        ensure!(others.is_empty(), "others: {others:?}");
    }
    agent.stop()?;
    Ok(())
}

fn patterns(_: &Kernel) -> Result<()> {
    for (pattern, words) in [
        ("^no_such_function", "policy-0.yaml:6:51: no function of this kernel matches `^no_such_function`"),
        ("^vfs_|^ext|^sec", "functions; at most 256 are hooked"),
    ] {
        let spec = format!(
            "  lists:\n  - {{name: some, type: generated_ftrace, pattern: '{pattern}'}}\n  kprobes: [{{call: list:some}}]\n"
        );
        let log = Setup::new()?.policy(&policy(&spec))?.refusal()?;
        ensure!(log.contains(words), "{pattern}: the message lacks {words:?}:\n{log}");
    }
    Ok(())
}

fn two_lists(_: &Kernel) -> Result<()> {
    let entry = |message: &str, list: &str| {
        format!(
            "  - call: list:{list}\n    message: {message}\n    args: [{{index: 1, type: int64}}]\n    selectors: [matchArgs: [{{index: 1, operator: Equal, values: [85]}}]]\n"
        )
    };
    let spec = format!(
        "  lists:\n  - {{name: one, type: syscalls, values: [sys_lseek, sys_chmod]}}\n  - {{name: two, type: syscalls, values: [sys_dup, sys_lseek]}}\n  kprobes:\n{}{}",
        entry("first", "one"),
        entry("second", "two")
    );
    let mut agent = Setup::new()?.policy(&policy(&spec))?.start()?;
    let ended = trigger::seek(85)?;
    agent.settle()?;
    let mut messages: Vec<_> = agent.hits_of(ended.pid).iter().map(|hit| hit["message"].clone()).collect();
    messages.sort_by_key(Value::to_string);
    ensure!(messages == [json!("first"), json!("second")], "messages: {messages:?}");
    agent.stop()?;
    Ok(())
}

fn compat(_: &Kernel) -> Result<()> {
    let spec = "  lists:
  - {name: dups, type: syscalls, values: [sys_dup, __ia32_sys_dup]}
  kprobes:
  - call: list:dups
    args: [{index: 0, type: int}]
    return: true
    returnArg: {type: int}
    selectors: [matchArgs: [{index: 0, operator: Equal, values: [-7]}]]
";
    let mut agent = Setup::new()?.policy(&policy(spec))?.start()?;
    let ended = trigger::compat_dup(-7)?;
    ensure!(ended.errno == Some(libc::EBADF), "the call did not fail as it should: {ended:?}");
    agent.settle()?;
    let hits = agent.hits_of(ended.pid);
    ensure!(hits.len() == 1, "{} hits instead of one: {hits:?}", hits.len());
    ensure!(hits[0]["function_name"] == "__ia32_sys_dup", "function_name: {hits:?}");
    ensure!(hits[0]["return"] == json!({ "int_arg": -libc::EBADF }), "return: {hits:?}");
    agent.stop()?;
    Ok(())
}
