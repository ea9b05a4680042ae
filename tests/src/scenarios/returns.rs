//! Waiting for what a function returns: entry and return are one event.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::trigger::{self, Waiting};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("returns::a_system_call_is_reported_with_what_it_returns", system_call),
        scenario("returns::filters_on_what_is_returned", filters),
        scenario("returns::actions_once_the_call_has_returned", late_actions),
        scenario("returns::a_buffer_is_read_once_the_call_has_filled_it", filled),
        scenario("returns::an_exec_returns_in_the_new_program", exec),
        scenario("returns::an_exec_by_another_thread_is_counted", lost_exec),
        scenario("returns::a_call_is_counted_that_outlives_its_policy", outlived),
        scenario("returns::a_function_is_reported_with_what_it_returns", function)
            .needs(Kernel::function_hooks),
        scenario("returns::an_overridden_call_returns_the_error", overridden).needs(Kernel::enforcement),
        scenario("returns::waiting_leaves_the_override_of_another_policy_alone", beside_override)
            .needs(Kernel::enforcement),
    ]
}

/// A policy with one hook; `hook` is YAML, indented by four.
fn policy(hook: &str) -> String {
    format!(
        "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {{name: returns}}\nspec:\n  kprobes:\n{hook}"
    )
}

/// The only hit of a process.
fn only_hit(agent: &mut Agent, pid: u32) -> Result<Value> {
    agent.settle()?;
    let hits = agent.hits_of(pid);
    ensure!(hits.len() == 1, "{} hits instead of one: {hits:?}", hits.len());
    Ok(hits[0].clone())
}

fn system_call(_: &Kernel) -> Result<()> {
    let hook = "  - call: sys_lseek
    args: [{index: 1, type: int64}]
    return: true
    returnArg: {index: 0, type: int, label: error}
";
    let mut agent = Setup::new()?.policy(&policy(hook))?.start()?;
    let ended = trigger::seek(77)?;
    agent.settle()?;
    let hits = agent.hits_of(ended.pid);
    let ours = hits.iter().find(|hit| hit["args"][0] == json!({ "long_arg": "77" }));
    let returned = json!({ "int_arg": -libc::EBADF, "label": "error" });
    ensure!(ours.is_some_and(|hit| hit["return"] == returned), "not with {returned}: {hits:?}");
    ensure!(hits.iter().all(|hit| hit["return"].is_object()), "not every call returned: {hits:?}");
    agent.stop()?;
    Ok(())
}

fn filled(_: &Kernel) -> Result<()> {
    const MOST: usize = 4088;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("file").to_string_lossy().into_owned();
    let hook = format!(
        "  - call: sys_read
    args: [{{index: 0, type: fd}}, {{index: 1, type: char_buf, returnCopy: true}}, {{index: 2, type: size_t}}]
    return: true
    returnArg: {{index: 0, type: int64}}
    selectors:
    - matchArgs: [{{index: 0, operator: Equal, values: ['{path}']}}]
"
    );
    let mut agent = Setup::new()?.policy(&policy(&hook))?.start()?;
    std::fs::write(&path, "secret")?;
    let one = trigger::evasion::read_by("by-name", &path)?;
    let hit = only_hit(&mut agent, one.pid)?;
    ensure!(hit["args"][1] == json!({ "bytes_arg": "cw==" }), "one byte: {hit}");
    ensure!(hit["args"][2] == json!({ "size_arg": "1" }), "what comes after it: {hit}");
    ensure!(hit["return"] == json!({ "long_arg": "1" }), "returned: {hit}");
    std::fs::write(&path, "a".repeat(5000))?;
    let whole = trigger::write(&path)?;
    agent.settle()?;
    let hits = agent.hits_of(whole.pid);
    let long = hits.iter().map(|hit| &hit["args"][1]["truncated_bytes_arg"]).find(|told| told.is_object());
    let told = long.map(|told| (told["bytes_arg"].as_str().unwrap_or_default().len(), &told["orig_size"]));
    ensure!(told == Some((MOST.div_ceil(3) * 4, &json!("5004"))), "not cut to {MOST}: {told:?}");
    let last = hits.last().map(|hit| &hit["args"][1]["bytes_arg"]);
    ensure!(last.is_some_and(|bytes| bytes.as_str().unwrap_or_default().is_empty()), "at the end: {last:?}");
    agent.stop()?;
    Ok(())
}

