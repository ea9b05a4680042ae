//! The counters of a running agent, as `serin status --json` prints them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serin_kernel::{HookCount, KernelCount};
use serin_pipeline::Stage;

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

/// A plugin of the pipeline.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plugin {
    pub name: String,
    /// What the component calls itself.
    #[serde(default)]
    pub component: String,
    /// The component's version, as it says itself.
    #[serde(default)]
    pub version: String,
    /// The component that runs.
    #[serde(default)]
    pub digest: String,
    /// `running`, `waiting` or `disabled`.
    #[serde(default)]
    pub state: String,
    #[serde(default)]
    pub workers: u64,
    #[serde(default)]
    pub running_workers: u64,
    pub calls: u64,
    pub events: u64,
    pub nanoseconds: u64,
    pub dropped: u64,
    pub annotations: u64,
    pub alerts: u64,
    #[serde(default)]
    pub alerts_over_rate: u64,
    pub actions: u64,
    pub refused_actions: u64,
    pub actions_over_rate: u64,
    pub rejected_effects: u64,
    pub traps: u64,
    pub timeouts: u64,
    pub out_of_memory: u64,
    pub bad_outcomes: u64,
    pub restarts: u64,
    pub passed_by: u64,
    pub skipped: u64,
    pub dropped_by_failure: u64,
    #[serde(default)]
    pub redactions: u64,
    #[serde(default)]
    pub rollbacks: u64,
    #[serde(default)]
    pub cut_texts: u64,
    #[serde(default)]
    pub log_lines_lost: u64,
    #[serde(default)]
    pub facts_refused: u64,
    /// The most bytes of linear memory that an instance has had.
    #[serde(default)]
    pub memory: u64,
    /// Of calls, how many took how long: see [`serin_pipeline::Durations`].
    #[serde(default)]
    pub durations: Vec<u64>,
    /// The version that is being rolled out, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
}

/// How far another version of a plugin is on this host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rollout {
    /// On how many of a hundred hosts it runs.
    pub percent: u8,
    /// This host's place among them, from 0; those below `percent` have it.
    pub place: u8,
    /// What runs here: `old`, `new`, or `rolled_back`, which is the old one again.
    pub version: String,
    /// The component that runs here.
    pub digest: String,
    /// Why it was rolled back; empty if it was not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl From<&serin_pipeline::RolloutStatus> for Rollout {
    fn from(status: &serin_pipeline::RolloutStatus) -> Self {
        let (version, reason) = match &status.stage {
            Stage::Old => ("old", ""),
            Stage::New => ("new", ""),
            Stage::RolledBack { reason } => ("rolled_back", &**reason),
        };
        Self {
            percent: status.percent,
            place: status.place,
            version: version.to_owned(),
            digest: status.digest.to_string(),
            reason: reason.to_owned(),
        }
    }
}

impl Plugin {
    pub(crate) fn new(
        status: &serin_pipeline::PluginStatus,
        counters: &serin_pipeline::Counters,
        rollout: Option<&serin_pipeline::RolloutStatus>,
    ) -> Self {
        Self {
            name: status.name.to_string(),
            component: status.component.to_string(),
            version: status.version.to_string(),
            digest: status.digest.to_string(),
            state: status.state.name().to_owned(),
            workers: status.workers as u64,
            running_workers: status.running_workers as u64,
            calls: counters.calls,
            events: counters.events,
            nanoseconds: u64::try_from(counters.time.as_nanos()).unwrap_or(u64::MAX),
            dropped: counters.dropped.values().sum(),
            annotations: counters.annotations,
            alerts: counters.alerts,
            alerts_over_rate: counters.alerts_over_rate,
            actions: counters.actions,
            refused_actions: counters.refused,
            actions_over_rate: counters.over_rate,
            rejected_effects: counters.rejected,
            traps: counters.traps,
            timeouts: counters.timeouts,
            out_of_memory: counters.out_of_memory,
            bad_outcomes: counters.bad_outcomes,
            restarts: counters.restarts,
            passed_by: counters.passed_by,
            skipped: counters.skipped,
            dropped_by_failure: counters.dropped_by_failure,
            redactions: counters.redactions,
            rollbacks: counters.rollbacks,
            cut_texts: counters.cut,
            log_lines_lost: counters.log_lines_lost,
            facts_refused: counters.kv_refused,
            memory: counters.memory as u64,
            durations: counters.durations.counts().to_vec(),
            rollout: rollout.map(Rollout::from),
        }
    }
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

/// A sink.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sink {
    pub name: String,
    /// `working`, `failing` or `closed`.
    pub state: String,
    pub written: u64,
    pub lost: u64,
    pub dropped: u64,
    pub retries: u64,
    pub queued: u64,
    /// None if it has no spool.
    #[serde(default)]
    pub spool: Option<Spool>,
}

/// What waits on the disk for a sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spool {
    pub records: u64,
    pub bytes: u64,
    pub size: u64,
    /// It takes nothing.
    pub stuck: bool,
    pub torn: u64,
    pub corrupt: u64,
    pub too_large: u64,
}

impl From<serin_export::SpoolCounters> for Spool {
    fn from(counters: serin_export::SpoolCounters) -> Self {
        Self {
            records: counters.records,
            bytes: counters.bytes,
            size: counters.size,
            stuck: counters.stuck,
            torn: counters.torn,
            corrupt: counters.corrupt,
            too_large: counters.too_large,
        }
    }
}

impl From<(&str, serin_export::State, serin_export::Counters)> for Sink {
    fn from((name, state, counters): (&str, serin_export::State, serin_export::Counters)) -> Self {
        Self {
            name: name.to_owned(),
            state: state.name().to_owned(),
            written: counters.written,
            lost: counters.lost,
            dropped: counters.dropped,
            retries: counters.retries,
            queued: counters.queued,
            spool: counters.spool.map(Spool::from),
        }
    }
}

/// What became of spans of traces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Traces {
    pub sent: u64,
    pub lost: u64,
    pub dropped: u64,
    pub retries: u64,
    pub queued: u64,
    pub failing: bool,
}

impl From<serin_export::TraceCounters> for Traces {
    fn from(counters: serin_export::TraceCounters) -> Self {
        Self {
            sent: counters.sent,
            lost: counters.lost,
            dropped: counters.dropped,
            retries: counters.retries,
            queued: counters.queued,
            failing: counters.failing,
        }
    }
}

/// Bytes of memory that this process has in use; 0 if /proc does not tell.
pub(super) fn resident_memory() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}
