//! Annotates events with the programs that their process descends from, `process.ancestors`, and executions of programs
//! that were not seen before, `process.first_seen`.
//!
//! An event tells of its process and that one's parent; what is above them is known as far as earlier events told it.

use serin_plugin::{EventView, Kind, Outcome, Plugin, ProcessView, Subscription, Table};

/// How many processes are remembered at once; those that no event needed for longest are forgotten.
const MAX_PROCESSES: usize = 32_768;

/// How many programs are remembered at once.
const MAX_PROGRAMS: usize = 8192;

/// The most ancestors that can be asked for.
const MAX_DEPTH: usize = 32;

/// The plugin.
#[derive(Debug)]
pub struct ProcessTree {
    depth: usize,
    first_seen: bool,
    processes: Table<Ancestor>,
    programs: Table<bool>,
}

/// `config`
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many ancestors are told; 1 is the parent.
    #[serde(default = "default_depth")]
    depth: usize,
    /// Whether executions of programs that were not seen before are marked.
    #[serde(default)]
    first_seen: bool,
}

fn default_depth() -> usize {
    8
}

/// What is remembered of a process.
#[derive(Debug, Clone, Default)]
struct Ancestor {
    binary: String,
    parent: String,
}

impl Plugin for ProcessTree {
    type Config = Config;

    fn new(Config { depth, first_seen }: Config) -> Result<Self, String> {
        if !(1..=MAX_DEPTH).contains(&depth) {
            return Err(format!("`depth` is {depth}: write a number from 1 to {MAX_DEPTH}"));
        }
        let (processes, programs) = (Table::new(MAX_PROCESSES), Table::new(MAX_PROGRAMS));
        Ok(Self { depth, first_seen, processes, programs })
    }

    fn subscription(&self) -> Subscription {
        Subscription::kinds([Kind::ProcessExec, Kind::ProcessExit].into_iter().chain(Kind::HOOKS))
    }

    fn on_event(&mut self, event: EventView<'_>, outcome: &mut Outcome) {
        let Some(process) = event.process() else { return };
        for known in [event.parent(), Some(process)].into_iter().flatten() {
            self.remember(&known);
        }
        let ancestors = self.ancestors(process.parent_exec_id());
        if !ancestors.is_empty() {
            outcome.annotate("process.ancestors", &ancestors.join(" < "));
        }
        if self.first_seen && event.kind() == Kind::ProcessExec && self.is_new(process.binary()) {
            outcome.annotate("process.first_seen", process.binary());
        }
    }
}

impl ProcessTree {
    fn remember(&mut self, process: &ProcessView<'_>) {
        if process.exec_id().is_empty() {
            return;
        }
        let known = self.processes.entry(process.exec_id(), Ancestor::default, drop);
        // It may have been asked for before anything was told of it.
        if known.binary.is_empty() {
            let (binary, parent) = (process.binary().to_owned(), process.parent_exec_id().to_owned());
            *known = Ancestor { binary, parent };
        }
    }

    /// The programs of a process and of those above it, the nearest first.
    fn ancestors(&mut self, parent: &str) -> Vec<String> {
        let mut binaries = Vec::new();
        let mut exec_id = parent.to_owned();
        while binaries.len() < self.depth && !exec_id.is_empty() {
            // Those that are asked for stay.
            let Ancestor { binary, parent } = self.processes.entry(&exec_id, Ancestor::default, drop).clone();
            if binary.is_empty() || parent == exec_id {
                break;
            }
            binaries.push(binary);
            exec_id = parent;
        }
        binaries
    }

    fn is_new(&mut self, binary: &str) -> bool {
        let seen = self.programs.entry(binary, || false, drop);
        !std::mem::replace(seen, true)
    }
}

serin_plugin::export!(ProcessTree);
