//! Enforcers: calls that are refused on the word of a hook that need not be on them.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::trigger::{self, Ended};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("enforcers::a_signal_for_calls_of_the_list", signal),
        scenario("enforcers::a_call_that_is_not_in_the_list_is_missed", missed),
        scenario("enforcers::nothing_happens_in_monitor_mode", monitored),
        scenario("enforcers::notified_where_calls_begin", early).needs(Kernel::enforcement),
        scenario("enforcers::notified_while_the_call_is_under_way", late).needs(Kernel::late_enforcement),
        scenario("enforcers::any_call_on_its_way", on_the_way).needs(Kernel::lsm_hooks),
        scenario("enforcers::a_notification_is_taken_back", taken_back).needs(Kernel::late_enforcement),
        scenario("enforcers::calls_without_lsm_hooks_and_of_32_bit_programs", injected)
            .needs(Kernel::error_injection),
        scenario("enforcers::calls_that_cannot_be_refused", refused).needs(Kernel::no_error_injection),
        scenario("enforcers::nothing_can_refuse_late", refused_late).needs(Kernel::error_injection),
    ]
}

/// A policy with an enforcer of these calls; what notifies it is YAML in `spec`.
fn policy(calls: &str, hooks: &str) -> String {
    format!(
        "apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: enforcers}}
spec:
  lists:
  - {{name: calls, type: syscalls, values: [{calls}]}}
  enforcers:
  - calls: ['list:calls']
{hooks}"
    )
}

/// Whatever call of the list this program makes, notified at its beginning.
fn at_beginning(event: &str, action: &str) -> Result<String> {
    Ok(format!(
        "  tracepoints:
  - subsystem: raw_syscalls
    event: sys_enter
{event}
    selectors:
    - matchArgs: [{{index: {index}, operator: InMap, values: ['list:calls']}}]
      matchBinaries: [{{operator: In, values: ['{program}']}}]
      matchActions: [{action}]
",
        index = if event.contains("raw") { 1 } else { 4 },
        program = trigger::program()?
    ))
}

const RECORD: &str = "    args: [{index: 4, type: syscall64}]";
const RAW: &str = "    raw: true\n    args: [{index: 1, type: syscall64}]";

fn hit_of(agent: &mut Agent, pid: u32) -> Result<Value> {
    let hit = |event: &Value| {
        ["process_tracepoint", "process_kprobe"]
            .iter()
            .find(|kind| event[**kind]["process"]["pid"] == pid)
            .copied()
    };
    let event = agent.wait_for("hit", |event| hit(event).is_some())?;
    Ok(event[hit(&event).context("no hit")?].clone())
}

fn missed_by(agent: &Agent) -> Result<u64> {
    let status: Value = serde_json::from_str(&agent.status(&["--json"])?)?;
    status["kernel"]["missed_notifications"].as_u64().with_context(|| format!("not counted: {status}"))
}

fn signal(_: &Kernel) -> Result<()> {
    for event in [RECORD, RAW] {
        let hooks = at_beginning(event, "{action: NotifyEnforcer, argSig: 9}")?;
        let mut agent = Setup::new()?.policy(&policy("sys_lseek, sys_mkdir", &hooks))?.start()?;
        let (spared, killed) = (trigger::chmod_nothing(0)?, trigger::seek(83)?);
        ensure!(spared.signal().is_none(), "another call was killed for: {spared:?}");
        ensure!(killed.signal() == Some(libc::SIGKILL), "it was not killed: {killed:?}");
        let hit = hit_of(&mut agent, killed.pid)?;
        ensure!(hit["action"] == "KPROBE_ACTION_NOTIFYENFORCER", "action: {hit}");
        ensure!(missed_by(&agent)? == 0, "notifications were missed");
        agent.stop()?;
    }
    Ok(())
}

fn missed(_: &Kernel) -> Result<()> {
    let hooks = "  kprobes:
  - call: sys_lseek
    args: [{index: 1, type: int64}]
    selectors:
    - matchArgs: [{index: 1, operator: Equal, values: [84]}]
      matchActions: [{action: NotifyEnforcer, argSig: 9}]
";
    let mut agent = Setup::new()?.policy(&policy("sys_chmod", hooks))?.start()?;
    let ended = trigger::seek(84)?;
    ensure!(ended.signal().is_none(), "killed for a call that is not in the list: {ended:?}");
    // Nor is the next one taken for it.
    let next = trigger::chmod_nothing(0)?;
    ensure!(next.signal().is_none(), "killed for another's notification: {next:?}");
    hit_of(&mut agent, ended.pid)?;
    ensure!(missed_by(&agent)? == 1, "{} notifications were missed", missed_by(&agent)?);
    agent.stop()?;
    Ok(())
}

