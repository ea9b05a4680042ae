//! Filters that are expressions over arguments.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Scenario, scenario, uprobes};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("expressions::of_a_system_call", system_call),
        scenario("expressions::of_a_program", program),
        scenario("expressions::the_largest", largest),
        scenario("expressions::what_cannot_be_read", unreadable),
        scenario("expressions::what_does_not_fit_is_refused", refused),
    ]
}

/// Calls of lseek(2) on descriptor -1: by how much, and from where.
const CALLS: [(i64, u32); 4] = [(0, 0), (8, 1024), (-3, 4096), (1 << 32, 1024)];

/// Expressions over where from, the descriptor and by how much, and whether they hold for each of the calls.
const CASES: [(&str, [bool; 4]); 11] = [
    ("true", [true; 4]),
    ("1 == 2", [false; 4]),
    ("arg1 == int32(-1) && arg0 >= int32(1024)", [false, true, true, true]),
    ("arg1 == int32(-2) && arg0 >= int32(1024)", [false; 4]),
    ("arg1 == int32(-2) || arg0 < int32(1024)", [true, false, false, false]),
    ("!(arg0 == int32(1024)) && arg2 < 0", [false, false, true, false]),
    ("int32(arg2) == int32(0)", [true, false, false, true]),
    ("arg2 - 9 < arg2 + 1 && arg2 > 0", [false, true, false, true]),
    ("and(arg2, not(3)) == xor(arg2, arg2)", [true, false, false, false]),
    ("or(arg0, arg1) == arg1", [true; 4]),
    ("(arg2 == 0) != (arg0 == int32(1024))", [true, true, false, true]),
];

/// Calls lseek(2) by way of the C library's syscall(2).
fn seek() -> Result<Vec<u32>> {
    CALLS.into_iter().map(|(offset, whence)| Ok(trigger::seek_from(offset, whence)?.pid)).collect()
}

/// Holds which policies reported each of the calls against the table.
fn compare(agent: &Agent, kind: &str, pids: &[u32]) -> Result<()> {
    for (call, pid) in pids.iter().enumerate() {
        let own = |event: &&Value| event[kind]["process"]["pid"] == *pid;
        let name = |event: &Value| event[kind]["policy_name"].as_str().map(String::from);
        let reporters: BTreeSet<_> = agent.events.iter().filter(own).filter_map(name).collect();
        for (case, (expression, expected)) in CASES.iter().enumerate() {
            let reported = reporters.contains(&format!("case-{case}"));
            ensure!(reported == expected[call], "{expression} for {:?}: reported is {reported}", CALLS[call]);
        }
    }
    Ok(())
}

fn run(kind: &str, policy: impl Fn(usize, &str) -> String) -> Result<()> {
    let mut setup = Setup::new()?;
    for (case, (expression, _)) in CASES.iter().enumerate() {
        setup = setup.policy(&policy(case, expression))?;
    }
    let mut agent = setup.start()?;
    let pids = seek()?;
    agent.settle()?;
    compare(&agent, kind, &pids)?;
    agent.stop()?;
    Ok(())
}

fn system_call(_: &Kernel) -> Result<()> {
    run("process_kprobe", |case, expression| on_lseek(&format!("case-{case}"), expression, ""))
}

/// A policy on lseek(2) with an expression.
fn on_lseek(name: &str, expression: &str, more: &str) -> String {
    format!(
        "apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: {name}}}
spec:
  kprobes:
  - call: sys_lseek
    args:
    - {{index: 2, type: int, label: whence}}
    - {{index: 0, type: int, label: fd}}
    - {{index: 1, type: long, label: offset}}
    selectors:
    - matchArgs:
      - operator: CelExpr
        values: ['{expression}']
{more}"
    )
}

