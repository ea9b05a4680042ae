//! Doing again what failed and may not the next time.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use serin_event::action::Outcome;

use crate::config::CanaryConfig;
use crate::dns::DnsError;
use crate::firing::{Fired, Firing, FiringError};
use crate::http::HttpError;
use crate::places::{Place, Share};
use crate::waiting::Job;
use crate::watch::Attempt;

/// The longest wait, whatever it has doubled to.
const LONGEST: Duration = Duration::from_secs(300);

/// Carries actions out, more than once if need be.
#[derive(Clone)]
pub(crate) struct Retrying {
    firing: Firing,
    config: crate::config::Retry,
}

impl Retrying {
    pub(crate) fn new(firing: Firing, config: &CanaryConfig) -> Self {
        Self { firing, config: config.retry }
    }

    /// Carries an action out, in a place of its share. While it waits, another may run there.
    pub(crate) async fn fire(&self, job: &Job, share: &Share, mut running: Place) -> Fired {
        let mut fired = self.once(job, 0).await;
        for attempt in 0..self.config.times {
            if !is_passing(&fired) {
                break;
            }
            let Some(_waiting) = share.wait_again() else { break };
            drop(running);
            tokio::time::sleep(pause(self.config.wait, attempt)).await;
            match share.run().await {
                Some(next) => running = next,
                None => break,
            }
            fired = self.once(job, attempt + 1).await;
        }
        fired
    }

    /// Tries once, after so many earlier tries.
    async fn once(&self, job: &Job, earlier: u32) -> Fired {
        let began = Instant::now();
        let fired = self.firing.fire(&job.request).await;
        if let Some(watch) = &job.watch {
            watch.tried(&job.request, &Attempt::new(earlier, began, &fired));
        }
        fired
    }
}

/// Whether the next try may end otherwise.
fn is_passing(fired: &Fired) -> bool {
    match fired {
        Ok(Outcome::HttpStatus(status)) => *status == 429 || *status >= 500,
        Err(FiringError::Dns(error)) => {
            matches!(error, DnsError::Lookup(_) | DnsError::NoConnection | DnsError::Timeout(_))
        }
        Err(FiringError::Http(error)) => {
            matches!(error, HttpError::Request(_) | HttpError::Timeout(_) | HttpError::NoAddresses)
        }
        _ => false,
    }
}

/// Between half and one and a half of the wait, which doubles with each attempt.
fn pause(wait: Duration, attempt: u32) -> Duration {
    let whole = wait.saturating_mul(1 << attempt.min(16)).min(LONGEST);
    // The standard library's only source of randomness.
    let random = RandomState::new().hash_one(attempt) % 1024;
    whole / 2 + whole.mul_f64(random as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_scatter() {
        let second = Duration::from_secs(1);
        for attempt in 0..4 {
            let whole = second * (1 << attempt);
            let pauses: Vec<_> = (0..100).map(|_| pause(second, attempt)).collect();
            assert!(pauses.iter().all(|pause| *pause >= whole / 2 && *pause < whole * 3 / 2), "{pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "not random");
        }
        assert!(pause(Duration::from_secs(60), 9) <= LONGEST * 3 / 2);
    }
}
