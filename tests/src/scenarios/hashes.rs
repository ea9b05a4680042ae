//! Hashes of the files that LSM hooks are about (`imaHash`).

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::fs::FlockOperation;
use serde_json::Value;
use serin_btf::{Btf, KERNEL_BTF};

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("hashes::of_a_program_that_is_executed", executed).needs(Kernel::hashed_files),
        scenario("hashes::of_a_file_that_is_locked", locked).needs(Kernel::hashed_files),
        scenario("hashes::of_a_file_that_is_opened", opened).needs(Kernel::hashed_files),
        scenario("hashes::beside_who_refuses", refusing).needs(Kernel::hashed_files),
        scenario("hashes::at_every_hook", every_hook).needs(Kernel::hashed_files),
        scenario("hashes::without_who_computes_them", refused).needs(Kernel::no_hashed_files),
    ]
}

/// A policy on an LSM hook, whose other fields are YAML.
fn policy(hook: &str, fields: &str) -> String {
    format!(
        "apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: hashes}}
spec:
  lsmhooks:
  - hook: {hook}
{fields}"
    )
}

/// Selectors on the file in argument 0.
fn on_file(kind: &str, path: &str, action: &str) -> String {
    format!(
        "    args: [{{index: 0, type: {kind}}}]
    selectors:
    - matchArgs: [{{index: 0, operator: Equal, values: ['{path}']}}]
      matchActions: [{action}]
"
    )
}

const HASHED: &str = "{action: Post, imaHash: true}";

/// What the tool for the algorithm says of the file, in the event's words.
fn expected(event: &Value, path: &Path) -> Result<String> {
    let hash = event["process_lsm"]["ima_hash"].as_str().with_context(|| format!("no hash: {event}"))?;
    let (algorithm, _) = hash.split_once(':').with_context(|| format!("no algorithm: {hash}"))?;
    let output = Command::new(format!("{algorithm}sum")).arg(path).output()?;
    let output = String::from_utf8(output.stdout)?;
    let digits = output.split_whitespace().next().with_context(|| format!("no {algorithm}"))?;
    Ok(format!("{algorithm}:{digits}"))
}

fn hits(agent: &Agent) -> impl Iterator<Item = &Value> {
    agent.events.iter().filter(|event| !event["process_lsm"].is_null())
}

fn executed(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("program");
    std::fs::copy(trigger::program()?, &program)?;
    let path = program.to_string_lossy();
    let fields = on_file("linux_binprm", &path, HASHED);
    let mut agent = Setup::new()?.policy(&policy("bprm_check_security", &fields))?.start()?;
    // What it says does not matter.
    Command::new(&program).arg("trigger").output()?;
    let event = agent.wait_for("bprm_check_security", |event| !event["process_lsm"].is_null())?;
    let hit = &event["process_lsm"];
    ensure!(hit["args"][0]["linux_binprm_arg"]["path"] == *path, "args: {event}");
    ensure!(hit["ima_hash"] == expected(&event, &program)?, "another hash: {event}");
    agent.settle()?;
    ensure!(hits(&agent).count() == 1, "reported more than once: {:?}", agent.events);
    agent.stop()?;
    Ok(())
}

/// Locks a file for a moment; whether that was refused.
fn lock(path: &Path) -> Result<bool> {
    let file = std::fs::File::open(path)?;
    Ok(rustix::fs::flock(&file, FlockOperation::LockShared) == Err(rustix::io::Errno::ACCESS))
}

/// Waits for the event of a file.
fn event_of(agent: &mut Agent, path: &Path) -> Result<Value> {
    let path = path.to_string_lossy();
    agent.wait_for(&path, |event| event["process_lsm"]["args"][0]["file_arg"]["path"] == *path)
}

