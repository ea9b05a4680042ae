//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use serin_kernel::KernelConfig;

use crate::observe::Endpoint;
use crate::plugin::PluginCommand;

/// Where an agent shows metrics, health and status, if it is not told otherwise.
const DEFAULT_METRICS: &str = "unix:/run/serin/metrics.sock";

/// Turns kernel activity into decisions.
#[derive(Debug, Parser)]
#[command(name = "serin", version, about, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load policies into the kernel and stream events until SIGINT or SIGTERM
    Run(RunArguments),
    /// Work with policy files
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print what a running agent has loaded, and what it has done
    Status(StatusArguments),
    /// Write, test and look at plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Print what this kernel offers
    Probe(KernelArguments),
    /// Print what this host lacks, and how to get it
    Doctor(KernelArguments),
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Print the version
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Policy files, and directories whose *.yaml and *.yml files are policies; without any, processes are all that is seen
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub policies: Vec<PathBuf>,
    /// The pipeline file: plugins, canaries and sinks
    #[arg(long, value_name = "FILE")]
    pub pipeline: PathBuf,
    /// Where compiled plugins are kept from one start to the next
    #[arg(long, value_name = "DIR", default_value = "/var/cache/serin")]
    pub cache: PathBuf,
    #[command(flatten)]
    pub metrics: MetricsArguments,
    #[command(flatten)]
    pub kernel: KernelArguments,
}

#[derive(Debug, Args)]
pub(crate) struct MetricsArguments {
    /// Where to serve metrics, health and status: unix:PATH, or a loopback address with its port
    #[arg(long, value_name = "ENDPOINT", num_args = 1.., default_value = DEFAULT_METRICS)]
    metrics: Vec<Endpoint>,
    /// Serve no metrics
    #[arg(long, conflicts_with = "metrics")]
    no_metrics: bool,
}

impl MetricsArguments {
    pub(crate) fn endpoints(&self) -> &[Endpoint] {
        if self.no_metrics { &[] } else { &self.metrics }
    }
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Where the agent serves metrics
    #[arg(long, value_name = "ENDPOINT", default_value = DEFAULT_METRICS)]
    pub metrics: Endpoint,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Check policies against a kernel, without loading anything and without root
    Check {
        /// Policy files, and directories whose *.yaml and *.yml files are policies
        #[arg(value_name = "PATH", required = true)]
        policies: Vec<PathBuf>,
        /// Type information of the kernel to check against
        #[arg(long, value_name = "FILE", default_value = "/sys/kernel/btf/vmlinux")]
        btf: PathBuf,
    },
    /// Print the JSON Schema of policies, for editors
    Schema,
    /// Explain a field of policies
    Explain {
        /// The field, like spec.kprobes.call, or the end of its path; without it, where to begin
        #[arg(value_name = "FIELD", default_value = "", hide_default_value = true)]
        field: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct KernelArguments {
    /// The running kernel's type information
    #[arg(long, value_name = "FILE", default_value = "/sys/kernel/btf/vmlinux")]
    pub btf: PathBuf,
    /// A directory on a BPF file system for this agent alone; created, and removed at the end
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf/serin")]
    pub bpffs: PathBuf,
}

impl Default for KernelArguments {
    fn default() -> Self {
        let KernelConfig { btf, bpffs, .. } = KernelConfig::default();
        Self { btf, bpffs }
    }
}

impl KernelArguments {
    pub(crate) fn config(&self) -> KernelConfig {
        KernelConfig { btf: self.btf.clone(), bpffs: self.bpffs.clone(), ..KernelConfig::default() }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_takes_several_policies() {
        let cli = Cli::try_parse_from([
            "serin",
            "run",
            "--policies",
            "a",
            "b",
            "--pipeline",
            "p",
            "--policies",
            "c",
        ]);
        let Ok(Cli { command: Command::Run(run) }) = cli else { panic!("{cli:?}") };
        assert_eq!(run.policies, ["a", "b", "c"].map(PathBuf::from));
    }
}
