//! A number for the arguments of an event, by which equal ones are known.
//!
//! All bytes count. It starts from a secret, so that a process cannot choose arguments that look equal.

use crate::text::BUFFER;
use crate::{CONTINUE, MAX_STRING, repeat};

/// A digest in the making. In the kernel it must lie in a map: see [`crate::text::Search`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Digest {
    /// The digest so far.
    pub value: u64,
    /// What is being added.
    start: u32,
    length: u32,
}

struct Addition {
    digest: *mut Digest,
    buffer: *const [u8; BUFFER],
}

impl Digest {
    /// Begins with a secret.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { value: seed, start: 0, length: 0 }
    }

    /// Adds a number.
    #[inline(always)]
    pub fn add(&mut self, number: u64) {
        // The multiplier of MurmurHash2; the shift brings what it has mixed at the top back to the bottom.
        let product = (self.value ^ number).wrapping_mul(0xc6a4_a793_5bd1_e995);
        self.value = product ^ (product >> 32);
    }
}

/// Adds `length` bytes of `buffer` from `start` on.
///
/// # Safety
/// Both pointers must be valid, and `start + length` at most [`MAX_STRING`].
#[inline(always)]
pub unsafe fn add_bytes(digest: *mut Digest, buffer: *const [u8; BUFFER], (start, length): (u32, u32)) {
    let mut addition = Addition { digest, buffer };
    // SAFETY: the caller vouches for the pointer.
    unsafe {
        (*digest).start = start;
        (*digest).length = length;
    }
    repeat(length.wrapping_add(7) / 8, &mut addition, add_word);
}

/// The digest of the first `length` bytes of `buffer`, at most [`MAX_STRING`] of which count.
#[must_use]
pub fn of(seed: u64, buffer: &[u8; BUFFER], length: u32) -> u64 {
    let mut digest = Digest::new(seed);
    // SAFETY: both references are valid, and the length is limited.
    unsafe { add_bytes(&raw mut digest, buffer, (0, length.min(MAX_STRING as u32))) };
    digest.value
}

extern "C" fn add_word(index: u32, addition: &mut Addition) -> i64 {
    let Addition { digest, buffer } = *addition;
    let at = index.wrapping_mul(8);
    // SAFETY: the caller of `add_bytes` vouches for the pointers; the mask, which changes nothing, shows the
    // verifier that the word is within the buffer, which is longer than MAX_STRING by more than eight.
    unsafe {
        let place = ((*digest).start.wrapping_add(at) as usize) & (MAX_STRING - 1);
        let word = buffer.cast::<u8>().add(place).cast::<u64>().read_unaligned();
        let rest = (*digest).length.wrapping_sub(at);
        let unused_bits = if rest < 8 { 64 - 8 * rest } else { 0 };
        // Little-endian: the bytes beyond the end are the upper ones.
        (*digest).add(word << unused_bits);
    }
    CONTINUE
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::boxed::Box;
    use std::collections::HashSet;
    use std::vec::Vec;

    use super::*;

    fn digest(seed: u64, start: usize, bytes: &[u8], beyond: u8) -> u64 {
        let mut buffer = Box::new([beyond; BUFFER]);
        buffer[start..start + bytes.len()].copy_from_slice(bytes);
        let mut digest = Digest::new(seed);
        // SAFETY: both outlive the call, and the bytes lie within the buffer.
        unsafe { add_bytes(&raw mut digest, &raw const *buffer, (start as u32, bytes.len() as u32)) };
        digest.value
    }

    #[test]
    fn it_depends_on_all_bytes_and_the_secret_and_on_nothing_else() {
        for length in [1, 7, 8, 9, 40, 41, 255, MAX_STRING] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8 + 1).collect();
            let value = digest(5, 0, &bytes, 0);
            if length < MAX_STRING {
                assert_eq!(
                    digest(5, 13.min(MAX_STRING - length), &bytes, 0xff),
                    value,
                    "{length} bytes elsewhere"
                );
            }
            assert_ne!(digest(6, 0, &bytes, 0), value, "{length} bytes with another secret");
            for at in [0, length / 2, length - 1] {
                let mut other = bytes.clone();
                other[at] ^= 0x80;
                assert_ne!(digest(5, 0, &other, 0), value, "{length} bytes, of which {at} differs");
            }
        }
    }

    #[test]
    fn small_numbers_do_not_collide() {
        let digests: HashSet<u64> = (0..1000_u64)
            .flat_map(|first| (0..100_u64).map(move |second| (first, second)))
            .map(|(first, second)| {
                let mut digest = Digest::new(77);
                digest.add(first);
                digest.add(second);
                digest.value
            })
            .collect();
        assert_eq!(digests.len(), 100_000);
    }
}
