//! Hooks: what matches is reported, what doesn't is not.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_file, on_symlinkat};
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("hooks::a_matching_symlink_is_reported", matching_symlink),
        scenario("hooks::another_symlink_is_not", other_symlink),
        scenario("hooks::the_first_selector_that_matches_acts", first_selector),
        scenario("hooks::match_pids", match_pids),
        scenario("hooks::match_binaries", match_binaries),
        scenario("hooks::two_policies_on_one_call", two_policies),
        scenario("hooks::a_function_with_a_file", function_with_file).needs(Kernel::function_hooks),
    ]
}

fn hit_of(event: &Value, pid: u32) -> bool {
    event["process_kprobe"]["process"]["pid"] == pid
}

/// A link in a folder that goes away with the test.
struct Link {
    folder: tempfile::TempDir,
}

impl Link {
    fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir()? })
    }

    fn path(&self) -> String {
        self.folder.path().join("link").to_string_lossy().into_owned()
    }
}

fn matching_symlink(_: &Kernel) -> Result<()> {
    let link = Link::new()?;
    let mut agent = Setup::new()?.policy(&on_symlinkat("sys-symlink-passwd", PASSWD))?.start()?;
    let ended = trigger::symlink("/etc/passwd", &link.path())?;
    ensure!(ended.errno == Some(0), "the link was not made: {ended:?}");
    let event = agent.wait_for("process_kprobe", |event| hit_of(event, ended.pid))?;
    let hit = &event["process_kprobe"];
    ensure!(hit["policy_name"] == "sys-symlink-passwd", "policy_name: {event}");
    ensure!(hit["function_name"] == "__x64_sys_symlinkat", "function_name: {event}");
    ensure!(hit["action"] == "KPROBE_ACTION_POST", "action: {event}");
    ensure!(hit["process"]["binary"] == trigger::program()?, "binary: {event}");
    ensure!(hit["parent"]["pid"] == std::process::id(), "parent: {event}");
    let arguments = serde_json::json!([
        { "string_arg": "/etc/passwd" }, { "int_arg": libc::AT_FDCWD }, { "string_arg": link.path() },
    ]);
    ensure!(hit["args"] == arguments, "args: {event}");
    agent.settle()?;
    ensure!(agent.hits_of(ended.pid).len() == 1, "the hit was reported more than once");
    agent.stop()?;
    Ok(())
}

fn other_symlink(_: &Kernel) -> Result<()> {
    let link = Link::new()?;
    let mut agent = Setup::new()?.policy(&on_symlinkat("sys-symlink-passwd", PASSWD))?.start()?;
    for (target, name) in [("/etc/hostname", "a"), ("/etc/passwd2", "b"), ("wd", "c")] {
        let ended = trigger::symlink(target, &format!("{}-{name}", link.path()))?;
        ensure!(ended.errno == Some(0), "the link was not made: {ended:?}");
        agent.settle()?;
        ensure!(agent.hits_of(ended.pid).is_empty(), "{target} was reported");
    }
    agent.stop()?;
    Ok(())
}

fn first_selector(_: &Kernel) -> Result<()> {
    let selectors = "    - matchArgs:
      - { index: 0, operator: Equal, values: [/first] }
    - matchArgs:
      - { index: 0, operator: Prefix, values: [/fi, /second] }
      matchActions:
      - action: Sigkill
";
    let link = Link::new()?;
    let mut agent = Setup::new()?.policy(&on_symlinkat("two-selectors", selectors))?.start()?;
    let first = trigger::symlink("/first", &link.path())?;
    let second = trigger::symlink("/second", &link.path())?;
    for ended in [&first, &second] {
        agent.wait_for("process_kprobe", |event| hit_of(event, ended.pid))?;
    }
    ensure!(first.signal().is_none(), "the first selector posts, but: {first:?}");
    ensure!(second.signal() == Some(libc::SIGKILL), "the second selector kills, but: {second:?}");
    agent.stop()?;
    Ok(())
}

fn match_pids(_: &Kernel) -> Result<()> {
    let link = Link::new()?;
    let mut wanted = trigger::Waiting::symlink("/etc/passwd", &link.path())?;
    let mut other = trigger::Waiting::symlink("/etc/passwd", &format!("{}-2", link.path()))?;
    let selectors = format!("    - matchPIDs:\n      - {{ operator: In, values: [{}] }}\n", wanted.pid());
    let mut agent = Setup::new()?.policy(&on_symlinkat("by-pid", &selectors))?.start()?;
    other.go()?;
    wanted.go()?;
    agent.wait_for("process_kprobe", |event| hit_of(event, wanted.pid()))?;
    agent.settle()?;
    ensure!(agent.hits_of(other.pid()).is_empty(), "a process with another id was reported");
    wanted.end()?;
    other.end()?;
    agent.stop()?;
    Ok(())
}

fn match_binaries(_: &Kernel) -> Result<()> {
    let program = trigger::program()?;
    let link = Link::new()?;
    for (operator, path, expected) in [
        ("In", program.as_str(), true),
        ("In", "/no/such/program", false),
        ("NotIn", program.as_str(), false),
        ("NotIn", "/no/such/program", true),
    ] {
        let selectors =
            format!("    - matchBinaries:\n      - {{ operator: {operator}, values: [{path}] }}\n");
        let mut agent = Setup::new()?.policy(&on_symlinkat("by-binary", &selectors))?.start()?;
        let ended = trigger::symlink("/etc/hostname", &link.path())?;
        agent.settle()?;
        let reported = !agent.hits_of(ended.pid).is_empty();
        ensure!(reported == expected, "{operator} {path}: reported is {reported}");
        agent.stop()?;
    }
    Ok(())
}

fn two_policies(_: &Kernel) -> Result<()> {
    let link = Link::new()?;
    let setup = Setup::new()?.policy(&on_symlinkat("one", PASSWD))?.policy(&on_symlinkat("two", PASSWD))?;
    let mut agent = setup.start()?;
    let ended = trigger::symlink("/etc/passwd", &link.path())?;
    for name in ["one", "two"] {
        agent.wait_for(name, |event| {
            hit_of(event, ended.pid) && event["process_kprobe"]["policy_name"] == name
        })?;
    }
    agent.stop()?;
    Ok(())
}

fn function_with_file(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let wanted = folder.path().join("wanted");
    let other = folder.path().join("other");
    for path in [&wanted, &other] {
        std::fs::write(path, "text").context("cannot write")?;
    }
    let (wanted, other) = (wanted.to_string_lossy().into_owned(), other.to_string_lossy().into_owned());
    let selectors =
        format!("    - matchArgs:\n      - {{ index: 1, operator: Equal, values: ['{wanted}'] }}\n");
    let mut agent = Setup::new()?.policy(&on_file("open-wanted", "fd_install", 1, &selectors))?.start()?;
    let missed = trigger::open(&other)?;
    let ended = trigger::open(&wanted)?;
    let event = agent.wait_for("process_kprobe", |event| hit_of(event, ended.pid))?;
    let hit = &event["process_kprobe"];
    ensure!(hit["function_name"] == "fd_install", "function_name: {event}");
    ensure!(hit["args"][0]["file_arg"]["path"] == wanted, "path: {event}");
    ensure!(hit["args"][0]["file_arg"]["permission"] == "-rw-r--r--", "permission: {event}");
    agent.settle()?;
    ensure!(agent.hits_of(missed.pid).is_empty(), "another file was reported");
    agent.stop()?;
    Ok(())
}
