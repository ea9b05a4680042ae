//! The serin agent: wires the parts together and gives them a command line.
//!
//! ```text
//! main     start ─▶ wait for a signal ─▶ detach ─▶ let the others drain ─▶ counters
//! reader   ring buffer ─▶ records ─▶ process cache ─▶ events ─▶ backlog; canaries of policies
//! worker   backlog ─▶ plugins ─▶ sinks; canaries of plugins, results of canaries
//! canary   HTTP and DNS
//! api      clients: events, and policies that come and go
//! ```

mod backlog;
mod batch_trace;
mod canary_trace;
mod census;
mod check;
mod cli;
mod client;
mod containers;
mod counts;
mod ended_calls;
mod heap;
mod hooks;
mod inspect;
mod live;
mod log;
mod node;
mod notify;
mod observe;
mod plugin;
mod policies;
mod reader;
#[cfg(test)]
mod reference;
mod rehearsal;
mod reload;
mod replay;
mod run;
mod sensor;
mod settings;
mod summary;
mod table;
mod trace;
mod worker;

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory as _;

use crate::cli::{Cli, Command, NamedPolicies, PolicyCommand};
use crate::log::Log;
use crate::policies::KernelFiles;

fn main() -> ExitCode {
    let cli = settings::parse();
    let log = Log::start();
    match cli.and_then(|cli| dispatch(&cli.command, log)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &Command, log: Log) -> Result<()> {
    match command {
        Command::Run(arguments) => run::run(arguments, log),
        Command::Policy(command) => policy(command),
        Command::Plugin(command) => plugin::dispatch(command),
        Command::Events(arguments) => client::events(&arguments.agent.address(), arguments.following()),
        Command::Record(arguments) => client::record(arguments),
        Command::Replay(arguments) => replay::replay(arguments),
        Command::Status(arguments) => observe::client::status(arguments),
        Command::LogLevel(arguments) => client::log_level(&arguments.agent.address(), arguments.level),
        Command::Probe(arguments) => inspect::probe(arguments),
        Command::Doctor(arguments) => inspect::doctor(arguments),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "serin", &mut text);
            print(&String::from_utf8_lossy(&text))
        }
        Command::Man => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut text)?;
            print(&String::from_utf8_lossy(&text))
        }
        Command::Version => {
            println!("serin {}, plugin interface {}", env!("CARGO_PKG_VERSION"), serin_pipeline::WIT_VERSION);
            Ok(())
        }
    }
}

fn policy(command: &PolicyCommand) -> Result<()> {
    let configure = |policies: &NamedPolicies, enable, mode| {
        client::configure(&policies.agent.address(), &policies.names, enable, mode)
    };
    match command {
        PolicyCommand::Check { policies, btf, tracefs, agent } => match agent.address() {
            None => policies::check(policies, btf, tracefs.as_deref()),
            Some(address) => client::check(&address, policies),
        },
        PolicyCommand::Test { policies, events, btf, tracefs } => {
            let kernel = KernelFiles::open(btf, tracefs.as_deref())?;
            while_read(rehearsal::rehearse(policies, events, &kernel, &mut io::stdout().lock()))
        }
        PolicyCommand::Schema => print(&format!("{:#}\n", serin_policy::json_schema())),
        PolicyCommand::Explain { field } => {
            print(&format!("{}\n", serin_policy::explain(field).map_err(anyhow::Error::msg)?))
        }
        PolicyCommand::Add { files, replace, agent } => client::add(&agent.address(), files, *replace),
        PolicyCommand::Delete(policies) => client::delete(&policies.agent.address(), &policies.names),
        PolicyCommand::Enable(policies) => configure(policies, Some(true), None),
        PolicyCommand::Disable(policies) => configure(policies, Some(false), None),
        PolicyCommand::SetMode { mode, policies } => configure(policies, None, Some((*mode).into())),
        PolicyCommand::List { json, selectors, agent } => client::list(&agent.address(), *json, *selectors),
    }
}

fn print(text: &str) -> Result<()> {
    while_read(io::stdout().write_all(text.as_bytes()).map_err(Into::into))
}

/// Whoever reads standard output may go away before the end.
fn while_read(printed: Result<()>) -> Result<()> {
    let is_unread = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    match printed {
        Err(error) if error.downcast_ref().is_some_and(is_unread) => Ok(()),
        printed => printed,
    }
}
