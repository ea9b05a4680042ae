//! One of the workers of a plugin: an instance, and the events that are its.

use std::time::{Duration, Instant};

use serin_event::Event;

use crate::bindings::serin::plugin::types::Outcome;
use crate::error::Failure;
use crate::instance::Instance;
use crate::redact::Masks;

/// A worker: workers of one plugin run at once, each with an instance of its own.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) state: State,
    /// The events of the batch that it is to see, by their index.
    events: Vec<usize>,
    /// How many of them are behind it.
    done: usize,
    /// How many of those that follow are in the frame that it has.
    framed: usize,
    answer: Option<Answer>,
}

/// Whether a worker has an instance.
#[derive(Debug)]
pub(crate) enum State {
    Running { instance: Instance, since: Instant },
    Waiting { until: Instant },
    Disabled,
}

/// What came of a call.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) outcome: Result<Outcome, Failure>,
    pub(crate) masks: Masks,
    pub(crate) log_lines_lost: u64,
    pub(crate) memory: usize,
    pub(crate) time: Duration,
}

impl Worker {
    pub(crate) fn new(instance: Instance) -> Self {
        let state = State::Running { instance, since: Instant::now() };
        Self { state, events: Vec::new(), done: 0, framed: 0, answer: None }
    }

    pub(crate) fn instance(&mut self) -> Option<&mut Instance> {
        match &mut self.state {
            State::Running { instance, .. } => Some(instance),
            State::Waiting { .. } | State::Disabled => None,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Begins a batch.
    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.done = 0;
    }

    /// Gives it one more event.
    pub(crate) fn push(&mut self, index: usize) {
        self.events.push(index);
    }

    /// The events that it has not seen yet.
    pub(crate) fn rest(&self) -> &[usize] {
        self.events.get(self.done..).unwrap_or_default()
    }

    /// The next events of the rest are in its frame.
    pub(crate) fn set_framed(&mut self, count: usize) {
        self.framed = count.clamp(1, self.rest().len().max(1));
    }

    /// Whether it has a frame that it was not called with.
    pub(crate) fn is_framed(&self) -> bool {
        self.framed > 0
    }

    /// Calls the instance with its frame.
    pub(crate) fn call(&mut self, frame: &[u8]) {
        let Some(instance) = self.instance() else { return };
        let started = Instant::now();
        let outcome = instance.on_frame(frame);
        let masks = instance.take_masks();
        let log_lines_lost = instance.take_log_lines_lost();
        let memory = instance.memory_used();
        self.answer = Some(Answer { outcome, masks, log_lines_lost, memory, time: started.elapsed() });
    }

    /// What came of its call, and the events that it was of.
    pub(crate) fn take_answer(&mut self) -> Option<(Answer, &[usize])> {
        let answer = self.answer.take()?;
        let begin = self.done;
        self.done += std::mem::take(&mut self.framed);
        Some((answer, self.events.get(begin..self.done).unwrap_or_default()))
    }

    /// Gives up the events that it has not seen.
    pub(crate) fn take_rest(&mut self) -> &[usize] {
        let begin = std::mem::replace(&mut self.done, self.events.len());
        self.events.get(begin..).unwrap_or_default()
    }
}

/// Which of so many workers gets an event: those of a process always go to the same, so that it sees them in order.
pub(crate) fn place(event: &Event, workers: usize) -> usize {
    let pid = event.process.as_ref().map_or(0, |process| process.pid);
    pid as usize % workers.max(1)
}
