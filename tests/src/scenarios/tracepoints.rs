//! Tracepoints: by the fields of their records, and raw.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use serin_btf::Tracefs;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("tracepoints::a_system_call_by_its_number", by_number),
        scenario("tracepoints::a_32_bit_system_call", by_compat_number).needs(Kernel::compat_calls),
        scenario("tracepoints::strings_in_the_record", strings),
        scenario("tracepoints::a_string_elsewhere_in_the_record", located_string),
        scenario("tracepoints::a_string_that_is_pointed_to", pointed_string).needs(Kernel::syscall_events),
        scenario("tracepoints::fields_as_their_format_says", typed).needs(Kernel::syscall_events),
        scenario("tracepoints::arrays_of_numbers", arrays),
        scenario("tracepoints::the_arguments_of_a_raw_one", raw),
        scenario("tracepoints::shipped_policies", shipped),
        scenario("tracepoints::a_process_is_killed", killed),
        scenario("tracepoints::what_the_record_lacks_is_refused", refused),
    ]
}

/// A policy on one tracepoint; its fields beside `subsystem` and `event` are YAML.
fn policy(tracepoint: &str, fields: &str) -> String {
    let (subsystem, event) = tracepoint.split_once('/').unwrap_or_default();
    format!(
        "apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: tracepoints}}
spec:
  lists:
  - {{name: calls, type: syscalls, values: [sys_lseek, __ia32_sys_dup]}}
  tracepoints:
  - subsystem: {subsystem}
    event: {event}
    message: seen
{fields}"
    )
}

fn is_hit(event: &Value, pid: u32) -> bool {
    event["process_tracepoint"]["process"]["pid"] == pid
}

/// Waits for the tracepoint's event of a process, and holds it against what is expected.
fn expect(agent: &mut Agent, pid: u32, tracepoint: &str, arguments: &Value) -> Result<()> {
    let event = agent.wait_for(tracepoint, |event| is_hit(event, pid))?;
    let hit = &event["process_tracepoint"];
    let (subsystem, name) = tracepoint.split_once('/').unwrap_or_default();
    ensure!(hit["subsys"] == subsystem && hit["event"] == name, "tracepoint: {event}");
    ensure!(hit["policy_name"] == "tracepoints" && hit["message"] == "seen", "policy: {event}");
    ensure!(hit["action"] == "KPROBE_ACTION_POST", "action: {event}");
    ensure!(hit["args"] == *arguments, "args: {event}");
    Ok(())
}

/// As their bytes.
fn arrays(_: &Kernel) -> Result<()> {
    // -1, 4711 and 0, as the first three of six numbers of 64 bits.
    const NUMBERS: &str = "//////////9nEgAAAAAAAAAAAAAAAAAA";
    for kind in ["", ", type: auto", ", type: const_buf"] {
        let fields = format!(
            "    args: [{{index: 4, type: syscall64}}, {{index: 5{kind}}}]
    selectors:
    - matchArgs:
      - {{index: 4, operator: Equal, values: ['{}']}}
",
            libc::SYS_lseek
        );
        let mut agent = Setup::new()?.policy(&policy("raw_syscalls/sys_enter", &fields))?.start()?;
        let ended = trigger::seek(4711)?;
        let event = agent.wait_for("lseek", |event| is_hit(event, ended.pid))?;
        let told = event["process_tracepoint"]["args"][1]["bytes_arg"].as_str().unwrap_or_default();
        ensure!(told.starts_with(NUMBERS) && told.len() == 64, "{kind}: {event}");
        agent.stop()?;
    }
    Ok(())
}

fn typed(_: &Kernel) -> Result<()> {
    let fields = "    args: [{index: 5, type: auto}, {index: 6}, {index: 4, type: auto, label: number}]
    selectors: [matchArgs: [{index: 6, operator: Equal, values: [4711]}]]
";
    let mut agent = Setup::new()?.policy(&policy("syscalls/sys_enter_lseek", fields))?.start()?;
    let missed = trigger::seek(12)?;
    let ended = trigger::seek(4711)?;
    // The register holds -1, which the format takes for an unsigned number of 64 bits.
    let arguments = json!([
        { "size_arg": u64::MAX.to_string() },
        { "size_arg": "4711" },
        { "int_arg": libc::SYS_lseek, "label": "number" },
    ]);
    let event = agent.wait_for("lseek", |event| is_hit(event, ended.pid))?;
    ensure!(event["process_tracepoint"]["args"] == arguments, "args: {event}");
    agent.settle()?;
    ensure!(!agent.events.iter().any(|event| is_hit(event, missed.pid)), "another offset was reported");
    agent.stop()?;
    let fields = "    args: [{index: 6, type: auto}]\n    selectors: [matchArgs: [{index: 6, operator: Prefix, values: [/]}]]\n";
    let mut agent =
        Setup::new()?.policy(&policy("sched/sched_process_exec", &fields.replace('6', "4")))?.start()?;
    let ended = trigger::seek(1)?;
    let path = json!([{ "string_arg": trigger::program()? }]);
    expect(&mut agent, ended.pid, "sched/sched_process_exec", &path)?;
    agent.stop()?;
    let log =
        Setup::new()?.policy(&policy("sched/sched_process_exec", "    args: [{index: 99}]\n"))?.refusal()?;
    ensure!(log.contains("has 7 fields, so there is no field 99"), "{log}");
    Ok(())
}

