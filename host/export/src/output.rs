//! A sink as the exporter and its thread both see it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use serin_event::Event;

use crate::filter::Filter;
use crate::queue::Queue;
use crate::spool::{Spool, SpoolCounters};

/// What a sink has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Events written.
    pub written: u64,
    /// Events lost, as the sink failed or was closed.
    pub lost: u64,
    /// Events dropped, as its queue was full.
    pub dropped: u64,
    /// Writes that were tried again.
    pub retries: u64,
    /// Events that wait now, in the queue.
    pub queued: u64,
    /// Those that wait on the disk, if there is a spool. What it has lost is in `lost` too.
    pub spool: Option<SpoolCounters>,
}

/// How a sink is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// The last write succeeded, or there was none.
    Working,
    /// The last write failed.
    Failing,
    /// Its reader went away; not written to any more.
    Closed,
}

impl State {
    /// In lower case: `working`, `failing`, `closed`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Failing => "failing",
            Self::Closed => "closed",
        }
    }
}

/// What both sides share.
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) queue: Queue,
    filter: Filter,
    spool: Option<Arc<Spool>>,
    state: AtomicU8,
    written: AtomicU64,
    lost: AtomicU64,
    dropped: AtomicU64,
    retries: AtomicU64,
}

impl Output {
    pub(crate) fn new(name: String, queue: Queue, filter: Filter, spool: Option<Arc<Spool>>) -> Self {
        Self {
            name,
            queue,
            filter,
            spool,
            state: AtomicU8::new(State::Working as u8),
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            retries: AtomicU64::new(0),
        }
    }

    /// Hands events to the thread, or counts them.
    pub(crate) fn push(&self, events: &Arc<Vec<Event>>) {
        if self.state() != State::Closed && self.queue.push(events) {
            return;
        }
        let missed = self.passing(events);
        let counter = if self.state() == State::Closed { &self.lost } else { &self.dropped };
        let before = counter.fetch_add(missed, Ordering::Relaxed);
        if before == 0 && missed > 0 && self.state() != State::Closed {
            tracing::warn!(sink = self.name, "queue is full: events are dropped, and counted");
        }
    }

    /// Counts what is in the queue as lost; nothing can be added any more.
    pub(crate) fn abandon(&self) {
        let state = State::Closed as u8;
        if self.state.swap(state, Ordering::Relaxed) != state {
            tracing::info!(sink = self.name, "sink is closed: nobody reads it any more");
        }
        let left = self.queue.abandon().iter().map(|events| self.passing(events)).sum();
        self.lost.fetch_add(left, Ordering::Relaxed);
    }

    /// Those of the events that this sink wants.
    fn passing(&self, events: &[Event]) -> u64 {
        events.iter().filter(|event| self.filter.passes(event)).count() as u64
    }

    pub(crate) fn count_written(&self, count: usize) {
        self.written.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_lost(&self, count: usize) {
        self.lost.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// A write succeeded. Reported once after failures.
    pub(crate) fn works(&self) {
        let before = self.state.swap(State::Working as u8, Ordering::Relaxed);
        if before == State::Failing as u8 {
            tracing::info!(sink = self.name, lost = self.counters().lost, "sink works again");
        }
    }

    /// A write failed. Reported once until one succeeds.
    pub(crate) fn fails(&self, error: &io::Error) {
        let before = self.state.swap(State::Failing as u8, Ordering::Relaxed);
        if before != State::Failing as u8 {
            let then =
                if self.spool.is_some() { "events wait in its spool" } else { "what it loses is counted" };
            tracing::error!(sink = self.name, %error, "sink fails; {then}");
        }
    }

    pub(crate) fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            state if state == State::Working as u8 => State::Working,
            state if state == State::Failing as u8 => State::Failing,
            _ => State::Closed,
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        let spool = self.spool.as_ref().map(|spool| spool.counters());
        let lost_in_spool = spool.map_or(0, |spool| spool.lost());
        Counters {
            written: self.written.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed) + lost_in_spool,
            dropped: self.dropped.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
            queued: self.queue.len() as u64,
            spool,
        }
    }
}
