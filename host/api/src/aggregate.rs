//! Fewer events for a client: those that are equal but for when they happened come once in a window of time, with how
//! many they were. Tetragon's `aggregation_options`.
//!
//! What makes events equal is up to the client's field filters, which are applied before: without its `exec_id`, `pid`
//! and `start_time`, what every run of a program does is the same.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use prost::Message as _;
use tokio::time::{Instant, Sleep, sleep};

use crate::proto::get_events_response::Event as Kind;
use crate::proto::{AggregationInfo, AggregationOptions, GetEventsResponse};

/// `window_size`, if it is not set.
const DEFAULT_WINDOW: Duration = Duration::from_secs(15);
/// The longest window.
const MAX_WINDOW: Duration = Duration::from_secs(3_600);
/// `channel_buffer_size`, if it is not set.
const DEFAULT_CAPACITY: usize = 10_000;
/// Different events that a window may hold at most.
const MAX_CAPACITY: usize = 65_536;

/// The windows of one client, one after the other.
pub(crate) struct Aggregator {
    window: Duration,
    capacity: usize,
    /// Where to find an event in `gathered`, by what must be equal.
    places: HashMap<Vec<u8>, usize>,
    /// The first of each kind, in the order in which they came.
    gathered: Vec<(GetEventsResponse, u64)>,
    /// When the window ends; it begins with its first event.
    end: Pin<Box<Sleep>>,
    /// What ended windows have left for the client.
    ready: VecDeque<GetEventsResponse>,
}

/// Why options are refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AggregationError {
    #[error("aggregation_options.window_size: allowed are 1 ms to {} s", MAX_WINDOW.as_secs())]
    Window,
    #[error("aggregation_options.channel_buffer_size: {0} events; allowed are 1 to {MAX_CAPACITY}")]
    Capacity(u64),
}

impl Aggregator {
    /// Takes a client's options.
    pub(crate) fn new(options: &AggregationOptions) -> Result<Self, AggregationError> {
        let window = match options.window_size {
            None => DEFAULT_WINDOW,
            Some(size) => Duration::try_from(size).map_err(|_| AggregationError::Window)?,
        };
        if window < Duration::from_millis(1) || window > MAX_WINDOW {
            return Err(AggregationError::Window);
        }
        let capacity = match options.channel_buffer_size {
            0 => DEFAULT_CAPACITY,
            size => usize::try_from(size)
                .ok()
                .filter(|size| *size <= MAX_CAPACITY)
                .ok_or(AggregationError::Capacity(size))?,
        };
        Ok(Self {
            window,
            capacity,
            places: HashMap::new(),
            gathered: Vec::new(),
            end: Box::pin(sleep(window)),
            ready: VecDeque::new(),
        })
    }

    /// Takes in an event. A window that is full ends early, so that nothing is lost.
    pub(crate) fn add(&mut self, event: GetEventsResponse) {
        if !is_aggregated(&event) {
            return self.ready.push_back(event);
        }
        let key = key(&event);
        if let Some((_, count)) = self.places.get(&key).and_then(|place| self.gathered.get_mut(*place)) {
            *count += 1;
            return;
        }
        if self.gathered.is_empty() {
            self.end.as_mut().reset(Instant::now() + self.window);
        }
        self.places.insert(key, self.gathered.len());
        self.gathered.push((event, 1));
        if self.gathered.len() >= self.capacity {
            self.flush();
        }
    }

    /// Ends the window.
    pub(crate) fn flush(&mut self) {
        self.places.clear();
        self.ready.extend(self.gathered.drain(..).map(|(event, count)| GetEventsResponse {
            aggregation_info: Some(AggregationInfo { count }),
            ..event
        }));
    }