fn monitored(_: &Kernel) -> Result<()> {
    let hooks = at_beginning(RECORD, "{action: NotifyEnforcer, argError: -1, argSig: 9}")?;
    let hooks = format!("{hooks}  options: [{{name: policy-mode, value: monitor}}]\n");
    // `dup` passes no LSM hook: only where nothing is enforced can that be loaded everywhere.
    let mut agent = Setup::new()?.policy(&policy("sys_lseek, sys_dup", &hooks))?.start()?;
    let ended = trigger::seek(85)?;
    ensure!(ended.errno == Some(libc::EBADF), "it did not fail as it should: {ended:?}");
    let hit = hit_of(&mut agent, ended.pid)?;
    ensure!(hit["action"] == "KPROBE_ACTION_POST", "action: {hit}");
    agent.stop()?;
    Ok(())
}

/// Makes a link in a folder of its own; how that ended, and whether the link is there.
fn link(target: &str) -> Result<(Ended, bool)> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("link").to_string_lossy().into_owned();
    let ended = trigger::symlink(target, &link)?;
    Ok((ended, Path::new(&link).is_symlink()))
}

fn expect_refusal(agent: &mut Agent, way: &str) -> Result<()> {
    let (ended, made) = link("/etc/passwd")?;
    ensure!(ended.errno == Some(libc::EACCES), "{way}: expected EACCES: {ended:?}");
    ensure!(!made, "{way}: the link was made all the same");
    let hit = hit_of(agent, ended.pid)?;
    ensure!(hit["action"] == "KPROBE_ACTION_NOTIFYENFORCER", "{way}: action: {hit}");
    ensure!(missed_by(agent)? == 0, "{way}: {} notifications were missed", missed_by(agent)?);
    Ok(())
}

fn early(_: &Kernel) -> Result<()> {
    let notify = "{action: NotifyEnforcer, argError: -13}";
    let on_call = format!(
        "  kprobes:
  - call: sys_symlinkat
    args: [{{index: 0, type: string}}]
    selectors:
    - matchArgs: [{{index: 0, operator: Equal, values: [/etc/passwd]}}]
      matchActions: [{notify}]
"
    );
    for (way, hooks) in [
        ("record", at_beginning(RECORD, notify)?),
        ("raw", at_beginning(RAW, notify)?),
        ("the call itself", on_call.clone()),
        ("a list with the call", on_call.replace("sys_symlinkat", "list:calls")),
    ] {
        let mut agent = Setup::new()?.policy(&policy("sys_symlinkat, sys_rmdir", &hooks))?.start()?;
        expect_refusal(&mut agent, way)?;
        if hooks.contains("/etc/passwd") {
            let (other, made) = link("/etc/hostname")?;
            ensure!(other.errno == Some(0) && made, "{way}: another link was forbidden as well: {other:?}");
        }
        agent.stop()?;
        let (after, made) = link("/etc/passwd")?;
        ensure!(after.errno == Some(0) && made, "{way}: still forbidden after the agent has gone: {after:?}");
    }
    Ok(())
}

/// A hook on a function that `symlinkat` is carried out by.
const UNDER_WAY: &str = "  kprobes:
  - call: do_symlinkat
    syscall: false
    args: [{index: 0, type: filename}]
    selectors:
    - matchArgs: [{index: 0, operator: Equal, values: [/etc/passwd]}]
      matchActions: [{action: NotifyEnforcer, argError: -13}]
";

fn late(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.policy(&policy("sys_symlinkat, sys_symlink", UNDER_WAY))?.start()?;
    expect_refusal(&mut agent, "a function of the call")?;
    let (other, made) = link("/etc/hostname")?;
    ensure!(other.errno == Some(0) && made, "another link was forbidden as well: {other:?}");
    agent.stop()?;
    Ok(())
}

