//! Stacks of the kernel and of programs in events.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::trigger::{self, Waiting};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("stacks::of_a_system_call", system_call),
        scenario("stacks::of_a_call_that_is_waited_for", waited_for),
        scenario("stacks::of_a_kernel_function", function).needs(Kernel::function_hooks),
        scenario("stacks::only_of_the_selector_that_asks", asked),
    ]
}

/// A policy with one hook; `hook` is YAML, indented by two.
fn policy(hook: &str) -> String {
    format!(
        "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {{name: stacks}}\nspec:\n  kprobes:\n{hook}"
    )
}

const BOTH: &str = "    selectors:
    - matchActions: [{action: Post, kernelStackTrace: true, userStackTrace: true}]
";

/// The symbols of a stack, of which every frame must say something, and none where the kernel is.
fn symbols(hit: &Value, key: &str) -> Result<Vec<String>> {
    let frames = hit[key].as_array().with_context(|| format!("no {key}: {hit}"))?;
    for frame in frames {
        ensure!(frame.as_object().is_some_and(|fields| !fields.is_empty()), "an empty frame: {hit}");
        let address = frame["address"].as_str().map_or(Ok(0), str::parse::<u64>)?;
        ensure!(address >> 63 == 0, "an address of the kernel's: {hit}");
    }
    Ok(frames.iter().map(|frame| frame["symbol"].as_str().unwrap_or_default().to_owned()).collect())
}

/// Makes a symbolic link in a process that lives on, and looks at the stacks of the hit.
fn check(hook: &str, in_kernel: &str) -> Result<Value> {
    let mut agent = Setup::new()?.policy(&policy(hook))?.start()?;
    let mut child = Waiting::symlink("/etc/stacks", "/nowhere/at/all")?;
    child.go()?;
    let pid = child.pid();
    let event = agent.wait_for("a hit", |event| event["process_kprobe"]["process"]["pid"] == pid)?;
    child.end()?;
    let hit = event["process_kprobe"].clone();
    let kernel = symbols(&hit, "kernel_stack_trace")?;
    ensure!(kernel.iter().any(|symbol| symbol.contains(in_kernel)), "no {in_kernel}: {kernel:?}");
    symbols(&hit, "user_stack_trace")?;
    let module = hit["user_stack_trace"][0]["module"].as_str().unwrap_or_default();
    ensure!(module.starts_with('/'), "the program's stack starts in no file: {hit}");
    agent.stop()?;
    Ok(hit)
}

fn system_call(_: &Kernel) -> Result<()> {
    check(&format!("  - call: sys_symlinkat\n{BOTH}"), "do_syscall_64").map(drop)
}

fn waited_for(_: &Kernel) -> Result<()> {
    let hook = "  - call: sys_symlinkat
    args: [{index: 0, type: string}]
    return: true
    returnArg: {index: 0, type: int}
";
    let hit = check(&format!("{hook}{BOTH}"), "do_syscall_64")?;
    ensure!(hit["return"] == json!({ "int_arg": -libc::ENOENT }), "return: {hit}");
    ensure!(hit["args"] == json!([{ "string_arg": "/etc/stacks" }]), "args: {hit}");
    Ok(())
}

fn function(_: &Kernel) -> Result<()> {
    check(&format!("  - call: do_symlinkat\n    syscall: false\n{BOTH}"), "do_syscall_64").map(drop)
}

fn asked(_: &Kernel) -> Result<()> {
    let hook = "  - call: sys_symlinkat
    args: [{index: 0, type: string}]
    selectors:
    - matchArgs: [{index: 0, operator: Equal, values: [/etc/one]}]
      matchActions: [{action: Post, kernelStackTrace: true}]
    - matchArgs: [{index: 0, operator: Equal, values: [/etc/two]}]
      matchActions: [{action: Post}]
";
    let mut agent = Setup::new()?.policy(&policy(hook))?.start()?;
    for (target, expected) in [("/etc/one", true), ("/etc/two", false)] {
        let ended = trigger::symlink(target, "/nowhere/at/all")?;
        let event = agent.wait_for(target, |event| event["process_kprobe"]["process"]["pid"] == ended.pid)?;
        let hit = &event["process_kprobe"];
        ensure!(hit["kernel_stack_trace"].is_array() == expected, "{target}: {event}");
        ensure!(hit["user_stack_trace"].is_null(), "{target}: {event}");
    }
    agent.stop()?;
    Ok(())
}
