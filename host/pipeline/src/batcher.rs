//! Gathers events into batches.

use std::time::Instant;

use serin_event::Event;

use crate::{BATCH_TIME, MAX_BATCH};

/// Holds events until there are enough of them or the first has waited long enough.
#[derive(Debug, Default)]
pub struct Batcher {
    events: Vec<Event>,
    deadline: Option<Instant>,
}

impl Batcher {
    /// Adds an event that arrives `now`; gives the batch if it is full.
    pub fn push(&mut self, event: Event, now: Instant) -> Option<Vec<Event>> {
        self.events.push(event);
        self.deadline.get_or_insert(now + BATCH_TIME);
        (self.events.len() >= MAX_BATCH).then(|| self.take())
    }

    /// When the batch has to go on though it isn't full; nothing if it is empty.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The batch if it is due.
    pub fn due(&mut self, now: Instant) -> Option<Vec<Event>> {
        self.deadline.is_some_and(|deadline| deadline <= now).then(|| self.take())
    }

    /// The batch as it is; empty if there is none.
    pub fn take(&mut self) -> Vec<Event> {
        self.deadline = None;
        std::mem::replace(&mut self.events, Vec::with_capacity(MAX_BATCH))
    }
}
