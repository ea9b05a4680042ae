//! Files that are mapped to be executed: `spec.loader`.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use rustix::process::Signal;
use serde_json::Value;

use super::losses::count;
use super::uprobes::c_library;
use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::trigger::{self, Waiting};

/// More files than the buffer of a CPU holds.
const MAPPED: u64 = 20_000;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("loaders::mapped_files_have_their_build_ids", mapped),
        scenario("loaders::files_are_told_of_or_counted", invariant),
        scenario("loaders::they_come_and_go_with_their_policies", live),
        scenario("loaders::a_cpu_that_comes_online_is_watched", hotplug).needs(can_switch_cpus),
        scenario("loaders::another_pid_namespace_is_refused", namespace),
    ]
}

fn policy(name: &str) -> String {
    format!(
        "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {{name: {name}}}\nspec: {{loader: true}}\n"
    )
}

fn agent() -> Result<Agent> {
    Setup::new()?.policy(&policy("loader"))?.start()
}

/// The build ID that is written in an ELF file, in hexadecimal digits.
fn build_id(path: &str) -> Result<String> {
    use object::Object as _;
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {path}"))?;
    let file = object::File::parse(&*bytes)?;
    let id = file.build_id()?.unwrap_or_default();
    Ok(id.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// That of an event.
fn told_id(event: &Value) -> Result<String> {
    let text = event["process_loader"]["buildid"].as_str().unwrap_or_default();
    let id = base64::engine::general_purpose::STANDARD.decode(text)?;
    Ok(id.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn is_of(event: &Value, pid: u32) -> bool {
    event["process_loader"]["process"]["pid"] == pid
}

fn maps(event: &Value, pid: u32, path: &str) -> bool {
    is_of(event, pid) && event["process_loader"]["path"] == path
}

/// The program, and a library: both belong to the program, though the first is mapped before its exec is told.
fn mapped(_: &Kernel) -> Result<()> {
    let mut agent = agent()?;
    let ended = trigger::symlink("/etc/hostname", "")?;
    let (program, library) = (trigger::program()?, c_library()?);
    for path in [program.clone(), library] {
        let path = path.as_str();
        let event = agent.wait_for(path, |event| maps(event, ended.pid, path))?;
        let loader = &event["process_loader"];
        let (told, written) = (told_id(&event)?, build_id(path)?);
        ensure!(told == written, "{path} has the build ID `{written}`, and told was `{told}`: {event}");
        ensure!(loader["process"]["binary"] == program.as_str(), "not of the new program: {event}");
        ensure!(loader["parent"]["pid"] == std::process::id(), "not its parent: {event}");
    }
    agent.settle()?;
    let program_maps = agent.events.iter().filter(|event| maps(event, ended.pid, &program)).count();
    ensure!(program_maps == 1, "the program was mapped once and told of {program_maps} times");
    agent.stop()?;
    Ok(())
}

/// An agent that is stopped can't read, so the buffer fills up and the rest is lost.
fn invariant(_: &Kernel) -> Result<()> {
    let mut agent = agent()?;
    let mut mapping = Waiting::mapping(MAPPED)?;
    agent.settle()?;
    agent.signal(Signal::STOP)?;
    mapping.go()?;
    agent.signal(Signal::CONT)?;
    let (pid, program) = (mapping.pid(), trigger::program()?);
    let (mut told, mut lost, mut looked_at) = (0, 0, 0);
    agent.wait_until(|agent| {
        for event in &agent.events[looked_at..] {
            told += u64::from(maps(event, pid, &program));
            lost += count(event);
        }
        looked_at = agent.events.len();
        told + lost >= MAPPED
    })?;
    ensure!(lost > 0, "nothing was lost, so this has shown nothing: map more than {MAPPED} files");
    // That the program itself was mapped is told as well.
    ensure!(told <= MAPPED + 1, "{told} events for {MAPPED} files");
    let status: Value = serde_json::from_str(&agent.status(&["--json"])?)?;
    let hook = &status["policies"][0]["hooks"][0];
    let (hits, posted) = (hook["hits"].as_u64(), hook["posted"].as_u64());
    ensure!(hook["lost"].as_u64().is_some_and(|counted| counted > 0), "no loss is counted: {hook}");
    ensure!(hits > Some(MAPPED) && posted >= Some(told), "hits are not counted: {hook}");
    mapping.end()?;
    agent.stop()?;
    Ok(())
}

/// The last CPU, and the file that says whether it is online.
fn switch() -> Result<(usize, PathBuf)> {
    let cpu = std::thread::available_parallelism()?.get() - 1;
    ensure!(cpu > 0, "there is but one CPU");
    let switch = PathBuf::from(format!("/sys/devices/system/cpu/cpu{cpu}/online"));
    ensure!(switch.is_file(), "{} is missing: this kernel cannot switch CPUs off", switch.display());
    Ok((cpu, switch))
}

/// In guests alone: elsewhere others want the CPU.
fn can_switch_cpus(_: &Kernel) -> Result<(), String> {
    match std::env::var_os("SERIN_GUEST") {
        Some(_) => switch().map(drop).map_err(|error| error.to_string()),
        None => Err("it switches a CPU off, so it runs in guests only".into()),
    }
}

/// A CPU that is offline, until this is dropped.
struct Offline(PathBuf);

impl Drop for Offline {
    fn drop(&mut self) {
        // A scenario after this that needs the CPU fails for itself.
        let _ = std::fs::write(&self.0, "1");
    }
}

fn hotplug(_: &Kernel) -> Result<()> {
    let (cpu, switch) = switch()?;
    std::fs::write(&switch, "0").context("cannot switch the CPU off")?;
    let offline = Offline(switch);
    let mut agent = agent()?;
    drop(offline);
    agent.wait_for_log("has come online: files that are mapped there are told of")?;
    let (ended, program) = (trigger::on_cpu(cpu)?, trigger::program()?);
    agent.wait_for("the program on that CPU", |event| maps(event, ended.pid, &program))?;
    agent.stop()?;
    Ok(())
}

fn live(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.start()?;
    let mut api = agent.api()?;
    api.add(&policy("first"))?;
    api.add(&policy("second"))?;
    let ended = trigger::symlink("/etc/hostname", "")?;
    let library = c_library()?;
    agent.wait_for(&library, |event| maps(event, ended.pid, &library))?;
    api.delete("first")?;
    let ended = trigger::symlink("/etc/hostname", "")?;
    agent.wait_for(&library, |event| maps(event, ended.pid, &library))?;
    agent.settle()?;
    let times = agent.events.iter().filter(|event| maps(event, ended.pid, &library)).count();
    ensure!(times == 1, "one file is told of {times} times");
    api.delete("second")?;
    let ended = trigger::symlink("/etc/hostname", "")?;
    agent.settle()?;
    ensure!(!agent.events.iter().any(|event| is_of(event, ended.pid)), "told of with no policy left");
    agent.stop()?;
    Ok(())
}

/// The kernel tells processes of other namespaces no ids that mean anything to them.
fn namespace(_: &Kernel) -> Result<()> {
    let setup = Setup::new()?.policy(&policy("loader"))?.in_pid_namespace();
    let refusal = setup.refusal()?;
    ensure!(refusal.contains("pid namespace of its own"), "the reason is not told: {refusal}");
    Ok(())
}
