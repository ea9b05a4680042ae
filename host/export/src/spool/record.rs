//! Records as they lie on the disk.
//!
//! Numbers are little-endian:
//!
//! | bytes | |
//! |---|---|
//! | 4 | length of the record |
//! | 4 | CRC-32 of the length, as it stands there, and of the record |
//! | length | the record |

use std::io::{self, Read};

/// Bytes before each record.
pub(super) const HEADER: usize = 8;

/// The checksum covers the length so that zeros, which a crash of the host can leave, are no empty record.
fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}

/// Bytes that a record takes.
pub(super) fn framed(payload: &[u8]) -> u64 {
    (HEADER + payload.len()) as u64
}

/// Appends a record; nothing if it is too long for its length to be written, 4 GiB.
pub(super) fn write(payload: &[u8], out: &mut Vec<u8>) {
    let Ok(length) = u32::try_from(payload.len()) else { return };
    let length = length.to_le_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(length, payload).to_le_bytes());
    out.extend_from_slice(payload);
}

/// What some bytes begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    /// A record.
    Record(&'a [u8]),
    /// One that needs so many bytes, if it is one.
    Needs(u64),
    /// No record.
    Corrupt,
}

/// Reads the record that the bytes begin with.
pub(super) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Parsed::Needs(HEADER as u64);
    };
    let [a, b, c, d, e, f, g, h] = *header;
    let (length, sum) = ([a, b, c, d], u32::from_le_bytes([e, f, g, h]));
    let payload = u32::from_le_bytes(length);
    match rest.get(..payload as usize) {
        None => Parsed::Needs(HEADER as u64 + u64::from(payload)),
        Some(payload) if checksum(length, payload) == sum => Parsed::Record(payload),
        Some(_) => Parsed::Corrupt,
    }
}

/// What a file of records holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Whole records from its beginning on.
    pub(super) records: u64,
    /// The bytes that they take.
    pub(super) bytes: u64,
    /// Records after them, the last of which may be incomplete.
    pub(super) torn: u64,
}

/// Counts the records in so many bytes.
pub(super) fn scan(mut from: impl Read, size: u64) -> io::Result<Scanned> {
    let mut scanned = Scanned::default();
    let (mut record, mut at) = (Vec::new(), 0);
    while at < size {
        record.clear();
        from.by_ref().take(HEADER as u64).read_to_end(&mut record)?;
        let Parsed::Needs(needed) = parse(&record) else {
            // No record is empty, so there is no telling what follows.
            scanned.torn += 1;
            break;
        };
        let rest = needed.min(size - at).saturating_sub(record.len() as u64);
        from.by_ref().take(rest).read_to_end(&mut record)?;
        // After the first that is not whole, lengths are still good for counting.
        if scanned.torn == 0 && matches!(parse(&record), Parsed::Record(_)) {
            scanned.records += 1;
            scanned.bytes = at + needed;
        } else {
            scanned.torn += 1;
        }
        at = at.saturating_add(needed);
    }
    Ok(scanned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn written(payloads: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        payloads.iter().for_each(|payload| write(payload, &mut out));
        out
    }

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let bytes = written(&[b"one", b"two"]);
        assert_eq!(parse(&bytes), Parsed::Record(b"one"));
        assert_eq!(parse(&bytes[11..]), Parsed::Record(b"two"));
        assert_eq!(parse(&bytes[..7]), Parsed::Needs(8));
        assert_eq!(parse(&bytes[..10]), Parsed::Needs(11));
        assert_eq!(parse(&[0; 64]), Parsed::Corrupt, "zeros");
        for bit in 0..11 * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(parse(&changed), Parsed::Record(_)), "bit {bit}");
        }
    }

    #[test]
    fn scanning_tells_where_the_whole_ones_end() {
        let bytes = written(&[b"one", b"two", b"three"]);
        let mut corrupt = bytes.clone();
        corrupt[20] ^= 1;
        let zeros = [&bytes[..], &[0; 10]].concat();
        for (bytes, records, end, torn) in [
            (&bytes[..], 3, 35, 0),
            (&bytes[..0], 0, 0, 0),
            (&bytes[..34], 2, 22, 1),
            (&bytes[..23], 2, 22, 1),
            (&corrupt, 1, 11, 2),
            (&zeros, 3, 35, 1),
        ] {
            let scanned = scan(bytes, bytes.len() as u64).unwrap();
            assert_eq!(scanned, Scanned { records, bytes: end, torn }, "{bytes:?}");
        }
    }
}