fn filters(_: &Kernel) -> Result<()> {
    let hook = "  - call: sys_symlinkat
    args: [{index: 0, type: string}]
    return: true
    returnArg: {index: 0, type: int}
    selectors:
    - matchArgs: [{index: 0, operator: Prefix, values: [/serin-returns]}]
      matchReturnArgs: [{operator: Equal, values: [-17]}]
";
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("link").to_string_lossy().into_owned();
    let mut agent = Setup::new()?.policy(&policy(hook))?.start()?;
    let made = trigger::symlink("/serin-returns", &link)?;
    let exists = trigger::symlink("/serin-returns", &link)?;
    let other = trigger::symlink("/another", &link)?;
    ensure!((made.errno, exists.errno) == (Some(0), Some(libc::EEXIST)), "{made:?}, {exists:?}");
    let hit = only_hit(&mut agent, exists.pid)?;
    ensure!(hit["return"] == json!({ "int_arg": -libc::EEXIST }), "return: {hit}");
    ensure!(hit["args"][0] == json!({ "string_arg": "/serin-returns" }), "args: {hit}");
    ensure!(agent.hits_of(made.pid).is_empty(), "a call that returned something else was reported");
    ensure!(agent.hits_of(other.pid).is_empty(), "a call with other arguments was reported");
    agent.stop()?;
    Ok(())
}

/// One selector kills who gets one error, another posts nothing; entries that are not to be posted count as well.
fn late_actions(_: &Kernel) -> Result<()> {
    let hook = "  - call: sys_symlinkat
    args: [{index: 0, type: string}]
    return: true
    returnArg: {index: 0, type: int}
    selectors:
    - matchArgs: [{index: 0, operator: Prefix, values: [/serin-killed]}]
      label: exists
      matchReturnArgs: [{operator: Equal, values: [-17]}]
      matchReturnActions: [{action: Signal, argSig: 12}]
    - matchArgs: [{index: 0, operator: Prefix, values: [/serin-silent]}]
      matchReturnActions: [{action: NoPost}]
    - matchArgs: [{index: 0, operator: Prefix, values: [/serin-hidden]}]
      matchActions: [{action: NoPost}]
      matchReturnArgs: [{operator: InRange, values: ['-20:-10']}]
      matchReturnActions: [{action: Sigkill}]
";
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("link").to_string_lossy().into_owned();
    let mut agent = Setup::new()?.policy(&policy(hook))?.start()?;
    let made = trigger::symlink("/serin-killed", &link)?;
    let silent = trigger::symlink("/serin-silent", &link)?;
    ensure!((made.errno, silent.errno) == (Some(0), Some(libc::EEXIST)), "{made:?}, {silent:?}");
    let killed = trigger::symlink("/serin-killed", &link)?;
    ensure!(killed.signal() == Some(libc::SIGUSR2), "not killed: {killed:?}");
    let hit = only_hit(&mut agent, killed.pid)?;
    ensure!(hit["return_action"] == "KPROBE_ACTION_SIGNAL", "return_action: {hit}");
    ensure!(hit["action"] == "KPROBE_ACTION_POST", "action: {hit}");
    let hidden = trigger::symlink("/serin-hidden", &link)?;
    ensure!(
        hidden.signal() == Some(libc::SIGKILL),
        "not killed by a selector that posts nothing: {hidden:?}"
    );
    agent.settle()?;
    for ended in [made, silent, hidden] {
        ensure!(agent.hits_of(ended.pid).is_empty(), "reported: {:?}", agent.hits_of(ended.pid));
    }
    let status = agent.api()?.only()?;
    let counters = status.stats.unwrap_or_default().selector_action_counters;
    let labels: Vec<_> = counters.iter().map(|counters| counters.selector_label.as_str()).collect();
    ensure!(labels == ["exists", "", ""], "labels of selectors: {labels:?}");
    agent.stop()?;
    Ok(())
}

fn exec(_: &Kernel) -> Result<()> {
    let hook = "  - call: sys_execve
    args: [{index: 0, type: string}]
    return: true
    returnArg: {index: 0, type: int}
    selectors:
    - matchReturnArgs: [{operator: Equal, values: [0]}]
";
    let mut agent = Setup::new()?.policy(&policy(hook))?.start()?;
    let ended = trigger::other_program()?;
    let hit = only_hit(&mut agent, ended.pid)?;
    ensure!(hit["return"] == json!({ "int_arg": 0 }), "return: {hit}");
    let path = hit["args"][0]["string_arg"].as_str().unwrap_or_default();
    ensure!(path.ends_with("/true"), "args: {hit}");
    ensure!(hit["process"]["binary"].as_str().is_some_and(|binary| !binary.is_empty()), "process: {hit}");
    agent.stop()?;
    Ok(())
}

fn lost_calls(agent: &Agent) -> Result<u64> {
    let status: Value = serde_json::from_str(&agent.status(&["--json"])?)?;
    status["kernel"]["lost_calls"].as_u64().with_context(|| format!("not counted: {status}"))
}

/// Waits for the event that tells of a loss.
fn expect_loss(agent: &mut Agent) -> Result<()> {
    let event = agent.wait_for("loss", |event| event["loss"].is_object())?;
    ensure!(event["loss"]["count"].as_str().is_some_and(|count| count != "0"), "none: {event}");
    ensure!(lost_calls(agent)? > 0, "the status says of none");
    Ok(())
}

