//! Records that wait on the disk for a peer, bounded, and across restarts.
//!
//! ```text
//! Appender ──▶ 00000000000000000000.spool  00000000000000000812.spool ──▶ Reader
//!              oldest, removed when passed  …                   cursor
//! ```
//!
//! A spool is a folder. Its segments are files of records, each named after the number of its first record, so that
//! what is in between is known without reading. The cursor says which record is the first that the peer has not taken.
//! Only the last segment can end in the middle of a record, when the agent was killed: the rest of it is cut.

mod appender;
mod folder;
mod open;
mod position;
mod reader;
mod record;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

pub(crate) use self::appender::{Appender, Refused};
use self::folder::Folder;
pub(crate) use self::open::open;
use self::position::Position;
pub(crate) use self::reader::Reader;

/// Why a spool can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The system refuses.
    #[error("can't be opened: {0}")]
    Io(#[from] io::Error),
    /// The path leads to something else, or elsewhere.
    #[error("is a symbolic link, or no folder; name the folder itself")]
    NotAFolder,
    /// It could be read by who owns it.
    #[error("belongs to user {0}, who could read and change events there; remove it, or name another")]
    Foreign(u32),
    /// Others can read it.
    #[error("has the mode {0:04o}, so that others could read or change events there: `chmod 0700` it")]
    Exposed(u32),
    /// Each needs its own.
    #[error("is in use by another sink or agent; give each a folder of its own")]
    InUse,
    /// Not only a spool's files are in it.
    #[error("holds `{0}`, which is no part of a spool; name a folder that is empty, or not there yet")]
    Stranger(String),
    /// Its records are written differently.
    #[error(
        "holds in {segment:020}.spool what is no record of this kind of sink; have one of the other kind deliver it, or name another folder"
    )]
    OtherKind {
        /// The number in the file's name.
        segment: u64,
    },
}

/// What a spool holds, and what it has lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SpoolCounters {
    /// Records that wait.
    pub records: u64,
    /// Bytes that its files take.
    pub bytes: u64,
    /// Bytes that they may take.
    pub size: u64,
    /// Records cut off as they were incomplete after a crash.
    pub torn: u64,
    /// Records passed over as they, or others before them in their file, can't be read any more.
    pub corrupt: u64,
    /// Records that are larger than the whole spool.
    pub too_large: u64,
    /// It takes nothing at present: it is full, or the disk is.
    pub stuck: bool,
}

impl SpoolCounters {
    /// All that it has lost.
    pub fn lost(&self) -> u64 {
        self.torn + self.corrupt + self.too_large
    }
}

/// The spool as its two ends and whoever watches share it.
pub(crate) struct Spool {
    folder: Folder,
    /// What each segment begins with: which kind of records.
    header: &'static [u8],
    /// Bytes that its files may take.
    size: u64,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Oldest first.
    segments: VecDeque<Segment>,
    position: Position,
    /// The number of the next record that is appended.
    next: u64,
    counters: SpoolCounters,
    /// Nothing more is appended.
    finished: bool,
    /// Nothing more is taken out.
    abandoned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    /// The number of its first record.
    first: u64,
    /// Bytes in it that are whole records, and its header.
    bytes: u64,
}

impl Spool {
    /// What it holds and has lost.
    pub(crate) fn counters(&self) -> SpoolCounters {
        let state = self.lock();
        SpoolCounters { records: state.waiting(), bytes: state.bytes(), size: self.size, ..state.counters }
    }

    /// Whether nothing is taken out any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    /// Whether it takes nothing at present; true if that is new.
    pub(crate) fn set_stuck(&self, stuck: bool) -> bool {
        std::mem::replace(&mut self.lock().counters.stuck, stuck) != stuck
    }

    /// A record that can never be appended.
    pub(crate) fn count_too_large(&self) {
        self.lock().counters.too_large += 1;
    }

    /// Where the first record of a segment begins.
    fn start(&self, first: u64) -> Position {
        Position { segment: first, offset: self.header.len() as u64, record: first }
    }

    /// Removes the segments before the position.
    fn remove_passed(&self, state: &mut State) {
        while let Some(oldest) = state.segments.front()
            && oldest.first < state.position.segment
        {
            if let Err(error) = self.folder.remove_segment(oldest.first)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!("what a spool has delivered can't be removed: {error}");
            }
            state.segments.pop_front();
        }
    }

    /// A thread that panicked leaves the state as it is: nothing in it can be half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Records that wait.
    fn waiting(&self) -> u64 {
        self.next.saturating_sub(self.position.record)
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }
}

/// Both ends of a spool.
pub(crate) struct Ends {
    pub(crate) spool: Arc<Spool>,
    pub(crate) appender: Appender,
    pub(crate) reader: Reader,
}

#[cfg(test)]
mod tests;
