//! Writing: structures are laid down first, their data after them.

use alloc::vec::Vec;
use core::ops::Range;

use crate::schema::{EventWriter, ProcessWriter};
use crate::{HEADER_SIZE, MAGIC, SCHEMA};

/// Writes records, and frames made of records.
///
/// Records are kept as written until [`clear`](Self::clear), so that one encoding serves several frames.
#[derive(Debug, Default)]
pub struct FrameWriter {
    bytes: Vec<u8>,
}

impl FrameWriter {
    /// Forgets all records; keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Writes a record and tells where it lies.
    pub fn record(&mut self, write: impl FnOnce(&mut EventWriter<'_>)) -> Range<usize> {
        let start = begin(&mut self.bytes, EventWriter::SIZE);
        write(&mut EventWriter { bytes: &mut self.bytes, start });
        self.finish(start)
    }

    /// Copies a record and overwrites fields of the copy.
    pub fn amend(&mut self, record: Range<usize>, write: impl FnOnce(&mut EventWriter<'_>)) -> Range<usize> {
        align(&mut self.bytes);
        let start = self.bytes.len();
        self.bytes.extend_from_within(record);
        write(&mut EventWriter { bytes: &mut self.bytes, start });
        self.finish(start)
    }

    fn finish(&mut self, start: usize) -> Range<usize> {
        align(&mut self.bytes);
        let length = word(self.bytes.len() - start);
        put(&mut self.bytes, start + 4, &length.to_le_bytes());
        start..self.bytes.len()
    }

    /// Makes `frame` a frame of these records.
    pub fn frame(&self, records: impl IntoIterator<Item = Range<usize>>, frame: &mut Vec<u8>) {
        frame.clear();
        frame.resize(HEADER_SIZE, 0);
        let mut count = 0u32;
        for record in records {
            frame.extend_from_slice(self.bytes.get(record).unwrap_or_default());
            count += 1;
        }
        let length = word(frame.len());
        put(frame, 0, &MAGIC.to_le_bytes());
        put(frame, 4, &SCHEMA.to_le_bytes());
        put(frame, 6, &(HEADER_SIZE as u16).to_le_bytes());
        put(frame, 8, &count.to_le_bytes());
        put(frame, 12, &length.to_le_bytes());
    }
}

impl EventWriter<'_> {
    /// Uses a process that was [`written`](ProcessWriter::written) before instead of writing it anew.
    pub fn copy_process(&mut self, process: Range<usize>) -> &mut Self {
        copy_one(self.bytes, self.start, Self::PROCESS, process);
        self
    }

    /// As [`copy_process`](Self::copy_process), for the parent.
    pub fn copy_parent(&mut self, process: Range<usize>) -> &mut Self {
        copy_one(self.bytes, self.start, Self::PARENT, process);
        self
    }
}

impl ProcessWriter<'_> {
    /// Where the process lies, complete when its last field has been set.
    pub fn written(&self) -> Range<usize> {
        self.start..self.bytes.len()
    }
}

fn copy_one(bytes: &mut Vec<u8>, start: usize, offset: usize, structure: Range<usize>) {
    align(bytes);
    let at = bytes.len();
    bytes.extend_from_within(structure);
    put(bytes, start + offset, &word(at - start).to_le_bytes());
}

/// A length or offset; a value that does not fit is one that readers reject.
fn word(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn align(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
}

#[inline]
pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

#[inline]
fn put_reference(bytes: &mut [u8], at: usize, offset: usize, count: usize) {
    let pair = u64::from(word(offset)) | u64::from(word(count)) << 32;
    put(bytes, at, &pair.to_le_bytes());
}

fn begin(bytes: &mut Vec<u8>, size: u32) -> usize {
    align(bytes);
    let start = bytes.len();
    bytes.resize(start + size as usize, 0);
    put(bytes, start, &size.to_le_bytes());
    start
}

#[inline]
pub(crate) fn put_text(bytes: &mut Vec<u8>, start: usize, offset: usize, value: &str) {
    let at = bytes.len();
    bytes.extend_from_slice(value.as_bytes());
    put_reference(bytes, start + offset, at - start, value.len());
}

pub(crate) fn put_texts<T: AsRef<str>>(bytes: &mut Vec<u8>, start: usize, offset: usize, values: &[T]) {
    align(bytes);
    let first = bytes.len();
    put_reference(bytes, start + offset, first - start, values.len());
    bytes.resize(first + 8 * values.len(), 0);
    for (i, value) in values.iter().enumerate() {
        put_text(bytes, first, 8 * i, value.as_ref());
    }
}

pub(crate) fn put_one(bytes: &mut Vec<u8>, start: usize, offset: usize, size: u32) -> usize {
    let at = begin(bytes, size);
    put(bytes, start + offset, &word(at - start).to_le_bytes());
    at
}

pub(crate) fn put_list(bytes: &mut Vec<u8>, start: usize, offset: usize, size: u32, count: usize) -> usize {
    align(bytes);
    let first = bytes.len();
    put_reference(bytes, start + offset, first - start, count);
    bytes.resize(first + size as usize * count, 0);
    for i in 0..count {
        put(bytes, first + size as usize * i, &size.to_le_bytes());
    }
    first
}
