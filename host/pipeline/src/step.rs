//! What a plugin did with a batch, for whoever looks at that batch alone.

use std::sync::Arc;
use std::time::Instant;

use crate::counters::Counters;

/// A batch's way through one plugin.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Step {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// When it began: the choice of its events comes first.
    pub began: Instant,
    /// When all its workers were done, and what they had returned was applied.
    pub ended: Instant,
    /// Calls with frames.
    pub calls: u64,
    /// Events in them.
    pub events: u64,
    /// Events that the plugin dropped.
    pub dropped: u64,
    /// Alerts it raised.
    pub alerts: u64,
    /// Actions it requested and was granted.
    pub actions: u64,
    /// Calls that failed, for whatever reason.
    pub failures: u64,
    /// Those of them that took too long.
    pub timeouts: u64,
    /// Events that went on without it, because it had failed.
    pub passed_by: u64,
    /// Events that went on without it, because too many waited.
    pub skipped: u64,
    /// Events that were dropped because it had failed.
    pub dropped_by_failure: u64,
}

impl Step {
    /// What has been counted since `before`.
    pub(crate) fn new(plugin: &Arc<str>, began: Instant, before: &Counters, after: &Counters) -> Self {
        let since = |count: fn(&Counters) -> u64| count(after).saturating_sub(count(before));
        Self {
            plugin: Arc::clone(plugin),
            began,
            ended: Instant::now(),
            calls: since(|counters| counters.calls),
            events: since(|counters| counters.events),
            dropped: since(|counters| counters.dropped.values().sum()),
            alerts: since(|counters| counters.alerts),
            actions: since(|counters| counters.actions),
            failures: since(Counters::failures),
            timeouts: since(|counters| counters.timeouts),
            passed_by: since(|counters| counters.passed_by),
            skipped: since(|counters| counters.skipped),
            dropped_by_failure: since(|counters| counters.dropped_by_failure),
        }
    }
}
