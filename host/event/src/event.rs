//! Events: what plugins see, sinks write and users read.

use std::sync::Arc;

use crate::action::ActionResult;
use crate::argument::Argument;
use crate::process::Process;

/// Something that happened, with the process it happened in.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Nanoseconds since the Unix epoch.
    pub time: u64,
    /// Name of this host.
    pub node_name: Arc<str>,
    /// What happened.
    pub kind: EventKind,
    /// The process it happened in; absent for losses and action results.
    pub process: Option<Arc<Process>>,
    /// That process's parent, if known.
    pub parent: Option<Arc<Process>>,
    /// Thread id; 0 if none.
    pub tid: u32,
    /// What plugins added, in the order they ran.
    pub annotations: Vec<Annotation>,
    /// What plugins raised, in the order they ran.
    pub alerts: Vec<Alert>,
}

impl Event {
    /// The worst of the alerts that were raised on it, or its own if it is one.
    pub fn severity(&self) -> Option<Severity> {
        let own = match &self.kind {
            EventKind::Alert(finding) => Some(finding.alert.severity),
            _ => None,
        };
        self.alerts.iter().map(|alert| alert.severity).chain(own).max()
    }
}

/// The kinds of events.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// A program was started: `process_exec`.
    Exec,
    /// A process ended: `process_exit`.
    Exit {
        /// Exit status; 0 if killed.
        status: u8,
        /// Number of the signal that killed it; 0 if none.
        signal: u8,
    },
    /// A policy's hook matched: `process_kprobe`, or the event that belongs to its [`Place`].
    Kprobe(Hook),
    /// A file was mapped so that it can be executed: `process_loader`.
    Loader(Mapping),
    /// Events that were counted but not delivered: `loss`.
    Loss {
        /// The CPU whose records were lost.
        cpu: u16,
        /// How many.
        count: u64,
    },
    /// What became of a canary: `action_result`.
    ActionResult(ActionResult),
    /// A finding, as an event of its own: `alert`. Process, parent and annotations are those of the event that it
    /// was raised on.
    Alert(Box<Finding>),
    /// A call into a plugin failed: `plugin_error`.
    PluginError(Box<PluginError>),
}

impl EventKind {
    /// What a policy's hook saw; of an alert, if it was raised on that.
    pub fn hook(&self) -> Option<&Hook> {
        match self {
            Self::Kprobe(hook) => Some(hook),
            Self::Alert(finding) => finding.trigger.hook(),
            _ => None,
        }
    }
}

/// A file that was mapped so that it can be executed: a program, its interpreter, a library.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Its path.
    pub path: String,
    /// The build ID of the ELF file, at most 20 bytes; empty if it has none.
    pub build_id: Vec<u8>,
}

impl Mapping {
    /// The build ID as tools print it: in lower-case hexadecimal digits.
    #[must_use]
    pub fn build_id_text(&self) -> String {
        self.build_id.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// An alert and what it was raised on.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The alert.
    pub alert: Alert,
    /// What happened.
    pub trigger: EventKind,
}

/// A call into a plugin that failed. Of many in a row, the first, second, fourth, eighth, … are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginError {
    /// The plugin's name in the pipeline.
    pub plugin: Arc<str>,
    /// Why.
    pub reason: String,
    /// Failures of this plugin so far.
    pub failures: u64,
}

impl EventKind {
    /// The names of all kinds.
    pub const NAMES: &[&str] = &[
        "process_exec",
        "process_exit",
        "process_kprobe",
        "process_lsm",
        "process_tracepoint",
        "process_uprobe",
        "process_usdt",
        "process_loader",
        "loss",
        "action_result",
        "alert",
        "plugin_error",
    ];

    /// Its name: the event's key in JSON, and what filters call it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Exec => "process_exec",
            Self::Exit { .. } => "process_exit",
            Self::Kprobe(hook) => hook.place.event_name(),
            Self::Loader(_) => "process_loader",
            Self::Loss { .. } => "loss",
            Self::ActionResult(_) => "action_result",
            Self::Alert(_) => "alert",
            Self::PluginError(_) => "plugin_error",
        }
    }
}

/// What kind of place a hook sits in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Place {
    /// A kernel function or system call: `process_kprobe`.
    #[default]
    Function,
    /// An LSM hook: `process_lsm`.
    Lsm,
    /// A tracepoint: `process_tracepoint`.
    Tracepoint,
    /// A program or library: `process_uprobe`.
    Program(Arc<ProgramPlace>),
    /// A probe of a program or library: `process_usdt`.
    Probe(Arc<Probe>),
}

/// A USDT probe of a program or library.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probe {
    /// The file.
    pub path: String,
    /// What the probe belongs to.
    pub provider: String,
    /// Its name.
    pub name: String,
}