/// The thread that returns is not the one that made the call.
fn lost_exec(_: &Kernel) -> Result<()> {
    let hook = format!(
        "  - call: sys_execve
    return: true
    returnArg: {{index: 0, type: int}}
    selectors:
    - matchBinaries: [{{operator: In, values: ['{}']}}]
",
        trigger::program()?
    );
    let mut agent = Setup::new()?.policy(&policy(&hook))?.start()?;
    let ended = trigger::other_program_in_thread()?;
    ensure!(ended.errno == Some(libc::EBADF), "the other program has not run: {ended:?}");
    expect_loss(&mut agent)?;
    // That of the first thread, by which the process became this program, is told.
    only_hit(&mut agent, ended.pid)?;
    agent.stop()?;
    Ok(())
}

fn outlived(_: &Kernel) -> Result<()> {
    let hook = format!(
        "  - call: sys_read
    return: true
    returnArg: {{index: 0, type: int64}}
    selectors:
    - matchBinaries: [{{operator: In, values: ['{}']}}]
",
        trigger::program()?
    );
    let mut agent = Setup::new()?.start()?;
    let mut api = agent.api()?;
    api.add(&policy(&hook))?;
    let waiting = Waiting::flood(1)?;
    // `read(2)` of descriptor 0.
    let call = format!("/proc/{}/syscall", waiting.pid());
    while !std::fs::read_to_string(&call)?.starts_with("0 0x0 ") {
        std::thread::sleep(Duration::from_millis(10));
    }
    api.delete("returns")?;
    expect_loss(&mut agent)?;
    waiting.end()?;
    agent.stop()?;
    Ok(())
}

fn function(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("file").to_string_lossy().into_owned();
    std::fs::write(&path, "text")?;
    let hook = format!(
        "  - call: security_file_open
    syscall: false
    args: [{{index: 0, type: file}}]
    return: true
    returnArg: {{index: 0, type: int}}
    selectors:
    - matchArgs: [{{index: 0, operator: Equal, values: ['{path}']}}]
"
    );
    let mut agent = Setup::new()?.policy(&policy(&hook))?.start()?;
    let ended = trigger::open(&path)?;
    let hit = only_hit(&mut agent, ended.pid)?;
    ensure!(hit["return"] == json!({ "int_arg": 0 }), "return: {hit}");
    ensure!(hit["args"][0]["file_arg"]["path"] == path, "args: {hit}");
    agent.stop()?;
    Ok(())
}

fn overridden(_: &Kernel) -> Result<()> {
    let hook = "  - call: sys_symlinkat
    args: [{index: 0, type: string}]
    return: true
    returnArg: {index: 0, type: int}
    selectors:
    - matchArgs: [{index: 0, operator: Equal, values: [/serin-returns]}]
      matchActions: [{action: Override, argError: -13}]
";
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("link").to_string_lossy().into_owned();
    let mut agent = Setup::new()?.policy(&policy(hook))?.start()?;
    let ended = trigger::symlink("/serin-returns", &link)?;
    ensure!(ended.errno == Some(libc::EACCES), "the call was not refused: {ended:?}");
    let hit = only_hit(&mut agent, ended.pid)?;
    ensure!(hit["return"] == json!({ "int_arg": -libc::EACCES }), "return: {hit}");
    ensure!(hit["action"] == "KPROBE_ACTION_OVERRIDE", "action: {hit}");
    agent.stop()?;
    Ok(())
}

/// Whichever of two policies comes first.
fn beside_override(_: &Kernel) -> Result<()> {
    let waiting = "  - call: sys_symlinkat\n    return: true\n    returnArg: {type: int}\n";
    let overriding =
        "  - call: sys_symlinkat\n    selectors:\n    - matchActions: [{action: Override, argError: -13}]\n";
    let observing = "  - call: sys_symlinkat\n";
    let named = |hook: &str, name: &str| policy(hook).replace("name: returns", &format!("name: {name}"));
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("link").to_string_lossy().into_owned();
    for order in [[waiting, overriding, observing], [observing, overriding, waiting]] {
        let mut setup = Setup::new()?;
        for (hook, name) in order.iter().zip(["a", "b", "c"]) {
            setup = setup.policy(&named(hook, name))?;
        }
        let mut agent = setup.start()?;
        let ended = trigger::symlink("/serin-returns", &link)?;
        ensure!(ended.errno == Some(libc::EACCES), "the call was not refused: {ended:?}");
        agent.settle()?;
        let hits = agent.hits_of(ended.pid);
        let returned = json!({ "int_arg": -libc::EACCES });
        ensure!(hits.iter().any(|hit| hit["return"] == returned), "no return: {hits:?}");
        ensure!(hits.len() == 3, "{} hits instead of one of each policy: {hits:?}", hits.len());
        agent.stop()?;
    }
    Ok(())
}
