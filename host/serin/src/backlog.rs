//! Events on their way from the reader thread to the worker thread.
//!
//! Bounded: when the worker falls behind, the reader goes on, and what does
//! not fit is counted per CPU and comes out as losses.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serin_event::{Event, EventKind};

/// A queue of events with room for `capacity`.
pub(crate) struct Backlog {
    capacity: usize,
    batch: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    lost: BTreeMap<u16, u64>,
    closed: bool,
}

/// What [`Backlog::pop`] found besides events.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Popped {
    /// CPU and number of events that did not fit since the last pop.
    pub lost: Vec<(u16, u64)>,
    /// Nothing will come any more.
    pub finished: bool,
    /// How many events wait behind those.
    pub waiting: usize,
}

impl Backlog {
    /// Room for `capacity` events, handed out in batches of at most `batch`.
    pub(crate) fn new(capacity: usize, batch: usize) -> Self {
        Self { capacity, batch, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Adds events, each with the CPU it comes from. Never waits for the other side.
    pub(crate) fn push(&self, arrivals: impl IntoIterator<Item = (u16, Event)>) {
        let mut state = self.lock();
        let before = state.events.len();
        for (cpu, event) in arrivals {
            if state.events.len() < self.capacity {
                state.events.push_back(event);
            } else {
                let (cpu, count) = share(cpu, &event);
                *state.lost.entry(cpu).or_default() += count;
            }
        }
        // Whoever pops waits for the first event or for a full batch.
        let after = state.events.len();
        if before < after && (before == 0 || (before < self.batch && after >= self.batch)) {
            self.changed.notify_one();
        }
    }

    /// How many events there is room for.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many events there is room for, and how many wait.
    pub(crate) fn fill(&self) -> (usize, usize) {
        (self.capacity, self.lock().events.len())
    }

    /// Says that nothing will come any more.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Appends the next batch to `events`: waits up to `patience` for the first event, and then up to
    /// `linger` for the batch to fill.
    pub(crate) fn pop(&self, events: &mut Vec<Event>, patience: Duration, linger: Duration) -> Popped {
        let state = self.wait(self.lock(), 1, patience);
        let wanted = if state.events.is_empty() { 0 } else { self.batch };
        let mut state = self.wait(state, wanted, linger);
        let count = state.events.len().min(self.batch);
        events.extend(state.events.drain(..count));
        let lost = std::mem::take(&mut state.lost).into_iter().collect();
        Popped { lost, finished: state.closed && state.events.is_empty(), waiting: state.events.len() }
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        wanted: usize,
        patience: Duration,
    ) -> MutexGuard<'a, State> {
        let lacks = |state: &mut State| state.events.len() < wanted && !state.closed;
        let waited = self.changed.wait_timeout_while(state, patience, lacks);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// A thread that panicked leaves the queue as it is: nothing in it can be half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is lost with an event: a loss that is lost takes its count along.
fn share(cpu: u16, event: &Event) -> (u16, u64) {
    match event.kind {
        EventKind::Loss { cpu, count } => (cpu, count),
        _ => (cpu, 1),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    const NOW: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(30);

    fn event(time: u64) -> Event {
        Event {
            time,
            node_name: "gull".into(),
            kind: EventKind::Exec,
            process: None,
            parent: None,
            tid: 0,
            annotations: vec![],
            alerts: vec![],
        }
    }

    fn times(events: &[Event]) -> Vec<u64> {
        events.iter().map(|event| event.time).collect()
    }

    #[test]
    fn what_does_not_fit_is_counted_by_cpu() {
        let backlog = Backlog::new(2, 8);
        backlog.push([(0, event(1)), (1, event(2)), (1, event(3)), (1, event(4)), (0, event(5))]);
        let mut events = vec![];
        let popped = backlog.pop(&mut events, NOW, NOW);
        assert_eq!(popped, Popped { lost: vec![(0, 1), (1, 2)], finished: false, waiting: 0 });
        assert_eq!(times(&events), [1, 2]);
        assert_eq!(backlog.pop(&mut events, NOW, NOW).lost, []);
    }

    #[test]
    fn a_loss_that_is_lost_keeps_its_count() {
        let backlog = Backlog::new(1, 8);
        let loss = Event { kind: EventKind::Loss { cpu: 3, count: 40 }, ..event(2) };
        backlog.push([(0, event(1)), (0, loss), (3, event(3))]);
        assert_eq!(backlog.pop(&mut vec![], NOW, NOW).lost, [(3, 41)]);
    }

    #[test]
    fn a_batch_is_handed_out_when_full_and_the_rest_stays() {
        let backlog = Backlog::new(10, 2);
        backlog.push((1..=3).map(|time| (0, event(time))));
        for (expected, patience) in [(vec![1, 2], LONG), (vec![3], NOW), (vec![], NOW)] {
            let mut events = vec![];
            // A full batch does not linger; one that is not full would do so until the deadline.
            let linger = if expected.len() == 2 { LONG } else { NOW };
            backlog.pop(&mut events, patience, linger);
            assert_eq!(times(&events), expected);
        }
    }

    #[test]
    fn closing_wakes_and_finishes_once_empty() {
        let backlog = Arc::new(Backlog::new(10, 2));
        backlog.push((1..=3).map(|time| (0, event(time))));
        let other = backlog.clone();
        thread::spawn(move || other.close());
        let mut events = vec![];
        let mut pops = 0;
        while !backlog.pop(&mut events, LONG, LONG).finished {
            pops += 1;
        }
        assert_eq!((times(&events), pops), (vec![1, 2, 3], 1));
    }

    #[test]
    fn pushed_is_popped_or_lost() {
        const PUSHED: u64 = 100_000;
        let backlog = Arc::new(Backlog::new(100, 16));
        let reader = backlog.clone();
        let reader = thread::spawn(move || {
            for chunk in 0..PUSHED / 10 {
                reader.push((0..10).map(|n| (n as u16 % 4, event(chunk * 10 + n))));
            }
            reader.close();
        });
        let (mut popped, mut lost, mut last) = (0, 0, None);
        loop {
            let mut events = vec![];
            let state = backlog.pop(&mut events, LONG, NOW);
            for event in &events {
                assert!(last < Some(event.time), "{last:?} before {}", event.time);
                last = Some(event.time);
            }
            popped += events.len() as u64;
            lost += state.lost.iter().map(|&(_, count)| count).sum::<u64>();
            if state.finished {
                break;
            }
        }
        assert!(reader.join().is_ok());
        assert_eq!(popped + lost, PUSHED);
    }
}