/// A place in a program or library.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramPlace {
    /// The file.
    pub path: String,
    /// The symbol, perhaps with how many bytes behind it: `main+0x10`; empty if the policy names none.
    pub symbol: String,
    /// The offset in the file, or the address, that the policy names instead of a symbol; 0 if it names one.
    pub offset: u64,
    /// Where in the file the counter is that the policy names; 0 if it names none.
    pub counter: u64,
}

impl Place {
    /// The name of the event that a hit there makes.
    pub const fn event_name(&self) -> &'static str {
        match self {
            Self::Function => "process_kprobe",
            Self::Lsm => "process_lsm",
            Self::Tracepoint => "process_tracepoint",
            Self::Program(_) => "process_uprobe",
            Self::Probe(_) => "process_usdt",
        }
    }
}

/// What a policy's hook saw and did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hook {
    /// What kind of place it sits in.
    pub place: Place,
    /// The hooked function, e.g. `__x64_sys_symlinkat`, LSM hook, e.g. `file_open`, tracepoint with its subsystem, e.g.
    /// `sched/sched_process_exec`, or place in a program, e.g. `/bin/bash:readline`, or
    /// probe, e.g. `/bin/python3:python:line`.
    pub function_name: Arc<str>,
    /// Name of the policy.
    pub policy_name: Arc<str>,
    /// The policy's message for this hook; empty if none.
    pub message: Arc<str>,
    /// The policy's tags for this hook.
    pub tags: Arc<[String]>,
    /// The arguments, each with the policy's label (empty if none).
    pub arguments: Vec<(Argument, Arc<str>)>,
    /// What the policy asks for beside the arguments (`data`), likewise.
    pub data: Vec<(Argument, Arc<str>)>,
    /// What the function returned, with the policy's label, if the policy asks for that.
    pub returned: Option<(Argument, Arc<str>)>,
    /// How the kernel came to the hooked function, innermost first; empty unless the policy asks for it.
    pub kernel_stack: Vec<StackFrame>,
    /// How the program came to its call into the kernel, likewise.
    pub user_stack: Vec<StackFrame>,
    /// The hash of the file that the hook is about, as `sha256:…`, if the policy asks for it and there is one.
    pub ima_hash: Option<Box<str>>,
    /// Every action that the matching selector took, in order, by Tetragon's name: `KPROBE_ACTION_OVERRIDE`.
    pub actions: Arc<[&'static str]>,
    /// Every action that it took when the call had returned, likewise.
    pub return_actions: Arc<[&'static str]>,
    /// Index of the selector that matched.
    pub selector: u32,
    /// An enforcing filter could not read an argument and failed closed.
    pub failed_closed: bool,
    /// An enforcing action could not be carried out: the signal was refused, or no room was left to mark the task.
    pub unenforced: bool,
}

impl Hook {
    /// Subsystem and name of a tracepoint.
    pub fn tracepoint(&self) -> (&str, &str) {
        self.function_name.split_once('/').unwrap_or(("", &self.function_name))
    }
}

/// One function on a stack: Tetragon's `StackTraceEntry`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StackFrame {
    /// Where it is in the program's memory, if nothing else is known of it; else 0. Never an address of the kernel's,
    /// which would help to attack it.
    pub address: u64,
    /// In the kernel: bytes from the start of the function. In a program: bytes from the start of the module's file.
    pub offset: u64,
    /// The function's name; empty if unknown.
    pub symbol: String,
    /// The file it is from, or the kernel's module; empty for the kernel itself, and if unknown.
    pub module: Arc<str>,
}

/// A key and value that a plugin attached to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// The plugin's name in the pipeline.
    pub plugin: Arc<str>,
    /// Key, e.g. `container.id`.
    pub key: Arc<str>,
    /// Value; shared, because a plugin attaches one value to many events.
    pub value: Arc<str>,
}

/// A finding that a plugin raised on an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The plugin's name in the pipeline.
    pub plugin: Arc<str>,
    /// How bad.
    pub severity: Severity,
    /// One line for a human.
    pub title: String,
    /// Which of the plugin's rules found it; empty if the plugin is one.
    pub rule: String,
    /// MITRE ATT&CK techniques, e.g. `T1036.005`.
    pub techniques: Vec<String>,
    /// Alerts with the same key are about the same thing.
    pub key: String,
    /// Further facts.
    pub fields: Vec<(String, String)>,
}

/// How bad an [`Alert`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look some time.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
    /// Wake somebody.
    Critical,
}

impl Severity {
    /// All of them, from the least to the worst.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// In lower case: `info`, `low`, `medium`, `high`, `critical`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}