fn locked(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let [large, empty, plain] = ["large", "empty", "plain"].map(path);
    std::fs::write(&large, vec![0x5a; 3 << 20])?;
    std::fs::write(&empty, "")?;
    std::fs::write(&plain, "text")?;
    let fields = format!(
        "    args: [{{index: 0, type: file}}]
    selectors:
    - matchArgs: [{{index: 0, operator: Equal, values: ['{}']}}]
    - matchArgs: [{{index: 0, operator: Prefix, values: ['{}']}}]
      matchActions: [{HASHED}]
",
        plain.to_string_lossy(),
        folder.path().to_string_lossy()
    );
    let mut agent = Setup::new()?.policy(&policy("file_lock", &fields))?.start()?;
    for file in [&large, &empty] {
        lock(file)?;
        let event = event_of(&mut agent, file)?;
        ensure!(event["process_lsm"]["ima_hash"] == expected(&event, file)?, "another hash: {event}");
    }
    // Not asked for, and not to be had.
    for path in [plain.as_path(), folder.path()] {
        lock(path)?;
        let event = event_of(&mut agent, path)?;
        ensure!(event["process_lsm"]["ima_hash"].is_null(), "a hash: {event}");
    }
    agent.stop()?;
    Ok(())
}

/// A file that is not open yet cannot be read, and IMA has measured none of its own accord.
fn opened(_: &Kernel) -> Result<()> {
    let types = Btf::load(Path::new(KERNEL_BTF))?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("opened");
    std::fs::write(&path, "text")?;
    for (hook, is_hashed) in [("file_open", false), ("file_post_open", true)] {
        if types.function_id(&format!("bpf_lsm_{hook}")).is_none() {
            continue;
        }
        let fields = on_file("file", &path.to_string_lossy(), HASHED);
        let mut agent = Setup::new()?.policy(&policy(hook, &fields))?.start()?;
        trigger::open(&path.to_string_lossy())?;
        let event = event_of(&mut agent, &path)?;
        let hash = &event["process_lsm"]["ima_hash"];
        ensure!(hash.is_string() == is_hashed, "{hook}: {event}");
        ensure!(!is_hashed || *hash == expected(&event, &path)?, "another hash: {event}");
        agent.stop()?;
    }
    Ok(())
}

/// Of two selectors one refuses: its files are not hashed, as nothing comes after it.
fn refusing(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [hashed, refused] = ["hashed", "refused"].map(|name| folder.path().join(name));
    std::fs::write(&hashed, "one")?;
    std::fs::write(&refused, "other")?;
    let fields = format!(
        "{}    - matchArgs: [{{index: 0, operator: Equal, values: ['{}']}}]
      matchActions: [{{action: Override, argError: -13}}]
",
        on_file("file", &hashed.to_string_lossy(), HASHED),
        refused.to_string_lossy()
    );
    let mut agent = Setup::new()?.policy(&policy("file_lock", &fields))?.start()?;
    for (path, is_refused) in [(&hashed, false), (&refused, true)] {
        ensure!(lock(path)? == is_refused, "refused is not {is_refused}: {}", path.display());
        let event = event_of(&mut agent, path)?;
        ensure!(event["process_lsm"]["ima_hash"].is_string() != is_refused, "{event}");
    }
    agent.stop()?;
    Ok(())
}

fn every_hook(_: &Kernel) -> Result<()> {
    let types = Btf::load(Path::new(KERNEL_BTF))?;
    for (hook, kind) in [
        ("bprm_committed_creds", "linux_binprm"),
        ("bprm_committing_creds", "linux_binprm"),
        ("bprm_creds_for_exec", "linux_binprm"),
        ("bprm_creds_from_file", "linux_binprm"),
        ("file_ioctl", "file"),
        ("file_lock", "file"),
        ("file_post_open", "file"),
        ("file_receive", "file"),
        ("mmap_file", "file"),
    ] {
        if types.function_id(&format!("bpf_lsm_{hook}")).is_none() {
            continue;
        }
        let fields = on_file(kind, "/no/such/file", HASHED);
        let agent = Setup::new()?.policy(&policy(hook, &fields))?.start().with_context(|| hook.to_owned())?;
        agent.stop()?;
    }
    Ok(())
}

fn refused(_: &Kernel) -> Result<()> {
    let fields = on_file("file", "/etc/passwd", HASHED);
    let log = Setup::new()?.policy(&policy("file_open", &fields))?.refusal()?;
    for words in ["policy-0.yaml:6:11:", "this kernel is built without IMA"] {
        ensure!(log.contains(words), "the refusal lacks {words:?}:\n{log}");
    }
    Ok(())
}
