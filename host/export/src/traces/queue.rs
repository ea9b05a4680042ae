//! Spans that wait, and what became of the others.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Span, TraceCounters};

/// A queue with room for `capacity` spans.
pub(super) struct SpanQueue {
    capacity: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    spans: VecDeque<Span>,
    /// Taken, and not settled yet.
    taken: usize,
    counters: TraceCounters,
    /// Nothing will come any more.
    finished: bool,
    /// Nobody waits for what is still under way: it is counted.
    abandoned: bool,
}

impl SpanQueue {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Adds the spans of a trace, all or none.
    pub(super) fn push(&self, spans: Vec<Span>) {
        let mut state = self.lock();
        if state.finished || state.spans.len() + spans.len() > self.capacity {
            if state.counters.dropped == 0 {
                tracing::warn!("too many traces wait: further ones are dropped, and counted");
            }
            state.counters.dropped += spans.len() as u64;
            return;
        }
        state.spans.extend(spans);
        self.changed.notify_one();
    }

    pub(super) fn count_dropped(&self, count: usize) {
        self.lock().counters.dropped += count as u64;
    }

    /// Takes up to `most`: waits for the first, and then up to `linger` for the others. None at the end.
    pub(super) fn take(&self, most: usize, linger: Duration) -> Option<Vec<Span>> {
        let mut state = self.lock();
        while state.spans.is_empty() {
            if state.finished {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut state = self.wait(state, linger, |state| state.spans.len() >= most);
        let count = state.spans.len().min(most);
        state.taken = count;
        Some(state.spans.drain(..count).collect())
    }

    /// Counts what became of spans that were taken.
    pub(super) fn settle(&self, sent: usize, lost: usize) {
        let mut state = self.lock();
        if !state.abandoned {
            state.taken -= (sent + lost).min(state.taken);
            state.counters.sent += sent as u64;
            state.counters.lost += lost as u64;
        }
    }

    /// A request succeeded. Reported once after failures.
    pub(super) fn works(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.counters.failing) {
            tracing::info!(
                lost = state.counters.lost,
                dropped = state.counters.dropped,
                "traces are delivered again"
            );
        }
    }

    /// A request failed. Reported once until one succeeds.
    pub(super) fn fails(&self, error: &io::Error) {
        if !std::mem::replace(&mut self.lock().counters.failing, true) {
            tracing::warn!(%error, "traces are not delivered; events are not held up, and what is lost is counted");
        }
    }

    /// Waits before another attempt; false if there is to be none.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let mut state = self.wait(self.lock(), pause, |_| false);
        let again = !state.finished;
        state.counters.retries += u64::from(again);
        again
    }

    /// Nothing will come any more.
    pub(super) fn finish(&self) {
        self.lock().finished = true;
        self.changed.notify_all();
    }

    /// What has not been settled is lost.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        let left = state.spans.len() + std::mem::take(&mut state.taken);
        state.spans.clear();
        state.counters.lost += left as u64;
        state.abandoned = true;
    }

    pub(super) fn counters(&self) -> TraceCounters {
        let state = self.lock();
        TraceCounters { queued: (state.spans.len() + state.taken) as u64, ..state.counters }
    }

    /// Waits, up to `patience`, until something holds or nothing will come any more.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        patience: Duration,
        holds: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let waited =
            self.changed.wait_timeout_while(state, patience, |state| !state.finished && !holds(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// A thread that panicked leaves counters and whole spans.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
