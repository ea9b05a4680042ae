//! The counters of a running agent, as `serin status --json` prints them.

mod plugin;
mod sink;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serin_kernel::{HookCount, KernelCount};

pub(crate) use self::plugin::{Plugin, Rollout};
pub(crate) use self::sink::{Sink, Spool, Traces};

/// Everything that can be seen of an agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// The agent's version.
    pub version: String,
    /// Name of the host in events.
    pub node_name: String,
    /// Since the start.
    pub uptime_seconds: u64,
    /// Everything is attached, and nobody has asked for the end.
    pub ready: bool,
    /// What does not work as it should.
    pub problems: Vec<String>,
    /// Resident memory; 0 if unknown.
    pub memory_bytes: u64,
    pub kernel: Kernel,
    pub policies: Vec<Policy>,
    /// Events that were handed to the sinks, by kind.
    pub events: BTreeMap<String, u64>,
    pub backlog: Backlog,
    pub processes: Processes,
    pub plugins: Vec<Plugin>,
    pub canaries: Canaries,
    pub sinks: Vec<Sink>,
    /// None without `spec.traces`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traces: Option<Traces>,
}

/// What all kernel programs have counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kernel {
    pub records: u64,
    pub lost_ring_full: u64,
    pub lost_no_memory: u64,
    pub lost_calls: u64,
    #[serde(default)]
    pub lost_mappings: u64,
    pub processes_beyond_table: u64,
    #[serde(default)]
    pub missed_notifications: u64,
}

impl From<KernelCount> for Kernel {
    fn from(count: KernelCount) -> Self {
        Self {
            records: count.records,
            lost_ring_full: count.lost_full,
            lost_no_memory: count.lost_busy,
            lost_calls: count.lost_calls,
            lost_mappings: count.lost_mappings,
            processes_beyond_table: count.processes_full,
            missed_notifications: count.missed_notifications,
        }
    }
}

/// A policy with its hooks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub name: String,
    pub hooks: Vec<Hook>,
}

/// A hook that is attached.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hook {
    pub function: String,
    /// How it is attached.
    pub backend: String,
    /// How it overrides; empty if it does not.
    pub enforcement: String,
    pub hits: u64,
    pub posted: u64,
    pub lost: u64,
    pub unreadable: u64,
    pub unenforced: u64,
    pub unposted: u64,
    /// Hits of each selector, in the policy's order.
    #[serde(default)]
    pub selector_hits: Vec<u64>,
    /// What the policy calls them, likewise; empty if it has no name for one.
    #[serde(default)]
    pub selector_labels: Vec<String>,
}

impl Hook {
    pub(crate) fn new(function: &str, backend: String, enforcement: String, count: HookCount) -> Self {
        Self {
            function: function.to_owned(),
            backend,
            enforcement,
            hits: count.hits,
            posted: count.posted,
            lost: count.lost,
            unreadable: count.unreadable,
            unenforced: count.unenforced,
            unposted: count.unposted,
            selector_hits: Vec::new(),
            selector_labels: Vec::new(),
        }
    }
}

/// Events between reader and worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Backlog {
    pub capacity: u64,
    pub waiting: u64,
    pub lost: u64,
}

/// The process cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Processes {
    pub cached: u64,
    pub looked_up: u64,
    pub unknown: u64,
    pub evicted: u64,
    pub unknown_hooks: u64,
    pub undecodable_records: u64,
}

/// The canary engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Canaries {
    pub accepted: u64,
    pub fired: u64,
    pub failed: u64,
    /// Of these, those whose target's address is not one that may be connected to.
    #[serde(default)]
    pub denied: u64,
    pub duplicates: u64,
    pub rate_limited: u64,
    /// Held back by the rate of all sources together.
    #[serde(default)]
    pub globally_rate_limited: u64,
    pub queue_full: u64,
    /// Held back because too many for the same target were waiting.
    #[serde(default)]
    pub target_full: u64,
    /// Held back because too many of the same source were waiting.
    #[serde(default)]
    pub source_full: u64,
    /// Gave way to newer ones while they waited.
    #[serde(default)]
    pub displaced: u64,
    /// Waiting for their first turn, now.
    #[serde(default)]
    pub waiting: u64,
    /// Waiting to be done again, now.
    #[serde(default)]
    pub waiting_again: u64,
    /// Carried out now.
    #[serde(default)]
    pub running: u64,
    pub results_lost: u64,
}

impl From<serin_canary::Counters> for Canaries {
    fn from(counters: serin_canary::Counters) -> Self {
        Self {
            accepted: counters.accepted,
            fired: counters.fired,
            failed: counters.failed,
            denied: counters.denied,
            duplicates: counters.duplicates,
            rate_limited: counters.rate_limited,
            globally_rate_limited: counters.globally_rate_limited,
            queue_full: counters.queue_full,
            target_full: counters.target_full,
            source_full: counters.source_full,
            displaced: counters.displaced,
            waiting: counters.waiting,
            waiting_again: counters.waiting_again,
            running: counters.running,
            results_lost: counters.results_lost,
        }
    }
}

/// Bytes of memory that this process has in use; 0 if /proc does not tell.
pub(super) fn resident_memory() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}
