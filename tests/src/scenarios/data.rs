//! What policies read beside arguments: the current task, and registers.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("data::of_the_current_task", task),
        scenario("data::registers_of_a_system_call", syscall),
        scenario("data::registers_of_a_function", function).needs(Kernel::function_hooks),
        scenario("data::of_a_program", program),
    ]
}

/// A policy with one hook of this section; `hook` is YAML from its first field on.
fn policy(section: &str, hook: &str) -> String {
    format!(
        "\
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: data}}
spec:
  {section}:
  - {hook}
"
    )
}

/// The only hit of a process.
fn hit<'a>(agent: &'a Agent, kind: &str, pid: u32) -> Result<&'a Value> {
    let hits: Vec<_> =
        agent.events.iter().map(|event| &event[kind]).filter(|hit| hit["process"]["pid"] == pid).collect();
    let [hit] = hits.as_slice() else { anyhow::bail!("hits: {hits:?}") };
    Ok(hit)
}

fn link() -> Result<(tempfile::TempDir, String)> {
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    let link = folder.path().join("link").to_string_lossy().into_owned();
    Ok((folder, link))
}

fn task(_: &Kernel) -> Result<()> {
    let hook = "call: sys_symlinkat
    args: [{index: 0, type: string}]
    data:
    - {index: 0, type: string, source: current_task, resolve: comm, label: name}
    - {index: 1, type: uint32, source: current_task, resolve: cred.uid.val}
    - {index: 2, type: int, source: current_task, resolve: real_parent.tgid}
    selectors:
    - matchData:
      - {index: 1, operator: InRange, values: ['1000:2000']}
      - {args: [2], operator: Equal, values: [PARENT]}";
    let hook = hook.replace("PARENT", &std::process::id().to_string());
    let mut agent = Setup::new()?.policy(&policy("kprobes", &hook))?.start()?;
    let missed = trigger::symlink_as(3000, 0)?;
    let ended = trigger::symlink_as(1234, 0)?;
    agent.settle()?;
    let found = hit(&agent, "process_kprobe", ended.pid)?;
    let name = found["data"][0]["string_arg"].as_str().context("no name")?;
    ensure!(trigger::program()?.contains(name) && !name.is_empty(), "name: {found}");
    ensure!(found["data"][0]["label"] == "name", "label: {found}");
    ensure!(found["data"][1] == json!({ "uint_arg": 1234 }), "user: {found}");
    ensure!(found["data"][2] == json!({ "int_arg": std::process::id() }), "parent: {found}");
    ensure!(found["args"].as_array().is_some_and(|all| all.len() == 1), "arguments: {found}");
    ensure!(agent.hits_of(missed.pid).is_empty(), "another user was reported");
    agent.stop()?;
    Ok(())
}

/// `symlinkat(target, directory, link)`
fn syscall(_: &Kernel) -> Result<()> {
    let hook = "call: sys_symlinkat
    data:
    - {index: 0, type: string, source: pt_regs, resolve: rdi}
    - {index: 1, type: int, source: pt_regs, resolve: esi}
    - {index: 2, type: uint64, source: pt_regs, resolve: sil}
    selectors:
    - matchData: [{operator: Equal, values: [/wanted]}, {index: 1, operator: Equal, values: [-100]}]";
    let mut agent = Setup::new()?.policy(&policy("kprobes", hook))?.start()?;
    let ((_one, first), (_two, second)) = (link()?, link()?);
    let missed = trigger::symlink("/other", &first)?;
    let ended = trigger::symlink("/wanted", &second)?;
    agent.settle()?;
    let found = hit(&agent, "process_kprobe", ended.pid)?;
    let expected = json!([{ "string_arg": "/wanted" }, { "int_arg": libc::AT_FDCWD }, { "size_arg": "156" }]);
    ensure!(found["data"] == expected, "data: {found}");
    ensure!(agent.hits_of(missed.pid).is_empty(), "another link was reported");
    agent.stop()?;
    Ok(())
}

/// `fd_install(descriptor, file)`, which is hooked by a breakpoint as a trampoline does not see registers.
fn function(_: &Kernel) -> Result<()> {
    let hook = "call: fd_install
    syscall: false
    args: [{index: 0, type: uint32}, {index: 1, type: file}]
    data: [{index: 0, type: uint32, source: pt_regs, resolve: edi}]
    selectors:
    - matchArgs: [{index: 1, operator: Equal, values: [FILE]}]";
    let file = tempfile::NamedTempFile::new()?;
    let path = file.path().to_string_lossy();
    let hook = &hook.replace("FILE", &path);
    let mut agent = Setup::new()?.policy(&policy("kprobes", hook))?.start()?;
    let ended = trigger::open(&path)?;
    if ended.errno != Some(0) {
        anyhow::bail!("it was not opened: {ended:?}");
    }
    agent.settle()?;
    let found = hit(&agent, "process_kprobe", ended.pid)?;
    ensure!(found["args"][0]["uint_arg"].is_number(), "arguments: {found}");
    ensure!(found["data"][0] == found["args"][0], "data: {found}");
    agent.stop()?;
    Ok(())
}

fn program(_: &Kernel) -> Result<()> {
    let hook = "path: LIBRARY
    symbols: [atoi]
    data:
    - {index: 0, type: string, source: pt_regs, resolve: rdi}
    - {index: 1, type: int, source: current_task, resolve: tgid}
    selectors:
    - matchData: [{index: 0, operator: Prefix, values: ['47']}]";
    let hook = hook.replace("LIBRARY", &super::uprobes::c_library()?);
    let mut agent = Setup::new()?.policy(&policy("uprobes", &hook))?.start()?;
    let missed = trigger::parse_number("12")?;
    let ended = trigger::parse_number("4711")?;
    agent.settle()?;
    let found = hit(&agent, "process_uprobe", ended.pid)?;
    ensure!(found["data"] == json!([{ "string_arg": "4711" }, { "int_arg": ended.pid }]), "data: {found}");
    let other = |event: &Value| event["process_uprobe"]["process"]["pid"] == missed.pid;
    ensure!(!agent.events.iter().any(other), "another text was reported");
    agent.stop()?;
    Ok(())
}
