//! The command line.

mod api;
mod trace;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serin_api::proto::{EventType, Filter, TracingPolicyMode};
use serin_btf::KERNEL_BTF;
use serin_kernel::KernelConfig;

pub(crate) use self::api::{AgentArguments, ApiArguments, NamedAgent, ServerArguments};
pub(crate) use self::trace::{RecordArguments, ReplayArguments};
use crate::client::{Following, Level, Output};
use crate::node::{self, Label};
use crate::observe::Endpoint;
use crate::plugin::PluginCommand;

/// Where an agent shows metrics, health and status, if it is not told otherwise.
const DEFAULT_METRICS: &str = "unix:/run/serin/metrics.sock";

/// Turns kernel activity into decisions.
#[derive(Debug, Parser)]
#[command(name = "serin", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load policies into the kernel and stream events until SIGINT or SIGTERM
    Run(RunArguments),
    /// Work with policy files, and with the policies of a running agent
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print what a running agent has loaded, and what it has done
    Status(StatusArguments),
    /// Follow the events of a running agent
    Events(EventsArguments),
    /// Write the events of a running agent to a file, to be replayed
    Record(RecordArguments),
    /// Print recorded events, with what the plugins of a pipeline make of them
    Replay(ReplayArguments),
    /// Write, test and look at plugins, and at those of a running agent
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Print how much a running agent logs, or change it until it ends
    LogLevel(LogLevelArguments),
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
    /// A file with settings, named like these flags; /etc/serin/serin.yaml is read if it is there
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the settings in use, each with where it comes from, and end
    #[arg(long)]
    pub print_config: bool,
    /// Policy files, and directories whose *.yaml and *.yml files are policies; without any, processes are all that is seen
    /// at first
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub policies: Vec<PathBuf>,
    /// The pipeline file: plugins, canaries and sinks; without it events go to standard output as JSON lines
    #[arg(long, value_name = "FILE")]
    pub pipeline: Option<PathBuf>,
    /// Where compiled plugins are kept from one start to the next
    #[arg(long, value_name = "DIR", default_value = "/var/cache/serin")]
    pub cache: PathBuf,
    /// Where the agent keeps what it must know after a restart: which versions of plugins were rolled back, and what
    /// plugins are to remember
    #[arg(long, value_name = "DIR", default_value = "/var/lib/serin")]
    pub state: PathBuf,
    /// A directory with a file for each container, ID.json, that says what Kubernetes knows of it; for policies with
    /// podSelector, containerSelector or a namespace
    #[arg(long, value_name = "DIR")]
    pub containers: Option<PathBuf>,
    /// Labels of this host, for policies with nodeSelector; kubernetes.io/hostname, os and arch need not be given
    #[arg(long, value_name = "KEY=VALUE", num_args = 1.., value_parser = node::read)]
    pub node_label: Vec<Label>,
    /// Leave the hooks that enforce attached when the agent ends, until the next one has attached its own
    #[arg(long)]
    pub keep_on_exit: bool,
    #[command(flatten)]
    pub api: ApiArguments,
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
    #[arg(long, value_name = "ENDPOINT", default_value = DEFAULT_METRICS, conflicts_with = "server")]
    pub metrics: Endpoint,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub server: ServerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct LogLevelArguments {
    /// How much it is to log of itself, in the place of what its SERIN_LOG says
    #[arg(value_name = "LEVEL")]
    pub level: Option<Level>,
    #[command(flatten)]
    pub agent: AgentArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Check policies against a kernel, without loading anything and without root; against that of an agent, if it is named
    Check {
        /// Policy files, and directories whose *.yaml and *.yml files are policies
        #[arg(value_name = "PATH", required = true)]
        policies: Vec<PathBuf>,
        /// Type information of the kernel to check against; with any other file than its own, the running kernel is not asked
        #[arg(long, value_name = "FILE", default_value = KERNEL_BTF, conflicts_with_all = ["api_socket", "server"])]
        btf: PathBuf,
        /// Copies of `events` and `available_filter_functions` in the tracefs of the kernel of --btf
        #[arg(long, value_name = "FOLDER", conflicts_with_all = ["api_socket", "server"])]
        tracefs: Option<PathBuf>,
        #[command(flatten)]
        agent: NamedAgent,
    },
    /// Hold recorded events against policies, without loading anything: which selectors would have matched
    Test {
        /// Policy files, and directories whose *.yaml and *.yml files are policies
        #[arg(value_name = "PATH", required = true)]
        policies: Vec<PathBuf>,
        /// A trace, as `serin record` writes it; - is standard input
        #[arg(long, value_name = "FILE")]
        events: PathBuf,
        /// Type information of the kernel to check the policies against
        #[arg(long, value_name = "FILE", default_value = KERNEL_BTF)]
        btf: PathBuf,
        /// Copies of `events` and `available_filter_functions` in the tracefs of the kernel of --btf
        #[arg(long, value_name = "FOLDER")]
        tracefs: Option<PathBuf>,
    },
    /// Print the JSON Schema of policies, for editors
    Schema,
    /// Explain a field of policies
    Explain {
        /// The field, like spec.kprobes.call, or the end of its path; without it, where to begin
        #[arg(value_name = "FIELD", default_value = "", hide_default_value = true)]
        field: String,
    },
    /// Add policies to a running agent, one a file
    Add {
        /// Policy files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Put them in the place of policies of the same names, without a gap
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        agent: AgentArguments,
    },
    /// Take policies out of a running agent
    Delete(NamedPolicies),
    /// Attach policies again that were disabled
    Enable(NamedPolicies),
    /// Detach policies, but keep them
    Disable(NamedPolicies),
    /// Have policies enforce, or only monitor
    SetMode {
        /// How they are to act
        mode: PolicyMode,
        #[command(flatten)]
        policies: NamedPolicies,
    },
    /// List the policies of a running agent
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// List the selectors of each hook instead
        #[arg(long, conflicts_with = "json")]
        selectors: bool,
        #[command(flatten)]
        agent: AgentArguments,
    },
}