/// At functions of the kernel's that ask its security modules, by name and by a list.
fn on_the_way(_: &Kernel) -> Result<()> {
    let hooks = "  kprobes:
  - call: sys_symlinkat
    args: [{index: 0, type: string}]
    selectors:
    - matchArgs: [{index: 0, operator: Equal, values: [/etc/passwd]}]
      matchActions: [{action: NotifyEnforcer, argError: -13}]
";
    let by_list = policy("", hooks)
        .replace("type: syscalls, values: []", "values: [security_path_symlink, security_path_link]");
    let by_name = by_list.replace("calls: ['list:calls']", "calls: [security_path_symlink, sys_rmdir]");
    for (way, policy) in [("a list", by_list), ("its name", by_name)] {
        let mut agent = Setup::new()?.policy(&policy)?.start()?;
        expect_refusal(&mut agent, way)?;
        let (other, made) = link("/etc/hostname")?;
        ensure!(other.errno == Some(0) && made, "{way}: another link was forbidden as well: {other:?}");
        // A call that fails before it comes by: what was said of it is not kept for the next.
        let ended = trigger::symlink_after("/etc/passwd", "/etc/hostname")?;
        ensure!(ended.errno == Some(0), "{way}: the next call was taken for it: {ended:?}");
        ensure!(missed_by(&agent)? == 1, "{way}: {} notifications were missed", missed_by(&agent)?);
        agent.stop()?;
        let (after, made) = link("/etc/passwd")?;
        ensure!(after.errno == Some(0) && made, "{way}: still forbidden after the agent has gone: {after:?}");
    }
    Ok(())
}

fn taken_back(_: &Kernel) -> Result<()> {
    // On the way from one to the other.
    let clean_up = format!(
        "  - call: mnt_want_write
    syscall: false
    selectors:
    - matchBinaries: [{{operator: In, values: ['{}']}}]
      matchActions: [{{action: CleanupEnforcerNotification}}]
",
        trigger::program()?
    );
    let hooks = format!("{UNDER_WAY}{clean_up}");
    let mut agent = Setup::new()?.policy(&policy("sys_symlinkat", &hooks))?.start()?;
    let (ended, made) = link("/etc/passwd")?;
    ensure!(ended.errno == Some(0) && made, "forbidden though it was taken back: {ended:?}");
    agent.settle()?;
    let actions: Vec<_> = agent.hits_of(ended.pid).iter().map(|hit| hit["action"].clone()).collect();
    let expected = ["KPROBE_ACTION_NOTIFYENFORCER", "KPROBE_ACTION_CLEANUPENFORCERNOTIFICATION"];
    ensure!(actions == expected, "actions: {actions:?}");
    ensure!(missed_by(&agent)? == 0, "what was taken back was counted");
    agent.stop()?;
    Ok(())
}

fn injected(kernel: &Kernel) -> Result<()> {
    let calls = if kernel.compat_calls { "sys_lseek, __ia32_sys_dup" } else { "sys_lseek" };
    let hooks = at_beginning(RECORD, "{action: NotifyEnforcer, argError: -13}")?;
    let mut agent = Setup::new()?.policy(&policy(calls, &hooks))?.start()?;
    let ended = trigger::seek(86)?;
    ensure!(ended.errno == Some(libc::EACCES), "expected EACCES: {ended:?}");
    hit_of(&mut agent, ended.pid)?;
    if kernel.compat_calls {
        let ended = trigger::compat_dup(-1)?;
        ensure!(ended.errno == Some(libc::EACCES), "32-bit: expected EACCES: {ended:?}");
    }
    agent.stop()?;
    Ok(())
}

fn refused(_: &Kernel) -> Result<()> {
    let hooks = at_beginning(RECORD, "{action: NotifyEnforcer, argError: -1}")?;
    let log = Setup::new()?.policy(&policy("sys_dup, __ia32_sys_dup", &hooks))?.refusal()?;
    for words in ["policy-0.yaml:8:13:", "have an enforcer refuse `__x64_sys_dup`", "no LSM hook is known"] {
        ensure!(log.contains(words), "the refusal lacks {words:?}:\n{log}");
    }
    Ok(())
}

fn refused_late(_: &Kernel) -> Result<()> {
    let log = Setup::new()?.policy(&policy("sys_dup", UNDER_WAY))?.refusal()?;
    for words in ["policy-0.yaml:8:13:", "`__x64_sys_dup`", "a hook notifies the enforcer after that"] {
        ensure!(log.contains(words), "the refusal lacks {words:?}:\n{log}");
    }
    Ok(())
}
