//! Starts the agent on this machine.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::{build, layout, packages};

/// Builds everything, then becomes `serin run`.
pub(crate) fn agent(arguments: &[String]) -> Result<ExitCode> {
    build::all()?;
    if !packages::is_root() {
        bail!(
            "everything is built, but loading kernel programs takes root. Run: sudo {}",
            command_line(arguments)
        );
    }
    let mut command = Command::new(layout::binary("serin"));
    command.current_dir(layout::root()).arg("run").args(run_arguments(arguments));
    eprintln!("==> {}", command_line(arguments));
    let error = command.exec();
    Err(error).context("cannot start the agent")
}

fn run_arguments(arguments: &[String]) -> Vec<String> {
    if arguments.is_empty() {
        ["--policies", "policies", "--pipeline", "host/serin/pipelines/demo.yaml"].map(str::to_owned).to_vec()
    } else {
        arguments.to_vec()
    }
}

fn command_line(arguments: &[String]) -> String {
    format!("{} run {}", layout::binary("serin").display(), run_arguments(arguments).join(" "))
}
