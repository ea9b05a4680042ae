//! What plugins have done, and how far other versions of them are.

use serde::{Deserialize, Serialize};
use serin_pipeline::Stage;

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