#[derive(Debug, Args)]
pub(crate) struct NamedPolicies {
    /// Names of policies
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    #[command(flatten)]
    pub agent: AgentArguments,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PolicyMode {
    Enforce,
    Monitor,
}

impl From<PolicyMode> for TracingPolicyMode {
    fn from(mode: PolicyMode) -> Self {
        match mode {
            PolicyMode::Enforce => Self::TpModeEnforce,
            PolicyMode::Monitor => Self::TpModeMonitor,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct EventsArguments {
    /// Only events of these policies
    #[arg(long = "policy", value_name = "NAME")]
    pub policies: Vec<String>,
    /// Only events of these kinds
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<EventKind>,
    /// Only events of programs whose path has a match of one of these regular expressions
    #[arg(long = "binary", value_name = "REGEX")]
    pub binaries: Vec<String>,
    /// Only events of these processes
    #[arg(long = "pid", value_name = "PID")]
    pub pids: Vec<u32>,
    /// Only events for which one of these expressions holds, such as "process_exec.process.pid > uint(1)": the Common
    /// Expression Language, which is asked about the kinds of events that it names
    #[arg(long = "cel", value_name = "EXPRESSION")]
    pub expressions: Vec<String>,
    /// How to print them
    #[arg(long, short, value_enum, default_value = "json")]
    pub output: Output,
    /// Print equal events once in so long a window, with how many they were; like 15s
    #[arg(long, value_name = "DURATION", value_parser = serin_config::duration)]
    pub aggregate: Option<Duration>,
    #[command(flatten)]
    pub agent: AgentArguments,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum EventKind {
    #[value(name = "process_exec")]
    ProcessExec,
    #[value(name = "process_exit")]
    ProcessExit,
    #[value(name = "process_kprobe")]
    ProcessKprobe,
    #[value(name = "process_lsm")]
    ProcessLsm,
    #[value(name = "process_tracepoint")]
    ProcessTracepoint,
    #[value(name = "process_uprobe")]
    ProcessUprobe,
    #[value(name = "process_usdt")]
    ProcessUsdt,
    #[value(name = "process_loader")]
    ProcessLoader,
    #[value(name = "action_result")]
    ActionResult,
    #[value(name = "alert")]
    Alert,
    #[value(name = "plugin_error")]
    PluginError,
}

impl EventsArguments {
    pub(crate) fn following(&self) -> Following {
        Following { filter: self.filter(), window: self.aggregate, output: self.output }
    }

    /// What to ask the agent for.
    fn filter(&self) -> Filter {
        let kind = |kind: &EventKind| match kind {
            EventKind::ProcessExec => EventType::ProcessExec,
            EventKind::ProcessExit => EventType::ProcessExit,
            EventKind::ProcessKprobe => EventType::ProcessKprobe,
            EventKind::ProcessLsm => EventType::ProcessLsm,
            EventKind::ProcessTracepoint => EventType::ProcessTracepoint,
            EventKind::ProcessUprobe => EventType::ProcessUprobe,
            EventKind::ProcessUsdt => EventType::ProcessUsdt,
            EventKind::ProcessLoader => EventType::ProcessLoader,
            EventKind::ActionResult => EventType::ActionResult,
            EventKind::Alert => EventType::Alert,
            EventKind::PluginError => EventType::PluginError,
        };
        // Expressions name kinds themselves, serin's own too, which have to be asked for by name.
        let kinds = match self.kinds.as_slice() {
            [] if !self.expressions.is_empty() => EventKind::value_variants(),
            kinds => kinds,
        };
        Filter {
            policy_names: self.policies.clone(),
            event_set: kinds.iter().map(|name| kind(name).into()).collect(),
            binary_regex: self.binaries.clone(),
            pid: self.pids.clone(),
            cel_expression: self.expressions.clone(),
            ..Filter::default()
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct KernelArguments {
    /// The running kernel's type information
    #[arg(long, value_name = "FILE", default_value = KERNEL_BTF)]
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
