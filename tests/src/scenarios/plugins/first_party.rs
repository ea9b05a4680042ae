//! What the first-party plugins say.

use anyhow::{Result, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{annotation, pipeline, plugin};
use crate::agent::Setup;
use crate::cgroup::Cgroup;
use crate::kernel::Kernel;
use crate::trigger;

/// The name of a container, as runtimes make them.
const CONTAINER: &str = "5e51a11d5e51a11d5e51a11d5e51a11d5e51a11d5e51a11d5e51a11d5e51a11d";

pub(super) fn container_enrich(_: &Kernel) -> Result<()> {
    let cgroup = Cgroup::new(&format!("docker-{CONTAINER}.scope"))?;
    let mut agent = Setup::new()?.pipeline(&pipeline(&plugin("container-enrich", "")))?.start()?;
    let outside = trigger::exit(0, &["outside"])?;
    let inside = trigger::Waiting::in_cgroup(&cgroup.path)?;
    let program = trigger::program()?;
    let exec_of = |event: &Value, pid: u32| {
        let process = &event["process_exec"]["process"];
        // The process was a shell before, outside the container.
        process["pid"] == pid && process["binary"] == program
    };
    let event = agent.wait_for("process_exec", |event| exec_of(event, inside.pid()))?;
    ensure!(annotation(&event, "container-enrich", "container.id") == Some(CONTAINER), "id: {event}");
    ensure!(
        annotation(&event, "container-enrich", "container.runtime") == Some("docker"),
        "runtime: {event}"
    );
    let event = agent.wait_for("process_exec", |event| exec_of(event, outside.pid))?;
    ensure!(annotation(&event, "container-enrich", "container.id").is_none(), "not in a container: {event}");
    inside.end()?;
    agent.stop()?;
    Ok(())
}

/// This program starts copies of itself: it is above each of them, and new once.
pub(super) fn process_tree(_: &Kernel) -> Result<()> {
    let entry = plugin("process-tree", "      config: { first_seen: true }\n");
    let mut agent = Setup::new()?.pipeline(&pipeline(&entry))?.start()?;
    let program = trigger::program()?;
    for is_new in [true, false] {
        let ended = trigger::exit(0, &[])?;
        let is_it = |event: &Value| event["process_exec"]["process"]["pid"] == ended.pid;
        let exec = agent.wait_for("process_exec", is_it)?;
        let ancestors = annotation(&exec, "process-tree", "process.ancestors").unwrap_or_default();
        ensure!(ancestors.split(" < ").next() == Some(&*program), "{program} is not the first: {exec}");
        let first_seen = annotation(&exec, "process-tree", "process.first_seen");
        ensure!(first_seen == is_new.then_some(&*program), "new is not {is_new}: {exec}");
    }
    agent.stop()?;
    Ok(())
}

/// The names are those of a file that only the pipeline knows of.
pub(super) fn user_enrich(_: &Kernel) -> Result<()> {
    let setup = Setup::new()?.file("passwd", b"tester:x:0:0::/:/bin/sh\n")?;
    let passwd = setup.path("passwd").canonicalize()?;
    let passwd = passwd.display();
    let further = format!("      config: {{ passwd: {passwd} }}\n      grants: {{ file: ['{passwd}'] }}\n");
    let mut agent = setup.pipeline(&pipeline(&plugin("user-enrich", &further)))?.start()?;
    let ended = trigger::exit(0, &[])?;
    let event =
        agent.wait_for("process_exec", |event| event["process_exec"]["process"]["pid"] == ended.pid)?;
    ensure!(annotation(&event, "user-enrich", "user.name") == Some("tester"), "another name: {event}");
    agent.stop()?;
    Ok(())
}

/// The digest of this program, which is the trigger's; it may take a while to be made.
pub(super) fn hash_enrich(_: &Kernel) -> Result<()> {
    let entry = plugin("hash-enrich", "      grants: { hash: { wait: 50ms, maxSize: 1GiB } }\n");
    let mut agent = Setup::new()?.pipeline(&pipeline(&entry))?.start()?;
    let digest = Sha256::digest(std::fs::read(trigger::program()?)?);
    let expected: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    loop {
        let ended = trigger::exit(0, &[])?;
        let is_it = |event: &Value| {
            let process = &event["process_exec"]["process"];
            process["pid"] == ended.pid
                && process["arguments"].as_str().is_some_and(|a| a.starts_with("trigger"))
        };
        let event = agent.wait_for("process_exec", is_it)?;
        match annotation(&event, "hash-enrich", "process.sha256") {
            Some(found) => {
                ensure!(found == expected, "not {expected}: {event}");
                break;
            }
            None => {
                let reason = annotation(&event, "hash-enrich", "process.sha256_missing");
                ensure!(reason == Some("pending"), "no digest: {event}");
            }
        }
    }
    agent.stop()?;
    Ok(())
}

/// Neither the exec nor the exit of a process tells its password, and both say that something was masked.
pub(super) fn redact(_: &Kernel) -> Result<()> {
    let entry = plugin("redact", "      grants: { redact: true }\n      onFailure: drop\n");
    let mut agent = Setup::new()?.pipeline(&pipeline(&entry))?.start()?;
    let ended = trigger::exit(0, &["--password=hunter2"])?;
    for kind in ["process_exec", "process_exit"] {
        let is_it = |event: &Value| {
            let arguments = event[kind]["process"]["arguments"].as_str().unwrap_or_default();
            event[kind]["process"]["pid"] == ended.pid && arguments.contains("--password=")
        };
        let event = agent.wait_for(kind, is_it)?;
        let arguments = event[kind]["process"]["arguments"].as_str().unwrap_or_default();
        ensure!(arguments.contains("--password=[redacted]"), "not masked: {event}");
        ensure!(!event.to_string().contains("hunter2"), "it tells: {event}");
        let mark = annotation(&event, "redact", "redacted").unwrap_or_default();
        ensure!(mark.starts_with("process.arguments["), "not marked: {event}");
    }
    agent.stop()?;
    Ok(())
}
