//! What is said to a human: on standard error, and how much of it.
//!
//! Events own standard output. `SERIN_LOG` chooses how much is said, like `RUST_LOG`; a client of the API can choose
//! again while the agent runs.

use std::io::{self, IsTerminal as _};

use serin_api::proto::LogLevel;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// How much is said unless somebody chooses.
const DEFAULT: &str = "warn,serin=info";

/// Changes how much is said.
#[derive(Debug, Clone)]
pub(crate) struct Log(reload::Handle<EnvFilter, Registry>);

impl Log {
    /// Says it on standard error from now on.
    pub(crate) fn start() -> Self {
        let filter = EnvFilter::try_from_env("SERIN_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT));
        let (log, subscriber) = Self::new(filter);
        subscriber.init();
        log
    }

    fn new(filter: EnvFilter) -> (Self, impl Subscriber + Send + Sync) {
        let (filter, handle) = reload::Layer::new(filter);
        let lines = fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .without_time();
        (Self(handle), tracing_subscriber::registry().with(filter).with(lines))
    }

    /// How much serin itself says; what the libraries say that it uses is another matter.
    pub(crate) fn level(&self) -> LogLevel {
        if tracing::enabled!(target: "serin", tracing::Level::TRACE) {
            LogLevel::Trace
        } else if tracing::enabled!(target: "serin", tracing::Level::DEBUG) {
            LogLevel::Debug
        } else if tracing::enabled!(target: "serin", tracing::Level::INFO) {
            LogLevel::Info
        } else if tracing::enabled!(target: "serin", tracing::Level::WARN) {
            LogLevel::Warn
        } else if tracing::enabled!(target: "serin", tracing::Level::ERROR) {
            LogLevel::Error
        } else {
            LogLevel::Panic
        }
    }

    /// Has serin say so much, in the place of whatever was chosen before, and libraries no more than that and warnings.
    ///
    /// # Errors
    /// Nothing is said any more.
    pub(crate) fn set_level(&self, level: LogLevel) -> Result<(), reload::Error> {
        let new = filter_of(level);
        let libraries = new.min(LevelFilter::WARN);
        self.0.reload(EnvFilter::new(format!("{libraries},serin={new}")))
    }
}

/// What people call a level.
pub(crate) fn name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Panic | LogLevel::Fatal => "off",
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}

fn filter_of(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Panic | LogLevel::Fatal => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_set_is_what_is_said() {
        let (log, subscriber) = Log::new(EnvFilter::new(DEFAULT));
        tracing::subscriber::with_default(subscriber, || {
            assert_eq!(log.level(), LogLevel::Info);
            for level in [LogLevel::Trace, LogLevel::Error, LogLevel::Panic, LogLevel::Debug, LogLevel::Warn]
            {
                log.set_level(level).unwrap();
                assert_eq!(log.level(), level);
                let library = tracing::enabled!(target: "wasmtime", tracing::Level::INFO);
                assert!(!library, "{level:?}");
            }
            log.set_level(LogLevel::Fatal).unwrap();
            assert_eq!(log.level(), LogLevel::Panic);
        });
    }

    #[test]
    fn the_level_is_serins_own() {
        let (log, subscriber) = Log::new(EnvFilter::new("error,serin_kernel=trace,serin=debug"));
        tracing::subscriber::with_default(subscriber, || assert_eq!(log.level(), LogLevel::Debug));
    }
}
