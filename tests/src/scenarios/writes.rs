//! Writes: what a policy forbids does not reach the file.

use anyhow::{Result, ensure};

use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("writes::the_shipped_policy_blocks_and_kills", block_and_kill).needs(Kernel::enforcement),
        scenario("writes::a_refused_write_leaves_reading_alone", refuse).needs(Kernel::enforcement),
        scenario("writes::a_closed_descriptor_is_not_enforced_on", closed),
    ]
}

/// Ways of writing, each by a system call of its own.
const WAYS: [(&str, &str); 3] = [("write", "write"), ("pwrite64", "pwrite"), ("writev", "writev")];

fn shipped(protected: &str) -> Result<String> {
    let path = crate::root().join("policies/enforce/sys-write-passwd-block.yaml");
    Ok(std::fs::read_to_string(path)?.replace("/etc/passwd", protected))
}

fn block_and_kill(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (protected, other) = (path("protected"), path("other"));
    for path in [&protected, &other] {
        std::fs::write(path, "text")?;
    }
    std::fs::hard_link(&other, path("link"))?;
    std::os::unix::fs::symlink(&protected, path("symlink"))?;
    let mut agent = Setup::new()?.policy(&shipped(&protected)?)?.start()?;
    for (call, way) in WAYS {
        for name in [&protected, &path("symlink")] {
            let ended = trigger::write_by(way, name)?;
            ensure!(ended.signal() == Some(libc::SIGKILL), "{call} to {name}: not killed: {ended:?}");
            let event = agent
                .wait_for("process_kprobe", |event| event["process_kprobe"]["process"]["pid"] == ended.pid)?;
            let hit = &event["process_kprobe"];
            ensure!(hit["function_name"] == format!("__x64_sys_{call}"), "function_name: {event}");
            ensure!(hit["args"][0]["file_arg"]["path"] == protected, "path: {event}");
            ensure!(hit["action"] == "KPROBE_ACTION_SIGKILL", "action: {event}");
        }
        let ended = trigger::write_by(way, &path("link"))?;
        ensure!(ended.errno == Some(0), "{call} to another file was refused as well: {ended:?}");
    }
    ensure!(std::fs::read(&protected)? == b"text", "something was written all the same");
    agent.stop()?;
    let after = trigger::write(&protected)?;
    ensure!(after.errno == Some(0), "still forbidden after the agent has gone: {after:?}");
    Ok(())
}

fn refuse(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let protected = folder.path().join("protected").to_string_lossy().into_owned();
    std::fs::write(&protected, "text")?;
    let policy = shipped(&protected)?.replace("argError: -1", "argError: -13");
    let policy = policy.replace("      - action: Sigkill\n", "");
    let agent = Setup::new()?.policy(&policy)?.start()?;
    for (call, way) in WAYS {
        // The trigger reads the file after writing to it, and fails if it cannot.
        let ended = trigger::write_by(way, &protected)?;
        ensure!(ended.errno == Some(libc::EACCES), "{call}: expected EACCES: {ended:?}");
        ensure!(ended.status.success(), "{call}: reading was refused as well: {ended:?}");
    }
    ensure!(std::fs::read(&protected)? == b"text", "something was written all the same");
    agent.stop()?;
    Ok(())
}

fn closed(_: &Kernel) -> Result<()> {
    let policy = shipped("/no/such/file")?.replace("      - action: Override\n        argError: -1\n", "");
    let mut agent = Setup::new()?.policy(&policy)?.start()?;
    let ended = trigger::write_closed()?;
    ensure!(ended.errno == Some(libc::EBADF), "expected EBADF: {ended:?}");
    agent.settle()?;
    ensure!(agent.hits_of(ended.pid).is_empty(), "a number that is no file was reported");
    agent.stop()?;
    Ok(())
}
