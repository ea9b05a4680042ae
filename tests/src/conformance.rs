//! Policies of others: how far each gets on the kernel this runs on.
//!
//! Every file of a folder is given to `serin policy check` and then to an
//! agent of its own. Nothing is expected of a policy beforehand: the table
//! says how far it got, and if not to the end, the agent's own reason.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::agent::{READY, Setup};

/// How far a policy got.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// The agent runs with it; the ways in which its hooks are attached.
    Attached(String),
    /// It names a function that this kernel lacks.
    NoSymbol(String),
    /// It is valid, but the agent refused to start with it.
    Checked(String),
    /// It was refused when it was read.
    Refused(String),
}

impl fmt::Display for Stage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stage, detail) = match self {
            Self::Attached(ways) => ("attached", ways),
            Self::NoSymbol(reason) => ("no symbol", reason),
            Self::Checked(reason) => ("checked", reason),
            Self::Refused(reason) => ("refused", reason),
        };
        write!(out, "{stage}: {detail}")
    }
}

impl Stage {
    fn name(&self) -> &'static str {
        match self {
            Self::Attached(_) => "attached",
            Self::NoSymbol(_) => "name what this kernel lacks",
            Self::Checked(_) => "are valid, but not attached",
            Self::Refused(_) => "refused",
        }
    }
}

/// Prints a line for each policy file of a folder, and how many got how far.
pub(crate) fn run(folder: Option<&str>) -> ExitCode {
    match folder.context("which folder?").and_then(|folder| all(Path::new(folder))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn all(folder: &Path) -> Result<()> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"))
        .collect();
    files.sort();
    ensure!(!files.is_empty(), "{} has no policy files", folder.display());
    let mut counts = BTreeMap::new();
    for file in &files {
        let stage = judge(file)?;
        println!("{}  {stage}", file.file_name().unwrap_or_default().display());
        *counts.entry(stage.name()).or_insert(0) += 1;
    }
    let counts: Vec<String> = counts.into_iter().map(|(stage, count)| format!("{count} {stage}")).collect();
    println!("# of {} policies: {}", files.len(), counts.join(", "));
    Ok(())
}

fn judge(file: &Path) -> Result<Stage> {
    let agent = crate::root().join("target/release/serin");
    let check = Command::new(agent).args(["policy", "check"]).arg(file).output()?;
    if !check.status.success() {
        let reason = first_error(&String::from_utf8_lossy(&check.stderr));
        let lacks = ["this kernel has no ", "unknown function", "is not in this kernel"];
        return Ok(match lacks.iter().any(|text| reason.contains(text)) {
            true => Stage::NoSymbol(reason),
            false => Stage::Refused(reason),
        });
    }
    start(&std::fs::read_to_string(file)?)
}

/// Starts an agent with the policy, and ends it once it is ready.
fn start(policy: &str) -> Result<Stage> {
    let setup = Setup::new()?.policy(policy)?;
    // No containers are described, but those who select them are not refused for that.
    let containers = setup.path("containers");
    std::fs::create_dir(&containers)?;
    let setup = setup.arguments(["--containers", &containers.to_string_lossy()]);
    let mut command = setup.command();
    let mut child = command.stdout(Stdio::null()).spawn().context("cannot start the agent")?;
    let mut log = String::new();
    let mut ways = BTreeMap::new();
    for line in BufReader::new(child.stderr.take().context("no standard error")?).lines() {
        let line = line?;
        if let Some((_, way)) = line.split_once(" attached by ") {
            *ways.entry(way.to_owned()).or_insert(0) += 1;
        }
        if line.contains(READY) {
            end(&child)?;
        }
        log.push_str(&line);
        log.push('\n');
    }
    let status = child.wait()?;
    if log.contains(READY) {
        ensure!(status.success(), "the agent ended with {status}; it said:\n{log}");
        let ways: Vec<String> = ways.into_iter().map(|(way, count)| format!("{way} x{count}")).collect();
        return Ok(Stage::Attached(ways.join(", ")));
    }
    Ok(Stage::Checked(first_error(&log)))
}

fn end(child: &Child) -> Result<()> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
    Ok(kill_process(pid, Signal::INT)?)
}

/// The first error without the file's name, and the help that comes with it.
fn first_error(text: &str) -> String {
    let message = text.lines().find_map(|line| line.split_once("error: ")).map_or(text, |(_, rest)| rest);
    let message = message.split_once(".yaml:").map_or(message, |(_, rest)| rest);
    match text.lines().find_map(|line| line.split_once("= help: ")) {
        Some((_, help)) => format!("{}; {}", message.trim(), help.trim()),
        None => message.trim().to_owned(),
    }
}
