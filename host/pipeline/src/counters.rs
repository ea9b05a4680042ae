//! What happened in a plugin: nothing is lost, refused or cut without being counted.

use std::collections::BTreeMap;
use std::time::Duration;

/// Reasons for drops that are counted apart; the rest are counted together.
const MAX_REASONS: usize = 16;

/// What the rest of the reasons is counted as.
pub const OTHER_REASONS: &str = "other";

/// Counts of one plugin since the pipeline was loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Calls with frames.
    pub calls: u64,
    /// Events in them.
    pub events: u64,
    /// Time in calls.
    pub time: Duration,
    /// Of calls, how many took how long.
    pub durations: Durations,
    /// The most bytes of linear memory that an instance of it has had.
    pub memory: usize,
    /// Events that the plugin dropped, by its reason.
    pub dropped: BTreeMap<String, u64>,
    /// Annotations it made.
    pub annotations: u64,
    /// Alerts it raised.
    pub alerts: u64,
    /// Alerts above the limit of its entry.
    pub alerts_over_rate: u64,
    /// Actions it requested and was granted.
    pub actions: u64,
    /// Actions that its grants don't cover.
    pub refused: u64,
    /// Actions above the granted rate.
    pub over_rate: u64,
    /// Effects that make no sense or are beyond the limits: an event that isn't there, a key that is none, …
    pub rejected: u64,
    /// Texts that were cut to the limit.
    pub cut: u64,
    /// Log lines beyond the limit.
    pub log_lines_lost: u64,
    /// Parts of texts that it masked.
    pub redactions: u64,
    /// Facts that the host would not keep: too large, or beyond the grant.
    pub kv_refused: u64,
    /// Calls that trapped.
    pub traps: u64,
    /// Calls that took too long.
    pub timeouts: u64,
    /// Calls that wanted too much memory.
    pub out_of_memory: u64,
    /// Calls that returned nonsense.
    pub bad_outcomes: u64,
    /// Instances that were started after a failure.
    pub restarts: u64,
    /// Times that its old version had to take over again from the new one that was being rolled out.
    pub rollbacks: u64,
    /// Events that went on without the plugin, because it had failed (`onFailure: pass` or `disable`).
    pub passed_by: u64,
    /// Events that went on without the plugin, because too many waited (`onOverload: skip`).
    pub skipped: u64,
    /// Events that were dropped because the plugin had failed (`onFailure: drop`).
    pub dropped_by_failure: u64,
}

impl Counters {
    /// Calls that failed, for whatever reason.
    pub fn failures(&self) -> u64 {
        self.traps + self.timeouts + self.out_of_memory + self.bad_outcomes
    }

    pub(crate) fn count_drop(&mut self, reason: &str) {
        if let Some(count) = self.dropped.get_mut(reason) {
            *count += 1;
            return;
        }
        let reason = if self.dropped.len() < MAX_REASONS { reason } else { OTHER_REASONS };
        *self.dropped.entry(reason.to_owned()).or_default() += 1;
    }
}

/// How many calls took how long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Durations([u64; Self::LIMITS.len() + 1]);

impl Durations {
    /// The longest time of each class but the last, which has none.
    pub const LIMITS: [Duration; 6] = [
        Duration::from_micros(10),
        Duration::from_micros(100),
        Duration::from_millis(1),
        Duration::from_millis(10),
        Duration::from_millis(100),
        Duration::from_secs(1),
    ];

    /// Calls of each class; of the last, those that took longer than all limits.
    pub fn counts(&self) -> &[u64] {
        &self.0
    }

    pub(crate) fn count(&mut self, time: Duration) {
        let class = Self::LIMITS.partition_point(|limit| *limit < time);
        if let Some(count) = self.0.get_mut(class) {
            *count += 1;
        }
    }
}

/// Whether the message that goes with a count is due: at the first, second, fourth, eighth, …
pub(crate) fn is_due(count: u64) -> bool {
    count.is_power_of_two()
}
