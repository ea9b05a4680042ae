//! Events as they are written or sent, one after the other in one buffer.

/// Room that a buffer keeps from use to use; what it needs beyond that is given back.
const KEPT_BUFFER: usize = 1 << 20;

/// Records in a buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Records<'a> {
    bytes: &'a [u8],
    /// Where each ends in `bytes`, from the beginning of the buffer that these are a part of.
    ends: &'a [usize],
    start: usize,
}

impl<'a> Records<'a> {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All of them.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        let end = self.ends.last().copied().unwrap_or(self.start);
        self.bytes.get(self.start..end).unwrap_or_default()
    }

    /// Each of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        let starts = std::iter::once(self.start).chain(self.ends.iter().copied());
        let bytes = self.bytes;
        let record = move |(start, end): (usize, usize)| bytes.get(start..end).unwrap_or_default();
        starts.zip(self.ends.iter().copied()).map(record)
    }

    /// The first `count`, and the rest.
    pub(crate) fn split_at(&self, count: usize) -> (Self, Self) {
        let (ends, rest) = self.ends.split_at(count.min(self.len()));
        let start = ends.last().copied().unwrap_or(self.start);
        (Self { ends, ..*self }, Self { ends: rest, start, ..*self })
    }

    /// How many are in the first `bytes`.
    pub(crate) fn count_within(&self, bytes: usize) -> usize {
        self.ends.partition_point(|end| *end <= self.start + bytes)
    }
}

/// A buffer of records.
#[derive(Debug, Default)]
pub(crate) struct RecordBuffer {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl RecordBuffer {
    /// Begins anew.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BUFFER);
        self.ends.clear();
    }

    /// Adds what `write` appends.
    pub(crate) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// What it holds.
    pub(crate) fn records(&self) -> Records<'_> {
        Records { bytes: &self.bytes, ends: &self.ends, start: 0 }
    }
}
