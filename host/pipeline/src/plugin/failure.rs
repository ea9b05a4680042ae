//! What becomes of a plugin that fails: it is started again, less and less often, or goes back to the version before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serin_event::{Event, EventKind, PluginError};
use wasmtime::Engine;

use super::{Passage, Plugin, sandbox};
use crate::config::OnFailure;
use crate::counters::is_due;
use crate::error::Failure;
use crate::subscription::EventFilter;
use crate::worker::{State, Worker};

/// The wait before a failed plugin is started again; it doubles with every failure.
const FIRST_WAIT: Duration = Duration::from_millis(10);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A plugin that ran this long without a failure starts with the first wait again.
const FORGIVEN: Duration = Duration::from_secs(60);

impl Plugin {
    /// Puts a failure into the stream, beside the events that were on their way.
    pub(super) fn tell_failure(&mut self, through: &mut Passage<'_>) {
        let Some(beside) = through.events.first() else { return };
        let Some(error) = self.untold.take() else { return };
        through.raised.push(Event {
            time: beside.time,
            node_name: Arc::clone(&beside.node_name),
            kind: EventKind::PluginError(Box::new(error)),
            process: None,
            parent: None,
            tid: 0,
            annotations: Vec::new(),
            alerts: Vec::new(),
        });
    }

    /// Whether a worker has an instance; started anew if the last one failed and it is time.
    pub(super) fn wake(&mut self, worker: &mut Worker, engine: &Engine) -> bool {
        if self.disabled {
            worker.state = State::Disabled;
        } else if self.is_due(worker) {
            self.restart(worker, engine);
        }
        worker.instance().is_some()
    }

    fn is_due(&self, worker: &Worker) -> bool {
        match worker.state {
            State::Running { since, .. } => self.rolled_back.is_some_and(|rolled_back| since <= rolled_back),
            State::Waiting { until } => until <= Instant::now(),
            State::Disabled => false,
        }
    }

    fn restart(&mut self, worker: &mut Worker, engine: &Engine) {
        self.counters.restarts += 1;
        let sandbox = sandbox(&self.version.entry, &self.kv, self.hashes.as_ref(), &self.source);
        let started = self.version.restart(engine, sandbox).and_then(|(instance, info)| {
            let subscription = EventFilter::of(&info.subscription);
            Ok((instance, subscription.map_err(|reason| Failure::Outcome(reason.to_string()))?))
        });
        match started {
            Ok((instance, subscription)) => {
                self.subscription = subscription;
                worker.state = State::Running { instance, since: Instant::now() };
            }
            Err(failure) => self.fail(worker, &failure),
        }
    }

    /// Goes back to the version before, if it is time for that; whether it was.
    fn roll_back(&mut self, now: Instant, failure: &Failure) -> bool {
        // Rather the old version than none.
        let is_last = self.version.entry.on_failure == OnFailure::Disable;
        let Some(staged) = &mut self.rollout else { return false };
        let Some(before) = staged.failed(now, &failure.to_string(), is_last) else { return false };
        let reason = staged.reason().unwrap_or_default().to_owned();
        self.version = before;
        self.failures = 0;
        self.rolled_back = Some(now);
        self.tell_rollback(&reason);
        true
    }

    pub(super) fn tell_rollback(&mut self, reason: &str) {
        tracing::error!(plugin = &*self.name, "{reason}");
        self.counters.rollbacks += 1;
        let (plugin, failures) = (Arc::clone(&self.name), self.counters.failures());
        self.untold = Some(PluginError { plugin, reason: reason.to_owned(), failures });
    }

    /// Discards a worker's instance.
    pub(super) fn fail(&mut self, worker: &mut Worker, failure: &Failure) {
        let count = match failure {
            Failure::Trap(_) => &mut self.counters.traps,
            Failure::TimeOut(_) => &mut self.counters.timeouts,
            Failure::Memory { .. } => &mut self.counters.out_of_memory,
            Failure::Outcome(_) => &mut self.counters.bad_outcomes,
        };
        *count += 1;
        let now = Instant::now();
        if self.roll_back(now, failure) {
            worker.state = State::Waiting { until: now };
            return;
        }
        if let State::Running { since, .. } = worker.state
            && now.duration_since(since) > FORGIVEN
        {
            self.failures = 0;
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.failures.min(16)).min(LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1);
        let disabled = self.version.entry.on_failure == OnFailure::Disable;
        self.disabled |= disabled;
        worker.state = if disabled { State::Disabled } else { State::Waiting { until: now + wait } };
        let failures = self.counters.failures();
        if disabled {
            tracing::error!(plugin = &*self.name, "{failure}; the plugin is disabled");
        } else if is_due(failures) {
            tracing::error!(plugin = &*self.name, "{failure} ({failures} failures so far)");
        }
        if disabled || is_due(failures) {
            let (plugin, reason) = (Arc::clone(&self.name), failure.to_string());
            self.untold = Some(PluginError { plugin, reason, failures });
        }
    }

    /// What becomes of events that the plugin should have seen.
    pub(super) fn without(&mut self, missed: &[usize], through: &mut Passage<'_>) {
        let drops = self.version.entry.on_failure == OnFailure::Drop;
        for &index in missed {
            let loss =
                through.events.get(index).is_some_and(|event| matches!(event.kind, EventKind::Loss { .. }));
            match through.kept.get_mut(index) {
                Some(kept) if drops && !loss => {
                    *kept = false;
                    self.counters.dropped_by_failure += 1;
                }
                _ => self.counters.passed_by += 1,
            }
        }
    }
}
