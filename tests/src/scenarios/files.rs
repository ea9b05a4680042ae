//! Arguments that name files: read by every type, matched by path.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::trigger::{self, Ended};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("files::a_descriptor_is_known_by_its_path", descriptor),
        scenario("files::a_descriptor_is_followed", followed).needs(Kernel::function_hooks),
        scenario("files::a_removed_file_is_marked", removed),
        scenario("files::a_path", path).needs(Kernel::function_hooks),
        scenario("files::a_directory_entry", dentry).needs(Kernel::function_hooks),
        scenario("files::a_program_about_to_be_executed", binprm).needs(Kernel::function_hooks),
        scenario("files::a_name_in_the_kernels_copy", filename).needs(Kernel::function_hooks),
    ]
}

/// A policy with one hook that reads one argument and matches it.
fn policy(call: &str, syscall: bool, index: u8, kind: &str, operator: &str, value: &str) -> String {
    format!(
        "\
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata:
  name: files
spec:
  kprobes:
  - call: {call}
    syscall: {syscall}
    args:
    - index: {index}
      type: {kind}
    selectors:
    - matchArgs:
      - {{ index: {index}, operator: {operator}, values: ['{value}'] }}
"
    )
}

/// Two files in a folder that goes away with the test.
struct Files {
    _folder: tempfile::TempDir,
    wanted: String,
    other: String,
}

impl Files {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name| folder.path().join(name).to_string_lossy().into_owned();
        let (wanted, other) = (path("wanted"), path("other"));
        for path in [&wanted, &other] {
            std::fs::write(path, "text").context("cannot write")?;
        }
        Ok(Self { _folder: folder, wanted, other })
    }
}

/// Loads the policy; the argument that the first trigger is reported with, and that the second is not reported.
fn first_not_second(
    policy: &str,
    first: impl FnOnce() -> Result<Ended>,
    second: impl FnOnce() -> Result<Ended>,
) -> Result<Value> {
    let mut agent = Setup::new()?.policy(policy)?.start()?;
    let missed = second()?;
    let ended = first()?;
    for ended in [&missed, &ended] {
        ensure!(ended.signal().is_none(), "a trigger was killed: {ended:?}");
    }
    let event =
        agent.wait_for("process_kprobe", |event| event["process_kprobe"]["process"]["pid"] == ended.pid)?;
    agent.settle()?;
    ensure!(agent.hits_of(missed.pid).is_empty(), "the other file was reported");
    agent.stop()?;
    Ok(event["process_kprobe"]["args"][0].clone())
}

fn descriptor(_: &Kernel) -> Result<()> {
    let files = Files::new()?;
    let policy = policy("sys_write", true, 0, "fd", "Equal", &files.wanted);
    let argument =
        first_not_second(&policy, || trigger::write(&files.wanted), || trigger::write(&files.other))?;
    let expected = serde_json::json!({ "path": files.wanted, "permission": "-rw-r--r--" });
    ensure!(argument["file_arg"] == expected, "argument: {argument}");
    Ok(())
}

/// The shipped policy, for another file: a descriptor keeps its name, and gives it to copies and children.
fn followed(_: &Kernel) -> Result<()> {
    let files = Files::new()?;
    let shipped = std::fs::read_to_string(crate::root().join("policies/functions/fd-follow-passwd.yaml"))?;
    let policy = shipped.replace("/etc/passwd", &files.wanted);
    let mut agent = Setup::new()?.policy(&policy)?.start()?;
    let ended = trigger::write_renamed(&files.wanted, &files.other)?;
    ensure!(ended.status.success(), "the trigger failed: {ended:?}");
    agent.settle()?;
    let writes = |key: &str| -> Vec<u64> {
        let hits = agent.events.iter().map(|event| &event["process_kprobe"]);
        hits.filter(|hit| hit["function_name"] == "__x64_sys_write" && hit[key]["pid"] == ended.pid)
            .filter_map(|hit| hit["args"][1]["size_arg"].as_str()?.parse().ok())
            .collect()
    };
    ensure!(writes("process") == ["descriptor".len() as u64, "copy".len() as u64], "{:?}", writes("process"));
    ensure!(writes("parent") == ["child".len() as u64], "by the child: {:?}", writes("parent"));
    let closes =
        agent.hits_of(ended.pid).into_iter().filter(|hit| hit["action"] == "KPROBE_ACTION_UNFOLLOWFD");
    let names: Vec<_> = closes.map(|hit| &hit["args"][0]["file_arg"]["path"]).collect();
    ensure!(
        !names.is_empty() && names.iter().all(|name| **name == files.wanted.as_str()),
        "closed: {names:?}"
    );
    agent.stop()?;
    Ok(())
}

fn removed(_: &Kernel) -> Result<()> {
    let files = Files::new()?;
    let policy = policy("sys_write", true, 0, "fd", "Postfix", " (deleted)");
    let argument =
        first_not_second(&policy, || trigger::write_removed(&files.wanted), || trigger::write(&files.other))?;
    let expected = format!("{} (deleted)", files.wanted);
    ensure!(argument["file_arg"]["path"] == expected, "argument: {argument}");
    Ok(())
}

fn path(_: &Kernel) -> Result<()> {
    let files = Files::new()?;
    let policy = policy("vfs_open", false, 0, "path", "Equal", &files.wanted);
    let argument =
        first_not_second(&policy, || trigger::open(&files.wanted), || trigger::open(&files.other))?;
    let expected = serde_json::json!({ "path": files.wanted, "permission": "-rw-r--r--" });
    ensure!(argument["path_arg"] == expected, "argument: {argument}");
    Ok(())
}

fn dentry(_: &Kernel) -> Result<()> {
    let files = Files::new()?;
    // Of a path in its file system only the end is known: the folder may lie on a mount.
    let policy = policy("security_inode_unlink", false, 1, "dentry", "Postfix", "/wanted");
    let argument = first_not_second(
        &policy,
        || trigger::write_removed(&files.wanted),
        || trigger::write_removed(&files.other),
    )?;
    let path = argument["path_arg"]["path"].as_str().unwrap_or_default();
    ensure!(!path.is_empty() && files.wanted.ends_with(path), "argument: {argument}");
    ensure!(argument["path_arg"]["permission"] == "-rw-r--r--", "argument: {argument}");
    Ok(())
}

fn binprm(_: &Kernel) -> Result<()> {
    let program = trigger::program()?;
    let policy = policy("security_bprm_check", false, 0, "linux_binprm", "Equal", &program);
    let argument = first_not_second(&policy, || trigger::exit(0, &[]), trigger::other_program)?;
    ensure!(argument["linux_binprm_arg"]["path"] == program, "argument: {argument}");
    let permission = argument["linux_binprm_arg"]["permission"].as_str().unwrap_or_default();
    ensure!(permission.starts_with("-rwx"), "argument: {argument}");
    Ok(())
}

fn filename(_: &Kernel) -> Result<()> {
    let files = Files::new()?;
    let policy = policy("do_filp_open", false, 1, "filename", "Equal", &files.wanted);
    let argument =
        first_not_second(&policy, || trigger::open(&files.wanted), || trigger::open(&files.other))?;
    ensure!(argument["string_arg"] == files.wanted, "argument: {argument}");
    Ok(())
}
