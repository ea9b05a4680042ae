//! The end of a spool where records go in.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Instant;

use super::{Segment, Spool, record};
use crate::config::Sync;
use crate::records::Records;

/// Segments that a spool is made of, at least: what has been delivered of one still takes its room.
const SEGMENTS: u64 = 16;
/// No segment becomes larger, unless a single record is, so that a start does not have to read more.
const MAX_SEGMENT: u64 = 64 << 20;

/// Appends records to a spool. There is one for each.
pub(crate) struct Appender {
    spool: Arc<Spool>,
    /// The last segment, once this has opened it.
    file: Option<(u64, File)>,
    buffer: Vec<u8>,
    sync: Sync,
    /// Since when there is something in the last segment that may not be on the disk.
    unsynced: Option<Instant>,
}

/// Why a record was not appended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("it is full")]
    Full,
    #[error("an event is larger than the spool")]
    TooLarge,
    #[error("{0}")]
    Failed(#[from] io::Error),
}

impl Appender {
    pub(super) fn new(spool: Arc<Spool>) -> Self {
        Self { spool, file: None, buffer: Vec::new(), sync: Sync::Never, unsynced: None }
    }

    /// Writes to the disk what the system has taken, as this says.
    pub(crate) fn set_sync(&mut self, sync: Sync) {
        self.sync = sync;
    }

    /// To be called several times a second, also when there is nothing to append.
    ///
    /// # Errors
    /// What the system has taken may not be on the disk.
    pub(crate) fn tick(&mut self) -> io::Result<()> {
        match (self.sync, self.unsynced) {
            (Sync::Every(interval), Some(since)) if since.elapsed() >= interval => self.force(),
            _ => Ok(()),
        }
    }

    /// Appends at least the first of these records, and those after it that fit into the same segment; how many.
    ///
    /// # Errors
    /// There is no room for the first one, in the spool or on the disk. Nothing is appended then.
    pub(crate) fn append(&mut self, records: Records<'_>) -> Result<usize, Refused> {
        let Some(first) = records.iter().next() else { return Ok(0) };
        let needed = record::framed(first);
        if needed > u64::from(u32::MAX) || needed + self.spool.header.len() as u64 > self.spool.size {
            return Err(Refused::TooLarge);
        }
        let (segment, room) = self.segment(needed)?;
        let mut count = self.fill(records, room);
        while let Err(error) = self.write(segment) {
            // A disk that is nearly full may still have room for some.
            if error.kind() != io::ErrorKind::StorageFull || count <= 1 {
                return Err(error.into());
            }
            count = self.fill(records.split_at(count / 2).0, room);
        }
        self.unsynced.get_or_insert_with(Instant::now);
        if self.sync == Sync::Always {
            self.force()?;
        }
        let mut state = self.spool.lock();
        state.next += count as u64;
        if let Some(last) = state.segments.back_mut() {
            last.bytes += self.buffer.len() as u64;
        }
        self.spool.changed.notify_all();
        Ok(count)
    }

    /// Puts records into the buffer, the first one and those after it that there is room for; how many.
    fn fill(&mut self, records: Records<'_>, room: u64) -> usize {
        self.buffer.clear();
        let mut count = 0;
        for payload in records.iter() {
            if count > 0 && self.buffer.len() as u64 + record::framed(payload) > room {
                break;
            }
            record::write(payload, &mut self.buffer);
            count += 1;
        }
        count
    }

    /// Nothing more will be appended.
    pub(crate) fn finish(&self) {
        self.spool.lock().finished = true;
        self.spool.changed.notify_all();
    }

    /// The segment to append to, and how many bytes it has room for: at least those that are needed.
    fn segment(&mut self, needed: u64) -> Result<(Segment, u64), Refused> {
        let most = (self.spool.size / SEGMENTS).min(MAX_SEGMENT);
        let spool = Arc::clone(&self.spool);
        let mut state = spool.lock();
        let idle = state.waiting() == 0;
        // On a full disk a segment that has been delivered as a whole is to give its room back.
        let stuck = idle && state.counters.stuck;
        let fits = |last: &Segment| !stuck && last.bytes + needed <= most;
        let last = match state.segments.back().copied() {
            // A segment that is empty has the name that the next would have.
            Some(last) if last.first == state.next || fits(&last) => last,
            _ => {
                if idle {
                    state.position = spool.start(state.next);
                    spool.remove_passed(&mut state);
                }
                let bytes = spool.header.len() as u64;
                if state.bytes() + bytes + needed > spool.size {
                    return Err(Refused::Full);
                }
                let first = state.next;
                self.force_if_wanted()?;
                self.file = Some((first, spool.folder.new_segment(first, spool.header)?));
                if self.sync != Sync::Never {
                    spool.folder.sync()?;
                }
                let segment = Segment { first, bytes };
                state.segments.push_back(segment);
                segment
            }
        };
        let room = spool.size.saturating_sub(state.bytes());
        if needed > room {
            return Err(Refused::Full);
        }
        Ok((last, room.min(most.saturating_sub(last.bytes)).max(needed)))
    }

    /// Whether the system has nothing of it that may not be on the disk.
    #[cfg(test)]
    pub(super) fn is_forced(&self) -> bool {
        self.unsynced.is_none()
    }

    fn force_if_wanted(&mut self) -> io::Result<()> {
        if self.sync == Sync::Never { Ok(()) } else { self.force() }
    }

    /// Writes to the disk what the system has taken.
    fn force(&mut self) -> io::Result<()> {
        match (self.unsynced.take(), &self.file) {
            (Some(_), Some((_, file))) => file.sync_data(),
            _ => Ok(()),
        }
    }

    /// Writes the buffer behind what is whole in the segment.
    fn write(&mut self, segment: Segment) -> io::Result<()> {
        let file = match &self.file {
            Some((first, file)) if *first == segment.first => file,
            _ => &self.file.insert((segment.first, self.spool.folder.segment(segment.first)?)).1,
        };
        file.write_all_at(&self.buffer, segment.bytes).inspect_err(|_| {
            // If this fails too, what is written next goes over it.
            let _ = file.set_len(segment.bytes);
        })
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        if let Err(error) = self.force_if_wanted() {
            tracing::warn!("what a spool holds can't be written to the disk: {error}");
        }
        // However the thread ends, the other one is not to wait for it.
        self.finish();
    }
}
