//! `cargo xtask`: everything a developer does with this repository.

mod bench;
mod build;
mod conformance;
mod examples;
mod guest;
mod in_kernels;
mod layout;
mod lint;
mod packages;
mod report;
mod run;
mod step;
mod test;
mod toolchain;
mod vm;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, runs, tests and measures serin.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set up what is missing, build everything, start the agent on this machine
    Run {
        /// Arguments for `serin run`; by default the policies in policies/ and the demo pipeline
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Set up what is missing, build everything, run every test
    Test {
        /// Parts to run; all of them if none is named
        parts: Vec<test::Part>,
        /// Arguments for the end-to-end tests: a filter, --list, …
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Set up what is missing and build the kernel programs, the plugins and the agent
    Build,
    /// Check formatting, lints, licences and sources of dependencies
    Lint,
    /// Boot a kernel in qemu and run a command in it; the exit status is the command's, 124 for a time-out, 125 for a panic
    Vm {
        #[command(subcommand)]
        action: Option<VmAction>,
        /// debian-6.1, debian-6.12, debian-6.18, slim (with error injection), or the path of a vmlinux or bzImage
        #[arg(long, default_value = "debian-6.12")]
        kernel: String,
        /// MiB of memory
        #[arg(long, default_value_t = 1024)]
        memory: u32,
        /// Virtual CPUs
        #[arg(long, default_value_t = 2)]
        cpus: u32,
        /// Seconds until the machine is stopped
        #[arg(long, default_value_t = 300)]
        timeout: u64,
        /// One guest instruction takes one nanosecond of guest time; use with --cpus 1
        #[arg(long)]
        count_instructions: bool,
        /// Run with what is built already
        #[arg(long)]
        no_build: bool,
        /// A folder to take along: the guest has its files in /folder
        #[arg(long)]
        folder: Option<PathBuf>,
        /// The command and its arguments
        #[arg(last = true)]
        guest_command: Vec<String>,
    },
    /// Load each policy of a folder on this machine and in the test kernels, and print how far it gets
    Conformance {
        /// The folder; its *.yaml files are policies
        folder: PathBuf,
    },
    /// Measure what docs/benchmarks.md reports
    Bench,
}

#[derive(Subcommand)]
enum VmAction {
    /// Compile the small kernel with error injection that some tests need
    Kernel,
}

fn main() -> ExitCode {
    match dispatch(Arguments::parse().command) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Run { arguments } => run::agent(&arguments),
        Command::Test { parts, arguments } => test::all(&parts, &arguments).map(success),
        Command::Build => build::all().map(|()| ExitCode::SUCCESS),
        Command::Lint => lint::all().map(success),
        Command::Conformance { folder } => conformance::all(&folder).map(|()| ExitCode::SUCCESS),
        Command::Bench => bench::all().map(|()| ExitCode::SUCCESS),
        Command::Vm { action: Some(VmAction::Kernel), .. } => {
            let kernel = vm::Kernel::build_error_injection()?;
            println!("{}", kernel.vmlinux.display());
            Ok(ExitCode::SUCCESS)
        }
        Command::Vm {
            action: None,
            kernel,
            memory,
            cpus,
            timeout,
            count_instructions,
            no_build,
            folder,
            guest_command,
        } => {
            let machine =
                vm::Machine { memory, cpus, timeout: Duration::from_secs(timeout), count_instructions };
            if !no_build {
                build::all()?;
                build::end_to_end_tests()?;
            }
            vm::command(&kernel, &machine, folder.as_deref(), &guest_command).map(ExitCode::from)
        }
    }
}

fn success(all_well: bool) -> ExitCode {
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
