//! Opening a spool: what an earlier agent has left is found, and what it left half done is put right.

use std::collections::VecDeque;
use std::io::{BufReader, Read as _};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use super::folder::Folder;
use super::position::{Cursor, Position};
use super::{Appender, Ends, Reader, Segment, Spool, SpoolCounters, SpoolError, State, record};

/// Opens a spool of this many bytes, whose segments begin with this header.
pub(crate) fn open(path: &Path, size: u64, header: &'static [u8]) -> Result<Ends, SpoolError> {
    let folder = Folder::open(path)?;
    let names = folder.segments()?;
    let (cursor, content) = folder.cursor()?;
    let mut found = Found { header, torn: 0, end: None };
    let mut segments = VecDeque::new();
    // From the last one on, as that is the only one that need be read.
    for &first in names.iter().rev() {
        if let Some(segment) = found.segment(&folder, first)? {
            segments.push_front(segment);
        }
    }
    let position = found.position(Position::read(&content), &segments);
    let next = found.end.unwrap_or(0).max(position.record);
    let counters = SpoolCounters { torn: found.torn, ..SpoolCounters::default() };
    let state = State { segments, position, next, counters, finished: false, abandoned: false };
    let spool = Spool { folder, header, size, state: Mutex::new(state), changed: Condvar::new() };
    let (spool, mut cursor) = (Arc::new(spool), Cursor::new(cursor));
    spool.begin_clean();
    cursor.write(spool.lock().position);
    let (appender, reader) = (Appender::new(Arc::clone(&spool)), Reader::new(Arc::clone(&spool), cursor));
    Ok(Ends { spool, appender, reader })
}

/// What has been found so far.
struct Found {
    header: &'static [u8],
    /// Records cut off.
    torn: u64,
    /// The number after that of the last record, once the last segment has been looked at.
    end: Option<u64>,
}

impl Found {
    /// Looks at a segment; none if nothing is in it.
    fn segment(&mut self, folder: &Folder, first: u64) -> Result<Option<Segment>, SpoolError> {
        let file = folder.segment(first)?;
        let size = file.metadata()?.len();
        let mut header = Vec::new();
        (&file).take(self.header.len() as u64).read_to_end(&mut header)?;
        if !self.header.starts_with(&header) {
            return Err(SpoolError::OtherKind { segment: first });
        }
        let start = self.header.len() as u64;
        if size <= start {
            folder.remove_segment(first)?;
            return Ok(None);
        }
        if self.end.is_some() {
            return Ok(Some(Segment { first, bytes: size }));
        }
        let scanned = record::scan(BufReader::new(&file), size - start)?;
        let bytes = start + scanned.bytes;
        if bytes < size {
            file.set_len(bytes)?;
        }
        self.torn += scanned.torn;
        self.end = Some(first + scanned.records);
        Ok(Some(Segment { first, bytes }))
    }

    /// Where to go on: at the cursor, or, if that is not known, at the oldest record there is.
    fn position(&self, cursor: Option<Position>, segments: &VecDeque<Segment>) -> Position {
        let header = self.header.len() as u64;
        let start = |first| Position { segment: first, offset: header, record: first };
        let (Some(oldest), Some(end)) = (segments.front(), self.end) else {
            // Numbers go on, so that no segment gets the name of one that was there.
            return start(cursor.map_or(0, |cursor| cursor.record));
        };
        let is_in = |cursor: &Position, segment: &Segment| {
            segment.first == cursor.segment && (header..=segment.bytes).contains(&cursor.offset)
        };
        let known = cursor
            .filter(|cursor| cursor.record <= end && segments.iter().any(|segment| is_in(cursor, segment)));
        known.unwrap_or_else(|| start(oldest.first))
    }
}

impl Spool {
    /// Removes what has been delivered.
    fn begin_clean(&self) {
        let mut state = self.lock();
        if state.waiting() == 0 {
            state.position = self.start(state.next);
        }
        self.remove_passed(&mut state);
    }
}
