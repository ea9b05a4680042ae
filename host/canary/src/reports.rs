//! What became of requests: results for whoever takes them, and counts.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc as sync;
use std::time::Instant;

use serin_event::action::{ActionRequest, ActionResult, Outcome};

use crate::firing::{Fired, FiringError};
use crate::http::HttpError;
use crate::limits::Rejected;
use crate::places::Places;

/// Results that wait to be taken; those beyond are counted as lost.
pub(crate) const MAX_RESULTS: usize = 4096;

/// What became of all requests so far. `accepted` = `fired` + `failed` + `displaced` + those still under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests accepted.
    pub accepted: u64,
    /// Actions carried out.
    pub fired: u64,
    /// Actions that could not be carried out.
    pub failed: u64,
    /// Of these, those whose target's address is not one that may be connected to.
    pub denied: u64,
    /// Requests held back as duplicates.
    pub duplicates: u64,
    /// Requests held back by the rate of their source.
    pub rate_limited: u64,
    /// Requests held back by the rate of all sources together.
    pub globally_rate_limited: u64,
    /// Requests held back because the queue was full.
    pub queue_full: u64,
    /// Requests held back because too many for the same target were waiting.
    pub target_full: u64,
    /// Requests held back because too many of the same source were waiting.
    pub source_full: u64,
    /// Accepted actions that gave way to newer ones while they waited.
    pub displaced: u64,
    /// Actions that wait for their first turn, now.
    pub waiting: u64,
    /// Actions that wait to be done again, now.
    pub waiting_again: u64,
    /// Actions that are being carried out, now.
    pub running: u64,
    /// Results that nobody took in time.
    pub results_lost: u64,
}

/// Where results and counts go.
#[derive(Clone)]
pub(crate) struct Reports {
    results: sync::SyncSender<ActionResult>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    accepted: AtomicU64,
    fired: AtomicU64,
    failed: AtomicU64,
    denied: AtomicU64,
    duplicates: AtomicU64,
    rate_limited: AtomicU64,
    globally_rate_limited: AtomicU64,
    queue_full: AtomicU64,
    target_full: AtomicU64,
    source_full: AtomicU64,
    displaced: AtomicU64,
    results_lost: AtomicU64,
}

impl Reports {
    pub(crate) fn new() -> (Self, sync::Receiver<ActionResult>) {
        let (results, receiver) = sync::sync_channel(MAX_RESULTS);
        (Self { results, counts: Arc::default() }, receiver)
    }

    pub(crate) fn accepted(&self) {
        self.counts.accepted.fetch_add(1, Relaxed);
    }

    pub(crate) fn done(&self, request: ActionRequest, fired: Fired, accepted: Instant) {
        let count = if fired.is_err() { &self.counts.failed } else { &self.counts.fired };
        count.fetch_add(1, Relaxed);
        if let Err(FiringError::Http(HttpError::Denied(_))) = fired {
            self.counts.denied.fetch_add(1, Relaxed);
        }
        let outcome = fired.unwrap_or_else(|error| {
            let reason = chain(&error);
            tracing::warn!(source = ?request.source, %reason, "canary failed");
            Outcome::Failed(reason)
        });
        self.send(request, outcome, accepted);
    }

    pub(crate) fn rejected(&self, request: ActionRequest, rejected: Rejected, accepted: Instant) {
        let count = match rejected {
            Rejected::Duplicate => &self.counts.duplicates,
            Rejected::SourceRate => &self.counts.rate_limited,
            Rejected::GlobalRate => &self.counts.globally_rate_limited,
            Rejected::QueueFull => &self.counts.queue_full,
            Rejected::TargetFull => &self.counts.target_full,
            Rejected::SourceFull => &self.counts.source_full,
            Rejected::Displaced => &self.counts.displaced,
        };
        count.fetch_add(1, Relaxed);
        self.send(request, Outcome::Suppressed(rejected.reason()), accepted);
    }

    fn send(&self, request: ActionRequest, outcome: Outcome, accepted: Instant) {
        let duration = accepted.elapsed().as_nanos() as u64;
        if self.results.try_send(ActionResult { request, outcome, duration }).is_err() {
            self.counts.results_lost.fetch_add(1, Relaxed);
        }
    }

    /// The counts, and what the `places` hold.
    pub(crate) fn counters(&self, places: &Places) -> Counters {
        let read = |count: &AtomicU64| count.load(Relaxed);
        Counters {
            accepted: read(&self.counts.accepted),
            fired: read(&self.counts.fired),
            failed: read(&self.counts.failed),
            denied: read(&self.counts.denied),
            duplicates: read(&self.counts.duplicates),
            rate_limited: read(&self.counts.rate_limited),
            globally_rate_limited: read(&self.counts.globally_rate_limited),
            queue_full: read(&self.counts.queue_full),
            target_full: read(&self.counts.target_full),
            source_full: read(&self.counts.source_full),
            displaced: read(&self.counts.displaced),
            waiting: places.waiting(),
            waiting_again: places.waiting_again(),
            running: places.running(),
            results_lost: read(&self.counts.results_lost),
        }
    }
}

/// An error with what caused it, unless it says so itself.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let cause = source.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        next = source.source();
    }
    text
}
