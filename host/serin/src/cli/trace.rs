//! Arguments of what writes and reads traces.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::AgentArguments;
use crate::client::Output;

#[derive(Debug, Args)]
pub(crate) struct RecordArguments {
    /// The file to write, which must not be there yet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// End after so long, like 10m; by default, on SIGINT or SIGTERM
    #[arg(long = "for", value_name = "DURATION", value_parser = serin_config::duration)]
    pub time: Option<Duration>,
    /// End before the file is larger than this
    #[arg(long, value_name = "SIZE", value_parser = serin_config::size, default_value = "64MiB")]
    pub max_size: u64,
    #[command(flatten)]
    pub agent: AgentArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// A trace, as `serin record` writes it and `serin run` prints events; `-` for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A pipeline file, whose plugins the events are to pass; its sinks get nothing
    #[arg(long, value_name = "FILE")]
    pub pipeline: Option<PathBuf>,
    /// Carry out what the plugins ask for, by HTTP and DNS, instead of only showing it
    #[arg(long, requires = "pipeline")]
    pub fire: bool,
    /// How to print the events
    #[arg(long, short, value_enum, default_value = "json")]
    pub output: Output,
}
