//! The serin agent: wires the parts together and gives them a command line.
//!
//! ```text
//! main     start ─▶ wait for a signal ─▶ detach ─▶ let the others drain ─▶ counters
//! reader   ring buffer ─▶ records ─▶ process cache ─▶ events ─▶ backlog; canaries of policies
//! worker   backlog ─▶ plugins ─▶ sinks; canaries of plugins, results of canaries
//! canary   HTTP and DNS
//! ```

mod backlog;
mod cli;
mod hooks;
mod policies;
mod reader;
mod run;
mod sensor;
mod summary;
mod worker;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use serin_kernel::Kernel;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, KernelArguments, PolicyCommand};

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr();
    match dispatch(&cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &Command) -> Result<()> {
    match command {
        Command::Run(arguments) => run::run(arguments),
        Command::Policy(PolicyCommand::Check { policies, btf }) => policies::check(policies, btf),
        Command::Probe(arguments) => probe(arguments),
        Command::Version => {
            println!("serin {}, plugin interface {}", env!("CARGO_PKG_VERSION"), serin_pipeline::WIT_VERSION);
            Ok(())
        }
    }
}

/// Events own stdout; everything said to a human goes to stderr. `SERIN_LOG` chooses how much, like `RUST_LOG`.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("SERIN_LOG").unwrap_or_else(|_| EnvFilter::new("warn,serin=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
}

fn probe(arguments: &KernelArguments) -> Result<()> {
    let kernel = Kernel::open(&arguments.config())?;
    print!("{}", kernel.probe());
    Ok(())
}
