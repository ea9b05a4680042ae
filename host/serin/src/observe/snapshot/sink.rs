//! What became of events and spans that leave the host.

use serde::{Deserialize, Serialize};

/// A sink.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sink {
    pub name: String,
    /// `working`, `failing` or `closed`.
    pub state: String,
    pub written: u64,
    pub lost: u64,
    pub dropped: u64,
    pub retries: u64,
    pub queued: u64,
    /// None if it has no spool.
    #[serde(default)]
    pub spool: Option<Spool>,
}

/// What waits on the disk for a sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spool {
    pub records: u64,
    pub bytes: u64,
    pub size: u64,
    /// It takes nothing.
    pub stuck: bool,
    pub torn: u64,
    pub corrupt: u64,
    pub too_large: u64,
}

impl From<serin_export::SpoolCounters> for Spool {
    fn from(counters: serin_export::SpoolCounters) -> Self {
        Self {
            records: counters.records,
            bytes: counters.bytes,
            size: counters.size,
            stuck: counters.stuck,
            torn: counters.torn,
            corrupt: counters.corrupt,
            too_large: counters.too_large,
        }
    }
}

impl From<(&str, serin_export::State, serin_export::Counters)> for Sink {
    fn from((name, state, counters): (&str, serin_export::State, serin_export::Counters)) -> Self {
        Self {
            name: name.to_owned(),
            state: state.name().to_owned(),
            written: counters.written,
            lost: counters.lost,
            dropped: counters.dropped,
            retries: counters.retries,
            queued: counters.queued,
            spool: counters.spool.map(Spool::from),
        }
    }
}

/// What became of spans of traces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Traces {
    pub sent: u64,
    pub lost: u64,
    pub dropped: u64,
    pub retries: u64,
    pub queued: u64,
    pub failing: bool,
}

impl From<serin_export::TraceCounters> for Traces {
    fn from(counters: serin_export::TraceCounters) -> Self {
        Self {
            sent: counters.sent,
            lost: counters.lost,
            dropped: counters.dropped,
            retries: counters.retries,
            queued: counters.queued,
            failing: counters.failing,
        }
    }
}