fn program(_: &Kernel) -> Result<()> {
    let library = uprobes::c_library()?;
    run("process_uprobe", |case, expression| {
        format!(
            "apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: case-{case}}}
spec:
  uprobes:
  - path: {library}
    symbols: [syscall]
    args:
    - {{index: 3, type: int}}
    - {{index: 1, type: int}}
    - {{index: 2, type: int64}}
    - {{index: 0, type: uint64}}
    selectors:
    - matchArgs:
      - {{index: 0, operator: CelExpr, values: ['({expression}) && arg3 == {}u']}}
",
            libc::SYS_lseek
        )
    })
}

/// As many operations, and values that wait, as a hook can have.
fn largest(_: &Kernel) -> Result<()> {
    let any: Vec<_> = (0..63).map(|number| format!("arg2 == {}", 100 + number)).collect();
    let sum = (0..14).fold("arg2".to_owned(), |sum, number| format!("{number} - ({sum})"));
    let sum = format!("!(106 < ({sum}))");
    let mut agent = Setup::new()?
        .policy(&on_lseek("any", &any.join(" || "), "      matchActions: [{action: Post}]\n"))?
        .policy(&on_lseek("sum", &sum, ""))?
        .start()?;
    let (missed, last) = (trigger::seek(99)?, trigger::seek(162)?);
    agent.settle()?;
    let names = |pid| {
        let name = |hit: &&Value| hit["policy_name"].as_str().map(str::to_owned);
        agent.hits_of(pid).iter().filter_map(name).collect::<BTreeSet<_>>()
    };
    ensure!(
        !names(missed.pid).contains("any") && names(last.pid).contains("any"),
        "any: {:?}",
        names(last.pid)
    );
    // 13 - (12 - (… (0 - x))) is 7 + x.
    ensure!(
        names(missed.pid).contains("sum") && !names(last.pid).contains("sum"),
        "sum: {:?}",
        names(missed.pid)
    );
    agent.stop()?;
    Ok(())
}

/// A process that nobody traces has no `ptracer_cred`: an expression that enforces holds, and another does not.
fn unreadable(_: &Kernel) -> Result<()> {
    let policy = |name: &str, action: &str| -> Result<String> {
        Ok(format!(
            "apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: {name}}}
spec:
  tracepoints:
  - subsystem: sched
    event: sched_process_exec
    raw: true
    args:
    - {{index: 0, type: int, resolve: tgid}}
    - {{index: 0, type: uint32, resolve: ptracer_cred.uid.val}}
    selectors:
    - matchBinaries: [{{operator: In, values: [{}]}}]
      matchArgs: [{{operator: CelExpr, values: ['arg0 > int32(0) || arg1 == uint32(4711u)']}}]
      matchActions: [{{action: {action}}}]
",
            trigger::program()?
        ))
    };
    let setup = Setup::new()?.policy(&policy("observe", "Post")?)?.policy(&policy("kill", "Sigkill")?)?;
    let mut agent = setup.start()?;
    let ended = trigger::seek(1)?;
    ensure!(ended.signal() == Some(libc::SIGKILL), "it was not killed: {ended:?}");
    agent.settle()?;
    let own = |event: &&Value| event["process_tracepoint"]["process"]["pid"] == ended.pid;
    let seen: Vec<_> = agent.events.iter().filter(own).map(|event| &event["process_tracepoint"]).collect();
    let hit = seen.first().context("nothing was reported")?;
    ensure!(seen.len() == 1 && hit["policy_name"] == "kill", "hits: {seen:?}");
    ensure!(hit["args"][0] == json!({ "int_arg": ended.pid }), "pid: {hit}");
    agent.stop()?;
    Ok(())
}

fn refused(_: &Kernel) -> Result<()> {
    for (expression, words) in [
        (
            "arg0 == -1",
            "policy-0.yaml:14:24: `==` takes two values of the same type, not an `int32` and an `int`",
        ),
        ("arg0 == -1", "write `int32(…)` around the `int`"),
        ("arg3 == 1", "`args` of the hook has no entry 3"),
        ("arg0 + arg1", "an expression must be true or false"),
    ] {
        let log = Setup::new()?.policy(&on_lseek("refused", expression, ""))?.refusal()?;
        ensure!(log.contains(words), "{expression}: the message lacks {words:?}:\n{log}");
    }
    Ok(())
}
