//! A token bucket that keeps nothing but the time at which it will be full.

use std::time::Duration;

/// How large a bucket is and how fast it fills, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// From one token to the next.
    token: u64,
    /// From empty to full.
    whole: u64,
}

impl Rate {
    /// # Errors
    /// If no events pass at all, or the times are beyond what can be counted.
    pub(crate) fn new(burst: u32, per: Duration) -> Result<Self, String> {
        let whole = u64::try_from(per.as_nanos()).ok().filter(|whole| *whole <= 1 << 60);
        let whole = whole.ok_or("`per` is too long: write at most 24h")?;
        let token = whole
            .checked_div(u64::from(burst))
            .ok_or("`burst` is 0, so no event would pass: write 1 or more")?;
        if token == 0 {
            return Err(
                "`burst` in `per` is more than an event in a nanosecond: write a longer `per`".to_owned()
            );
        }
        Ok(Self { token, whole: token * u64::from(burst) })
    }
}

/// A bucket, full at first.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bucket {
    full_at: u64,
    /// Events dropped since one passed.
    pub(crate) suppressed: u64,
}

impl Bucket {
    /// Takes a token if there is one. Time may jump back a little: events of several CPUs are not in order.
    pub(crate) fn take(&mut self, rate: Rate, now: u64) -> bool {
        let full_at = self.full_at.max(now).saturating_add(rate.token);
        let allowed = full_at <= now.saturating_add(rate.whole);
        if allowed {
            self.full_at = full_at;
        }
        allowed
    }

    pub(crate) fn is_full(&self, now: u64) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_burst_passes_then_one_for_each_token() {
        let rate = Rate::new(2, Duration::from_secs(10)).unwrap();
        let mut bucket = Bucket::default();
        let second = |second: u64| second * 1_000_000_000;
        let taken =
            [100, 100, 100, 104, 105, 105, 104, 200, 200, 200].map(|at| bucket.take(rate, second(at)));
        assert_eq!(taken, [true, true, false, false, true, false, false, true, true, false]);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Rate::new(0, Duration::from_secs(1)).unwrap_err().contains("write 1 or more"));
        assert!(Rate::new(u32::MAX, Duration::from_millis(1)).unwrap_err().contains("longer `per`"));
        assert!(Rate::new(1, Duration::MAX).unwrap_err().contains("at most 24h"));
    }
}