fn by_number(_: &Kernel) -> Result<()> {
    let fields = "    args: [{index: 4, type: syscall64}]
    selectors: [matchArgs: [{index: 0, operator: InMap, values: ['list:calls']}]]
";
    let mut agent = Setup::new()?.policy(&policy("raw_syscalls/sys_enter", fields))?.start()?;
    let missed = trigger::chmod_nothing(0o123)?;
    let ended = trigger::seek(77)?;
    let arguments = json!([{ "syscall_id": { "id": libc::SYS_lseek, "abi": "x64" } }]);
    expect(&mut agent, ended.pid, "raw_syscalls/sys_enter", &arguments)?;
    agent.settle()?;
    let other = |event: &Value| {
        is_hit(event, missed.pid)
            && event["process_tracepoint"]["args"][0]["syscall_id"]["id"] != libc::SYS_lseek
    };
    ensure!(!agent.events.iter().any(other), "another call was reported");
    agent.stop()?;
    Ok(())
}

fn by_compat_number(_: &Kernel) -> Result<()> {
    let fields = "    args: [{index: 4, type: syscall64}]
    selectors: [matchArgs: [{index: 4, operator: Equal, values: [0x80000029]}]]
";
    let mut agent = Setup::new()?.policy(&policy("raw_syscalls/sys_enter", fields))?.start()?;
    let ended = trigger::compat_dup(-1)?;
    let arguments = json!([{ "syscall_id": { "id": 41, "abi": "i386" } }]);
    expect(&mut agent, ended.pid, "raw_syscalls/sys_enter", &arguments)?;
    agent.stop()?;
    Ok(())
}

const NEW_NAME: &str = "named-anew";

/// The number of a field of `task_rename`, whose record has lost one at some time.
fn field_of_rename(name: &str) -> Result<usize> {
    let format = Tracefs::open()?.format("task", "task_rename")?.context("no such event")?;
    format.fields.iter().position(|field| field.name == name).context("no such field")
}

/// On threads that get [`NEW_NAME`], with an action in YAML.
fn on_rename(action: &str) -> Result<String> {
    let (name, adjustment) = (field_of_rename("newcomm")?, field_of_rename("oom_score_adj")?);
    let fields = format!(
        "    args: [{{index: {name}, type: string, label: new}}, {{index: {adjustment}, type: int16}}]
    selectors:
    - matchArgs: [{{index: {name}, operator: Equal, values: [{NEW_NAME}]}}]
      matchActions: [{action}]
"
    );
    Ok(policy("task/task_rename", &fields))
}

fn strings(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.policy(&on_rename("{action: Post}")?)?.start()?;
    let missed = trigger::rename_thread("named-other")?;
    let ended = trigger::rename_thread(NEW_NAME)?;
    let arguments = json!([{ "string_arg": NEW_NAME, "label": "new" }, { "int_arg": 0 }]);
    expect(&mut agent, ended.pid, "task/task_rename", &arguments)?;
    agent.settle()?;
    ensure!(!agent.events.iter().any(|event| is_hit(event, missed.pid)), "another name was reported");
    agent.stop()?;
    Ok(())
}

fn killed(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.policy(&on_rename("{action: Sigkill}")?)?.start()?;
    let (spared, killed) = (trigger::rename_thread("named-other")?, trigger::rename_thread(NEW_NAME)?);
    ensure!(spared.signal().is_none(), "another was killed: {spared:?}");
    ensure!(killed.signal() == Some(libc::SIGKILL), "it was not killed: {killed:?}");
    let event = agent.wait_for("task_rename", |event| is_hit(event, killed.pid))?;
    ensure!(event["process_tracepoint"]["action"] == "KPROBE_ACTION_SIGKILL", "action: {event}");
    agent.stop()?;
    Ok(())
}

/// Both types that read it, and the operators of texts.
fn located_string(_: &Kernel) -> Result<()> {
    let program = trigger::program()?;
    let name = program.rsplit('/').next().unwrap_or_default();
    for (kind, operator, value) in [("data_loc", "Postfix", name), ("string", "Equal", &program)] {
        let fields = format!(
            "    args: [{{index: 4, type: {kind}}}, {{index: 5, type: int}}]
    selectors: [matchArgs: [{{index: 4, operator: {operator}, values: ['{value}']}}]]
"
        );
        let mut agent = Setup::new()?.policy(&policy("sched/sched_process_exec", &fields))?.start()?;
        let missed = trigger::other_program()?;
        let ended = trigger::exit(0, &[])?;
        let arguments = json!([{ "string_arg": program }, { "int_arg": ended.pid }]);
        expect(&mut agent, ended.pid, "sched/sched_process_exec", &arguments)?;
        agent.settle()?;
        ensure!(!agent.events.iter().any(|event| is_hit(event, missed.pid)), "another was reported");
        agent.stop()?;
    }
    Ok(())
}

