//! The end of a spool where records come out.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::position::{Cursor, Position};
use super::record::{self, Parsed};
use super::{Segment, Spool, State};
use crate::post::MAX_BYTES;
use crate::records::RecordBuffer;

/// What a record is taken to have in bytes, to read so many at once.
const USUAL_RECORD: usize = 2 << 10;

/// Takes records out of a spool, the oldest first. There is one for each.
pub(crate) struct Reader {
    spool: Arc<Spool>,
    cursor: Cursor,
    file: Option<(u64, File)>,
    chunk: Vec<u8>,
}

/// Where to read.
struct Place {
    position: Position,
    /// Bytes of the segment.
    end: u64,
}

impl Reader {
    pub(super) fn new(spool: Arc<Spool>, cursor: Cursor) -> Self {
        Self { spool, cursor, file: None, chunk: Vec::new() }
    }

    /// Fills the buffer with up to `wanted` of the oldest records, which stay in the spool. Waits up to `patience`
    /// for the first, and then up to `linger` for the others. True if nothing will come after what there is.
    ///
    /// # Errors
    /// They can't be read now, but may be later.
    pub(crate) fn fetch(
        &mut self,
        wanted: usize,
        patience: Duration,
        linger: Duration,
        to: &mut RecordBuffer,
    ) -> io::Result<bool> {
        to.clear();
        let state = self.wait(self.spool.lock(), 1, patience);
        let linger = if state.waiting() == 0 { Duration::ZERO } else { linger };
        let finished = self.wait(state, wanted as u64, linger).finished;
        while let Some(place) = self.place() {
            if self.read(&place, wanted, to)? {
                break;
            }
            self.skip();
        }
        Ok(finished)
    }

    /// The first `count` of these records need not come again.
    pub(crate) fn pass(&mut self, fetched: &RecordBuffer, from: usize, count: usize) {
        let (_, rest) = fetched.records().split_at(from);
        let (passed, _) = rest.split_at(count);
        let bytes: u64 = passed.iter().map(record::framed).sum();
        let mut state = self.spool.lock();
        state.position.offset += bytes;
        state.position.record += passed.len() as u64;
        let position = state.position;
        drop(state);
        self.cursor.write(position);
        self.spool.changed.notify_all();
    }

    /// Nothing more will be taken out.
    pub(crate) fn abandon(&self) {
        self.spool.lock().abandoned = true;
    }

    /// Where the oldest record is, none if there is none; behind a segment it is in the next.
    fn place(&self) -> Option<Place> {
        let mut state = self.spool.lock();
        loop {
            if state.waiting() == 0 {
                return None;
            }
            let position = state.position;
            let at = state.segments.iter().position(|segment| segment.first >= position.segment)?;
            let segment = *state.segments.get(at)?;
            if segment.first == position.segment && position.offset < segment.bytes {
                return Some(Place { position, end: segment.bytes });
            }
            let next = if segment.first > position.segment {
                Some(segment)
            } else {
                state.segments.get(at + 1).copied()
            };
            self.enter(&mut state, next?);
        }
    }

    /// Goes on at the beginning of a segment; what is missing before it is counted.
    fn enter(&self, state: &mut State, next: Segment) {
        state.counters.corrupt += next.first.saturating_sub(state.position.record);
        state.position = self.spool.start(next.first);
        self.spool.remove_passed(state);
    }

    /// Reads records from a place; false if there is none that can be read.
    fn read(&mut self, place: &Place, wanted: usize, to: &mut RecordBuffer) -> io::Result<bool> {
        let Place { position, end } = *place;
        let file = match &self.file {
            Some((first, file)) if *first == position.segment => file,
            _ => match self.spool.folder.segment(position.segment) {
                Ok(file) => &self.file.insert((position.segment, file)).1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                // Such as that there are no descriptors left.
                Err(error) => return Err(error),
            },
        };
        let available = usize::try_from(end - position.offset).unwrap_or(usize::MAX);
        let mut count = wanted.saturating_mul(USUAL_RECORD).clamp(USUAL_RECORD, MAX_BYTES).min(available);
        loop {
            if read_at(file, position.offset, count, &mut self.chunk).is_err() {
                return Ok(false);
            }
            match fill(&self.chunk, wanted, to) {
                // It is longer than what was read.
                Some(needed) if needed <= available as u64 && needed > count as u64 => {
                    count = usize::try_from(needed).unwrap_or(available);
                }
                _ => return Ok(!to.records().is_empty()),
            }
        }
    }

    /// Passes over the rest of a segment: where its next record begins can't be told.
    fn skip(&mut self) {
        let mut state = self.spool.lock();
        let position = state.position;
        let before = state.counters.corrupt;
        match state.segments.iter().find(|segment| segment.first > position.segment).copied() {
            Some(next) => self.enter(&mut state, next),
            None => {
                let end = state.segments.back().map_or(position.offset, |last| last.bytes);
                state.counters.corrupt += state.waiting();
                state.position = Position { offset: end, record: state.next, ..position };
            }
        }
        let lost = state.counters.corrupt - before;
        let position = state.position;
        drop(state);
        self.file = None;
        self.cursor.write(position);
        // Without a loss it was what an attempt to write has left at a segment's end.
        if lost > 0 {
            tracing::error!("{lost} events in a spool can't be read any more; they are counted as lost");
        }
    }

    /// Waits until so many records are there, or nothing more will come.
    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        count: u64,
        time: Duration,
    ) -> MutexGuard<'a, State> {
        let deadline = Instant::now() + time;
        while state.waiting() < count && !state.finished {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.spool.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// Takes records from the beginning of the bytes; if there is none, but could be, how many bytes it needs.
fn fill(bytes: &[u8], wanted: usize, to: &mut RecordBuffer) -> Option<u64> {
    let mut rest = bytes;
    for _ in 0..wanted.max(1) {
        match record::parse(rest) {
            Parsed::Record(payload) => {
                to.add(|out| out.extend_from_slice(payload));
                rest = rest.get(record::framed(payload) as usize..).unwrap_or_default();
            }
            Parsed::Needs(needed) if to.records().is_empty() => return Some(needed),
            Parsed::Needs(_) | Parsed::Corrupt => break,
        }
    }
    None
}

/// Reads so many bytes from here on, or less where the file ends.
fn read_at(file: &File, offset: u64, count: usize, to: &mut Vec<u8>) -> io::Result<()> {
    to.clear();
    to.resize(count, 0);
    let mut read = 0;
    while read < count {
        match file.read_at(&mut to[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    to.truncate(read);
    Ok(())
}
