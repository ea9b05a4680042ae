//! From the kernel's clock to the wall clock.

use rustix::time::{ClockId, clock_gettime};

/// How long an offset is good for, in nanoseconds.
const RESAMPLE_AFTER: u64 = 1_000_000_000;

/// Turns `CLOCK_BOOTTIME`, which records carry, into nanoseconds since the Unix epoch, which events carry.
///
/// The difference between the two changes when the wall clock is set or slewed,
/// so it is taken anew once a second. Boot time goes on during suspend, so a
/// suspend does not change it. Events can't go back in time by more than the
/// wall clock was set back.
#[derive(Debug, Clone)]
pub struct Clock {
    /// Unix time at boot.
    offset: u64,
    /// Boot time when the offset was taken; none if it is fixed.
    sampled: Option<u64>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        let (offset, sampled) = sample();
        Self { offset, sampled: Some(sampled) }
    }

    /// A clock that was booted at this point in time and is never set: for replays and tests.
    pub const fn booted_at(unix: u64) -> Self {
        Self { offset: unix, sampled: None }
    }

    /// Unix time of a point in boot time.
    pub(crate) const fn unix(&self, boot_time: u64) -> u64 {
        self.offset.saturating_add(boot_time)
    }

    /// Tells the clock that it is this late at least.
    pub(crate) fn advance(&mut self, boot_time: u64) {
        if self.sampled.is_some_and(|sampled| boot_time >= sampled.saturating_add(RESAMPLE_AFTER)) {
            *self = Self::system();
        }
    }
}

/// Unix time at boot, and the boot time now.
fn sample() -> (u64, u64) {
    let before = nanoseconds(ClockId::Boottime);
    let unix = nanoseconds(ClockId::Realtime);
    let after = nanoseconds(ClockId::Boottime);
    (unix.saturating_sub(before + (after - before) / 2), after)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    // Both clocks are positive; a wall clock set before 1970 counts as 1970.
    u64::try_from(time.tv_sec).map_or(0, |seconds| seconds * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn follows_the_wall_clock() {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let now = Clock::system().unix(nanoseconds(ClockId::Boottime));
        let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        // The two clocks are not read at one instant.
        let slack = 1_000_000_000;
        assert!((before - slack..after + slack).contains(&now), "{before} {now} {after}");
    }

    #[test]
    fn takes_the_offset_anew_after_a_second() {
        let (_, now) = sample();
        let mut clock = Clock { offset: 0, sampled: Some(now) };
        clock.advance(now + RESAMPLE_AFTER - 1);
        assert_eq!(clock.offset, 0, "too early");
        clock.advance(now + RESAMPLE_AFTER);
        assert_ne!(clock.offset, 0, "due");
        let mut fixed = Clock::booted_at(1_000);
        fixed.advance(u64::MAX);
        assert_eq!(fixed.unix(7), 1_007);
    }
}