fn pointed_string(_: &Kernel) -> Result<()> {
    let fields = "    args: [{index: 5, type: string}, {index: 6, type: int}]
    selectors: [matchArgs: [{index: 5, operator: Prefix, values: ['/no/such']}]]
";
    let mut agent = Setup::new()?.policy(&policy("syscalls/sys_enter_symlinkat", fields))?.start()?;
    let ended = trigger::symlink("/no/such/target", "")?;
    let arguments = json!([{ "string_arg": "/no/such/target" }, { "int_arg": libc::AT_FDCWD }]);
    expect(&mut agent, ended.pid, "syscalls/sys_enter_symlinkat", &arguments)?;
    agent.stop()?;
    Ok(())
}

fn raw(_: &Kernel) -> Result<()> {
    let program = trigger::program()?;
    let fields = format!(
        "    raw: true
    args: [{{index: 1, type: int}}, {{index: 2, type: linux_binprm}}]
    selectors: [matchArgs: [{{index: 2, operator: Equal, values: ['{program}']}}]]
"
    );
    let mut agent = Setup::new()?.policy(&policy("sched/sched_process_exec", &fields))?.start()?;
    let missed = trigger::other_program()?;
    let ended = trigger::exit(0, &[])?;
    let event = agent.wait_for("sched_process_exec", |event| is_hit(event, ended.pid))?;
    let hit = &event["process_tracepoint"];
    ensure!(hit["args"][0]["int_arg"] == ended.pid, "the process id before: {event}");
    ensure!(hit["args"][1]["linux_binprm_arg"]["path"] == *program, "the program: {event}");
    agent.settle()?;
    ensure!(!agent.events.iter().any(|event| is_hit(event, missed.pid)), "another was reported");
    agent.stop()?;
    Ok(())
}

/// The policies that are shipped.
fn shipped(_: &Kernel) -> Result<()> {
    let read = |name: &str| std::fs::read_to_string(crate::root().join("policies/tracepoints").join(name));
    let setup = Setup::new()?.policy(&read("exec-temporary.yaml")?)?;
    let mut agent = setup.policy(&read("task-rename-kernel-thread.yaml")?)?.start()?;
    let folder = tempfile::tempdir_in("/tmp")?;
    let copy = folder.path().join("copy").to_string_lossy().into_owned();
    std::fs::copy(trigger::program()?, &copy)?;
    let ended = trigger::symlink_by(&[&copy], "/no/such/target")?;
    let event = agent.wait_for("exec-temporary", |event| is_hit(event, ended.pid))?;
    let program = &event["process_tracepoint"]["args"][0]["linux_binprm_arg"]["path"];
    ensure!(*program == *copy, "the program: {event}");
    let ended = trigger::rename_thread("kworker/7:7")?;
    // Where the checkout is below /tmp, the other policy reports this process as well.
    let renamed = |event: &Value| {
        is_hit(event, ended.pid) && event["process_tracepoint"]["policy_name"] == "task-rename-kernel-thread"
    };
    let event = agent.wait_for("task-rename-kernel-thread", renamed)?;
    let name = json!({ "string_arg": "kworker/7:7", "label": "new" });
    ensure!(event["process_tracepoint"]["args"][1] == name, "the name: {event}");
    let old = event["process_tracepoint"]["args"][0]["string_arg"].as_str().unwrap_or_default();
    ensure!(!old.is_empty() && trigger::program()?.ends_with(old), "the name before: {event}");
    agent.stop()?;
    Ok(())
}

fn refused(_: &Kernel) -> Result<()> {
    let text_as_number = format!("    args: [{{index: {}, type: int}}]\n", field_of_rename("newcomm")?);
    for (tracepoint, fields, words) in [
        ("sched/sched_proces_exec", "", ["policy-0.yaml:9:", "did you mean `sched/sched_process_exec`?"]),
        (
            "sched/sched_process_exec",
            "    args: [{index: 40, type: int}]\n",
            ["policy-0.yaml:11:", "there is no field 40"],
        ),
        ("task/task_rename", &text_as_number, ["is an array of `char`", "write `string`"]),
        (
            "sched/sched_proces_exec",
            "    raw: true\n",
            ["no raw tracepoint `sched_proces_exec`", "did you mean `sched_process_exec`?"],
        ),
    ] {
        let log = Setup::new()?.policy(&policy(tracepoint, fields))?.refusal()?;
        for word in words {
            ensure!(log.contains(word), "{tracepoint}: the message lacks {word:?}:\n{log}");
        }
    }
    Ok(())
}
