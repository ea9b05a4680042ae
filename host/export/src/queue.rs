//! Events that wait for a sink.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serin_event::Event;

/// What to do with events when a sink's queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// Wait for room. All sinks and plugins wait then, and what the backlog can't hold comes out as `loss` events.
    Block,
    /// Drop and count them.
    Drop,
}

/// A bounded queue between the exporter and a sink's thread.
pub(crate) struct Queue {
    capacity: usize,
    overflow: Overflow,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    batches: VecDeque<Arc<Vec<Event>>>,
    /// Events in `batches`.
    events: usize,
    /// Nothing more is pushed.
    finished: Option<Instant>,
    /// Nothing more is popped.
    abandoned: bool,
    reopen: bool,
}

/// What [`Queue::pop`] found besides events.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Popped {
    /// The sink is to be reopened.
    pub reopen: bool,
    /// Nothing will come any more.
    pub finished: bool,
}

impl Queue {
    /// Room for this many events; for one batch always.
    pub(crate) fn new(capacity: usize, overflow: Overflow) -> Self {
        Self { capacity, overflow, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Adds events; false if they don't fit.
    pub(crate) fn push(&self, batch: &Arc<Vec<Event>>) -> bool {
        let mut state = self.lock();
        while !state.batches.is_empty() && state.events + batch.len() > self.capacity && !state.abandoned {
            if self.overflow == Overflow::Drop {
                return false;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.abandoned {
            return false;
        }
        state.events += batch.len();
        state.batches.push_back(Arc::clone(batch));
        self.changed.notify_all();
        true
    }

    /// Moves at least `wanted` events to `to`, by whole batches, or what has come after `linger`; waits up to
    /// `patience` for the first.
    pub(crate) fn pop(
        &self,
        to: &mut Vec<Arc<Vec<Event>>>,
        wanted: usize,
        patience: Duration,
        linger: Duration,
    ) -> Popped {
        let ready =
            |state: &State, count: usize| state.events >= count || state.finished.is_some() || state.reopen;
        let state = self.wait(self.lock(), patience, |state| ready(state, 1));
        let linger = if state.events == 0 { Duration::ZERO } else { linger };
        let mut state = self.wait(state, linger, |state| ready(state, wanted));
        let mut count = 0;
        while count < wanted.max(1)
            && let Some(batch) = state.batches.pop_front()
        {
            count += batch.len();
            to.push(batch);
        }
        state.events -= count;
        self.changed.notify_all();
        Popped {
            reopen: std::mem::take(&mut state.reopen),
            finished: state.finished.is_some() && state.batches.is_empty(),
        }
    }

    /// Events that wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().events
    }

    /// Says that nothing will come any more, and until when the sink has time.
    pub(crate) fn finish(&self, deadline: Instant) {
        self.lock().finished = Some(deadline);
        self.changed.notify_all();
    }

    /// Asks the sink to reopen what it writes to.
    pub(crate) fn reopen(&self) {
        self.lock().reopen = true;
        self.changed.notify_all();
    }

    /// Takes what is left; nothing can be added any more.
    pub(crate) fn abandon(&self) -> Vec<Arc<Vec<Event>>> {
        let mut state = self.lock();
        state.abandoned = true;
        state.events = 0;
        self.changed.notify_all();
        std::mem::take(&mut state.batches).into()
    }

    /// Waits before another attempt; false if there is no time for one.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let state = self.wait(self.lock(), time, |state| state.finished.is_some());
        let Some(deadline) = state.finished else { return true };
        drop(state);
        let left = deadline.saturating_duration_since(Instant::now());
        std::thread::sleep(time.min(left));
        time < left
    }

    /// Waits for so long, or until nothing will come any more; whether that is so.
    pub(crate) fn finishes_within(&self, time: Duration) -> bool {
        self.wait(self.lock(), time, |state| state.finished.is_some()).finished.is_some()
    }

    /// Whether the time that a sink has at the end is over.
    pub(crate) fn is_overdue(&self) -> bool {
        self.lock().finished.is_some_and(|deadline| deadline <= Instant::now())
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        time: Duration,
        done: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout_while(state, time, |state| !done(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// A thread that panicked leaves the queue as it is: nothing in it can be half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::thread;

    use super::*;
    use crate::testing::losses;

    const NOW: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(30);

    fn batch(count: u64) -> Arc<Vec<Event>> {
        Arc::new(losses(count))
    }

    fn popped(queue: &Queue, wanted: usize) -> Vec<usize> {
        let mut batches = Vec::new();
        queue.pop(&mut batches, wanted, NOW, NOW);
        batches.iter().map(|batch| batch.len()).collect()
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let queue = Queue::new(5, Overflow::Drop);
        assert!(queue.push(&batch(9)), "one batch always fits");
        assert!(!queue.push(&batch(1)));
        assert_eq!(popped(&queue, 1), [9]);
        assert_eq!([3, 2, 1].map(|count| queue.push(&batch(count))), [true, true, false]);
        assert_eq!((queue.len(), popped(&queue, 4)), (5, vec![3, 2]));
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn blocking_waits_for_room() {
        let queue = Arc::new(Queue::new(1, Overflow::Block));
        assert!(queue.push(&batch(1)));
        let other = Arc::clone(&queue);
        let pusher = thread::spawn(move || other.push(&batch(2)));
        let mut batches = Vec::new();
        while batches.len() < 2 {
            queue.pop(&mut batches, 1, LONG, NOW);
        }
        assert!(pusher.join().unwrap());
    }

    #[test]
    fn abandoning_frees_who_waits() {
        let queue = Arc::new(Queue::new(1, Overflow::Block));
        assert!(queue.push(&batch(1)));
        let other = Arc::clone(&queue);
        let pusher = thread::spawn(move || other.push(&batch(2)));
        let mut left = 0;
        while !pusher.is_finished() {
            left += queue.abandon().len();
        }
        // It was pushed before the queue was abandoned, or refused after.
        assert_eq!(left, 1 + usize::from(pusher.join().unwrap()));
    }

    #[test]
    fn finishing_and_reopening_wake() {
        let queue = Arc::new(Queue::new(10, Overflow::Drop));
        queue.reopen();
        assert_eq!(queue.pop(&mut Vec::new(), 1, LONG, LONG), Popped { reopen: true, finished: false });
        assert!(queue.push(&batch(1)));
        let other = Arc::clone(&queue);
        thread::spawn(move || other.finish(Instant::now()));
        let mut batches = Vec::new();
        while !queue.pop(&mut batches, 100, LONG, LONG).finished {}
        assert_eq!(batches.len(), 1);
        assert!(!queue.pause(NOW), "no time is left");
    }
}
