//! The time and the random bytes that plugins are given: the host's, or those of events that were recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::MAX_RANDOM;

/// What plugins are told of the time is a whole number of these: with a finer clock they could tell what runs beside them.
const RESOLUTION: Duration = Duration::from_millis(1);

/// Where time and randomness come from.
#[derive(Debug, Clone, Default)]
pub(crate) enum Source {
    /// The host.
    #[default]
    Host,
    /// The events themselves: this is the time of the last tick, or of the first event before it. So the same events have
    /// the same outcome again, in whichever batches they come.
    Events(Arc<AtomicU64>),
}

impl Source {
    /// One for events that were recorded.
    pub(crate) fn of_events() -> Self {
        Self::Events(Arc::default())
    }

    /// Says when a tick was; nanoseconds since the Unix epoch.
    pub(crate) fn tick(&self, time: u64) {
        if let Self::Events(now) = self {
            now.store(time, Ordering::Relaxed);
        }
    }

    /// Says when an event was, which counts if it is the first and there was no tick.
    pub(crate) fn begin(&self, time: u64) {
        if let Self::Events(now) = self {
            // If it has begun, it has.
            let _ = now.compare_exchange(0, time, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// The clock of an instance.
#[derive(Debug)]
pub(crate) struct Clock {
    source: Source,
    started: Instant,
    latest: u64,
}

impl Clock {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, started: Instant::now(), latest: 0 }
    }

    /// Nanoseconds since the Unix epoch; 0 before it.
    pub(crate) fn wall(&self) -> u64 {
        let now = match &self.source {
            Source::Host => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanoseconds),
            Source::Events(now) => now.load(Ordering::Relaxed),
        };
        coarse(now)
    }

    /// Nanoseconds since a moment of its own. It never goes back.
    pub(crate) fn monotonic(&mut self) -> u64 {
        let now = match &self.source {
            Source::Host => nanoseconds(self.started.elapsed()),
            Source::Events(now) => now.load(Ordering::Relaxed),
        };
        self.latest = self.latest.max(coarse(now));
        self.latest
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn coarse(time: u64) -> u64 {
    let resolution = nanoseconds(RESOLUTION);
    time / resolution * resolution
}

/// Why there are no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RandomError {
    #[error("asked for {0} random bytes; one call gives at most {MAX_RANDOM}")]
    TooMany(u32),
    #[error("the host has no random bytes")]
    Unavailable,
}

/// The random bytes of an instance.
#[derive(Debug)]
pub(crate) struct Random {
    source: Source,
    /// Where the sequence is that stands in for them where events were recorded.
    state: u64,
}

impl Random {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, state: 0 }
    }

    /// So many bytes.
    ///
    /// # Errors
    /// If there are too many of them, or the host has none.
    pub(crate) fn bytes(&mut self, count: u32) -> Result<Vec<u8>, RandomError> {
        if count > MAX_RANDOM {
            return Err(RandomError::TooMany(count));
        }
        let mut bytes = vec![0; count as usize];
        match self.source {
            Source::Host => aws_lc_rs::rand::fill(&mut bytes).map_err(|_| RandomError::Unavailable)?,
            Source::Events(_) => {
                for chunk in bytes.chunks_mut(8) {
                    chunk.copy_from_slice(self.next().to_le_bytes().get(..chunk.len()).unwrap_or_default());
                }
            }
        }
        Ok(bytes)
    }

    /// SplitMix64: <https://prng.di.unimi.it/splitmix64.c>
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_clock_of_events_is_theirs_and_goes_on_only() {
        let source = Source::of_events();
        let mut clock = Clock::new(source.clone());
        for (told, wall, monotonic) in [
            (5_000_999_999, 5_000_000_000, 5_000_000_000),
            (7_001_000_000, 7_001_000_000, 7_001_000_000),
            (6_000_000_000, 6_000_000_000, 7_001_000_000),
        ] {
            source.tick(told);
            source.begin(1);
            assert_eq!((clock.wall(), clock.monotonic()), (wall, monotonic), "{told}");
        }
    }

    #[test]
    fn the_hosts_clock_is_coarse() {
        let mut clock = Clock::new(Source::Host);
        std::thread::sleep(Duration::from_millis(3));
        let (wall, monotonic) = (clock.wall(), clock.monotonic());
        assert!(wall.is_multiple_of(1_000_000) && wall > 1_700_000_000_000_000_000, "{wall}");
        assert!(monotonic.is_multiple_of(1_000_000) && monotonic >= 3_000_000, "{monotonic}");
    }

    #[test]
    fn random_bytes_are_repeated_for_recorded_events_only() {
        let draw = |source: Source| Random::new(source).bytes(20).unwrap();
        assert_eq!(draw(Source::of_events()), draw(Source::of_events()));
        assert_ne!(draw(Source::Host), draw(Source::Host));
        let mut random = Random::new(Source::of_events());
        assert_ne!(random.bytes(16).unwrap(), random.bytes(16).unwrap());
        assert_eq!((random.bytes(0).unwrap().len(), random.bytes(4096).unwrap().len()), (0, 4096));
        assert_eq!(random.bytes(4097), Err(RandomError::TooMany(4097)));
    }
}
