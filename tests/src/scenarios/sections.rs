//! The sections of a policy beside `kprobes`, and several of them in one.

use anyhow::{Result, ensure};

use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("sections::several_in_one_policy", several),
        scenario("sections::an_lsm_hook_is_reported", lsm_hook).needs(Kernel::lsm_hooks),
        scenario("sections::an_lsm_hook_refuses", lsm_override).needs(Kernel::lsm_hooks),
    ]
}

fn policy(sections: &str) -> String {
    format!(
        "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {{name: sections}}\nspec:\n{sections}"
    )
}

fn several(_: &Kernel) -> Result<()> {
    let sections = "
  fentries:
  - call: sys_lseek
    args: [{index: 1, type: int64}]
    selectors: [matchArgs: [{index: 1, operator: Equal, values: [77]}]]
  kprobes:
  - call: sys_chmod
    args: [{index: 1, type: uint16}]
    selectors: [matchArgs: [{index: 1, operator: Equal, values: [0o123]}]]
";
    let mut agent = Setup::new()?.policy(&policy(sections))?.start()?;
    for (name, ended, value) in [
        ("__x64_sys_lseek", trigger::seek(77)?, serde_json::json!({ "long_arg": "77" })),
        ("__x64_sys_chmod", trigger::chmod_nothing(0o123)?, serde_json::json!({ "uint_arg": 0o123 })),
    ] {
        let event = agent.wait_for(name, |event| event["process_kprobe"]["process"]["pid"] == ended.pid)?;
        let hit = &event["process_kprobe"];
        ensure!(hit["function_name"] == name && hit["args"][0] == value, "{name}: {event}");
    }
    agent.stop()?;
    Ok(())
}

/// A policy on opening one file; the action is YAML.
fn on_file_open(path: &str, action: &str) -> String {
    policy(&format!(
        "  lsmhooks:
  - hook: file_open
    message: opened
    args: [{{index: 0, type: file, label: what}}]
    selectors:
    - matchArgs: [{{index: 0, operator: Equal, values: ['{path}']}}]
      matchActions: [{action}]
"
    ))
}

/// Two files in a folder.
fn files() -> Result<(tempfile::TempDir, String, String)> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (wanted, other) = (path("wanted"), path("other"));
    std::fs::write(&wanted, "text")?;
    std::fs::write(&other, "text")?;
    Ok((folder, wanted, other))
}

fn lsm_hook(_: &Kernel) -> Result<()> {
    let (_folder, wanted, other) = files()?;
    let mut agent = Setup::new()?.policy(&on_file_open(&wanted, "{action: Post}"))?.start()?;
    let missed = trigger::open(&other)?;
    let ended = trigger::open(&wanted)?;
    let event = agent.wait_for("process_lsm", |event| event["process_lsm"]["process"]["pid"] == ended.pid)?;
    let hit = &event["process_lsm"];
    ensure!(hit["function_name"] == "file_open", "function_name: {event}");
    ensure!(hit["policy_name"] == "sections" && hit["message"] == "opened", "policy: {event}");
    ensure!(hit["action"] == "KPROBE_ACTION_POST", "action: {event}");
    let file = serde_json::json!({ "path": wanted, "permission": "-rw-r--r--" });
    ensure!(hit["args"] == serde_json::json!([{ "file_arg": file, "label": "what" }]), "args: {event}");
    agent.settle()?;
    let reported = agent.events.iter().any(|event| event["process_lsm"]["process"]["pid"] == missed.pid);
    ensure!(!reported, "another file was reported");
    agent.stop()?;
    Ok(())
}

fn lsm_override(_: &Kernel) -> Result<()> {
    let (_folder, wanted, other) = files()?;
    let action = format!("{{action: Override, argError: -{}}}", libc::EACCES);
    let mut agent = Setup::new()?.policy(&on_file_open(&wanted, &action))?.start()?;
    let (refused, allowed) = (trigger::open(&wanted)?, trigger::open(&other)?);
    ensure!(refused.errno == Some(libc::EACCES), "the open was not refused: {refused:?}");
    ensure!(allowed.errno == Some(0), "another open was refused: {allowed:?}");
    let event =
        agent.wait_for("process_lsm", |event| event["process_lsm"]["process"]["pid"] == refused.pid)?;
    ensure!(event["process_lsm"]["action"] == "KPROBE_ACTION_OVERRIDE", "action: {event}");
    agent.stop()?;
    Ok(())
}
