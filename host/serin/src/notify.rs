//! What the agent tells who supervises it: that it is ready, that it works, that it ends. See `sd_notify(3)`.
//!
//! Nothing is told unless `NOTIFY_SOCKET` names a socket, as systemd does for services of the type `notify`.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Interval, interval};

/// Tells the supervisor, if there is one.
pub(crate) struct Notifier {
    /// When to say that the agent works; none if nobody waits for that.
    watchdog: Option<Interval>,
}

impl Notifier {
    /// For whoever the environment names. To be called in a runtime.
    pub(crate) fn from_environment() -> Self {
        // Twice in the time, so that one that is late is no reason to be killed.
        let watchdog = sd_notify::watchdog_enabled().map(|time| interval(period(time)));
        Self { watchdog }
    }

    /// Everything is attached.
    pub(crate) fn ready(&self, what: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(what)]);
    }

    /// It is time to say whether the agent works; never, if nobody wants to know.
    pub(crate) async fn due(&mut self) {
        match &mut self.watchdog {
            Some(watchdog) => _ = watchdog.tick().await,
            None => std::future::pending().await,
        }
    }

    /// The agent works.
    pub(crate) fn works(&self) {
        tell(&[NotifyState::Watchdog]);
    }

    /// The agent has been asked to end.
    pub(crate) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }
}

/// An interval must not be zero.
fn period(time: Duration) -> Duration {
    (time / 2).max(Duration::from_millis(1))
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the supervisor cannot be told: {error}");
    }
}
