//! Where in a spool the first record stands that has not been delivered, and the file that keeps it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// A place between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The segment, by the number of its first record.
    pub(super) segment: u64,
    /// Bytes from the segment's beginning.
    pub(super) offset: u64,
    /// The number of the record that begins here.
    pub(super) record: u64,
}

/// Three numbers, little-endian, and their CRC-32.
const SIZE: usize = 28;

impl Position {
    /// Reads what [`Cursor::write`] has written; none if it is anything else.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (numbers, sum) = bytes.get(..SIZE)?.split_last_chunk::<4>()?;
        if crc32fast::hash(numbers) != u32::from_le_bytes(*sum) {
            return None;
        }
        let mut numbers = numbers.as_chunks::<8>().0.iter().map(|number| u64::from_le_bytes(*number));
        Some(Self { segment: numbers.next()?, offset: numbers.next()?, record: numbers.next()? })
    }

    fn bytes(self) -> Vec<u8> {
        let numbers = [self.segment, self.offset, self.record].map(u64::to_le_bytes).concat();
        let sum = crc32fast::hash(&numbers);
        [numbers.as_slice(), &sum.to_le_bytes()].concat()
    }
}

/// The file of the position.
pub(super) struct Cursor {
    file: File,
    failed: bool,
}

impl Cursor {
    pub(super) fn new(file: File) -> Self {
        Self { file, failed: false }
    }

    /// Writes it in place, which needs no room on a disk that is full. If it can't, what is delivered after the last
    /// that could be written is delivered once more after a restart.
    pub(super) fn write(&mut self, position: Position) {
        let written: io::Result<()> = self.file.write_all_at(&position.bytes(), 0);
        match written {
            Ok(()) => self.failed = false,
            Err(error) if !std::mem::replace(&mut self.failed, true) => {
                tracing::warn!(
                    "what a spool has delivered can't be written down, so a restart delivers it again: {error}"
                );
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_whole_is_read() {
        let position = Position { segment: 7, offset: 1 << 40, record: u64::MAX };
        let bytes = position.bytes();
        assert_eq!(Position::read(&bytes), Some(position));
        assert_eq!(Position::read(&[&bytes[..], b"more"].concat()), Some(position));
        assert_eq!(Position::read(&bytes[..SIZE - 1]), None);
        assert_eq!(Position::read(&[0; SIZE]), None);
    }
}
