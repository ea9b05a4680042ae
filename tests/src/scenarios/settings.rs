//! Flags, the environment and a configuration file.

use std::fs;

use anyhow::{Result, ensure};
use rustix::process::Signal;

use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("settings::an_agent_runs_by_its_file_alone", by_file),
        scenario("settings::without_a_pipeline_events_are_printed", without_a_pipeline),
        scenario("settings::mistakes_in_the_file_are_told_with_their_place", mistakes),
    ]
}

/// What an agent of a test prints as its settings, given back to it as its file.
fn by_file(_: &Kernel) -> Result<()> {
    let setup = Setup::new()?.policy(&on_symlinkat("links", PASSWD))?;
    let printed = setup.command().arg("--print-config").output()?;
    let text = String::from_utf8_lossy(&printed.stdout).into_owned();
    ensure!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    ensure!(text.contains("  # --pipeline\n") && text.contains("  # default\n"), "{text}");
    let path = setup.path("serin.yaml");
    fs::write(&path, &text)?;
    let mut command = std::process::Command::new(crate::root().join("target/release/serin"));
    command.args(["run", "--print-config", "--config"]).arg(&path).env("SERIN_CACHE", "/elsewhere");
    let again = String::from_utf8(command.output()?.stdout)?;
    ensure!(again.contains("cache: \"/elsewhere\"  # SERIN_CACHE\n"), "{again}");
    ensure!(again.contains(&format!("  # {}\n", path.display())), "{again}");
    let agent = setup.by_file(&path).start()?;
    ensure!(agent.api()?.only()?.name == "links");
    agent.stop()?;
    Ok(())
}

fn without_a_pipeline(_: &Kernel) -> Result<()> {
    let setup = Setup::new()?.policy(&on_symlinkat("links", PASSWD))?;
    let printed = String::from_utf8(setup.command().arg("--print-config").output()?.stdout)?;
    let lines = printed.lines().filter(|line| !line.starts_with("  pipeline:"));
    let path = setup.path("serin.yaml");
    fs::write(&path, lines.map(|line| format!("{line}\n")).collect::<String>())?;
    let mut agent = setup.by_file(&path).start()?;
    let pid = trigger::symlink("/etc/passwd", "")?.pid;
    agent.wait_for("the link", |event| event["process_kprobe"]["process"]["pid"] == pid)?;
    agent.signal(Signal::HUP)?;
    agent.stop()?;
    Ok(())
}

fn mistakes(_: &Kernel) -> Result<()> {
    let setup = Setup::new()?;
    let path = setup.path("serin.yaml");
    fs::write(&path, "apiVersion: serin.dev/v1alpha1\nkind: Agent\nspec:\n  cach: /x\n")?;
    let log = setup.arguments(["--config".to_owned(), path.display().to_string()]).refusal()?;
    ensure!(log.contains(&format!("{}:4:3: spec: unknown key `cach`", path.display())), "{log}");
    Ok(())
}