    /// The next event of a window that has ended; wakes the task up when that is the case.
    pub(crate) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<GetEventsResponse> {
        if !self.gathered.is_empty() && self.end.as_mut().poll(context).is_ready() {
            self.flush();
        }
        self.ready.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// Whether it may wait: what is lost, alerts, and what became of canaries are told at once, each by itself.
fn is_aggregated(event: &GetEventsResponse) -> bool {
    match event.event {
        Some(Kind::Loss(_) | Kind::ActionResult(_) | Kind::Alert(_) | Kind::PluginError(_)) | None => false,
        Some(_) => true,
    }
}

/// What must be equal: all but the time.
fn key(event: &GetEventsResponse) -> Vec<u8> {
    let mut event = event.clone();
    event.time = None;
    if let Some(Kind::ProcessExit(exit)) = &mut event.event {
        exit.time = None;
    }
    event.encode_to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use prost_types::Timestamp;

    use super::*;
    use crate::proto::{Loss, Process, ProcessExec};

    fn exec(pid: u32, seconds: i64) -> GetEventsResponse {
        let process = Some(Process { pid: Some(pid), ..Process::default() });
        GetEventsResponse {
            event: Some(Kind::ProcessExec(ProcessExec { process, parent: None })),
            time: Some(Timestamp { seconds, nanos: 0 }),
            ..GetEventsResponse::default()
        }
    }

    fn aggregator(window: Duration, capacity: u64) -> Aggregator {
        let window_size = window.try_into().ok();
        Aggregator::new(&AggregationOptions { window_size, channel_buffer_size: capacity }).unwrap()
    }

    /// The times and counts of what is ready.
    fn ready(aggregator: &mut Aggregator) -> Vec<(i64, u64)> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(event) = aggregator.poll_ready(&mut context) {
            all.push((event.time.unwrap().seconds, event.aggregation_info.map_or(0, |info| info.count)));
        }
        all
    }

    /// The next that is ready, now or when the window ends.
    async fn next(aggregator: &mut Aggregator) -> (i64, u64) {
        let event = std::future::poll_fn(|context| aggregator.poll_ready(context)).await;
        (event.time.unwrap().seconds, event.aggregation_info.map_or(0, |info| info.count))
    }

    #[tokio::test]
    async fn equal_events_come_once_when_the_window_ends() {
        let mut aggregator = aggregator(Duration::from_millis(1), 0);
        for event in [exec(1, 10), exec(2, 11), exec(1, 12), exec(1, 13)] {
            aggregator.add(event);
        }
        assert_eq!(next(&mut aggregator).await, (10, 3));
        assert_eq!(next(&mut aggregator).await, (11, 1));
        aggregator.add(exec(1, 20));
        assert_eq!(next(&mut aggregator).await, (20, 1));
    }

    #[tokio::test]
    async fn a_full_window_ends_early_and_losses_do_not_wait() {
        let mut aggregator = aggregator(MAX_WINDOW, 2);
        let lost = Kind::Loss(Loss { at: None, count: 3 });
        aggregator.add(exec(1, 10));
        aggregator.add(GetEventsResponse { event: Some(lost), ..exec(0, 11) });
        assert_eq!(ready(&mut aggregator), [(11, 0)]);
        aggregator.add(exec(1, 12));
        aggregator.add(exec(2, 13));
        assert_eq!(ready(&mut aggregator), [(10, 2), (13, 1)]);
    }

    #[tokio::test]
    async fn options_have_bounds() {
        let options = |seconds, capacity| AggregationOptions {
            window_size: Some(prost_types::Duration { seconds, nanos: 0 }),
            channel_buffer_size: capacity,
        };
        let refused = |seconds, capacity| Aggregator::new(&options(seconds, capacity)).err();
        assert_eq!(refused(3_600, 65_536), None);
        for (seconds, capacity, expected) in [
            (0, 0, AggregationError::Window),
            (-1, 0, AggregationError::Window),
            (3_601, 0, AggregationError::Window),
            (1, 65_537, AggregationError::Capacity(65_537)),
        ] {
            assert_eq!(refused(seconds, capacity), Some(expected));
        }
    }
}
