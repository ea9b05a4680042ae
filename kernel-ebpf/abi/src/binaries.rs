//! Which binary filters hold for a process: found out once, when it executes a program.
//!
//! Every filter on binaries that differs from all others has a bit. A hook then looks at one bit,
//! however many values the filter has.

use crate::selector::entry;
use crate::text::{BUFFER, Search, passes};
use crate::{CONTINUE, STOP, Text, repeat};

/// Filters on binaries that differ from each other, over all policies.
pub const MAX_BINARY_SETS: usize = 64 * WORDS;

const WORDS: usize = 4;

/// Filters on binaries: one bit each, as given out by the agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct BinarySets([u64; WORDS]);

impl BinarySets {
    /// None of them.
    pub const NONE: Self = Self([0; WORDS]);

    /// Adds one of the [`MAX_BINARY_SETS`].
    #[inline(always)]
    pub fn insert(&mut self, set: u32) {
        let word = (set as usize / 64) % WORDS;
        // SAFETY: the word is below WORDS.
        unsafe { *self.0.as_mut_ptr().add(word) |= 1 << (set % 64) };
    }

    /// Whether it is among them.
    #[inline(always)]
    #[must_use]
    pub fn contains(&self, set: u32) -> bool {
        entry(&self.0, set / 64) >> (set % 64) & 1 == 1
    }

    /// All of these and those.
    #[inline(always)]
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([a | e, b | f, c | g, d | h])
    }

    /// What is in both.
    #[inline(always)]
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([a & e, b & f, c & g, d & h])
    }
}

/// What the exec program has to know beside the values; one for all policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct BinaryTable {
    /// Filters that hold for the descendants of a process as well: `followChildren`.
    pub inherited: BinarySets,
    /// How many [`Pattern`]s there are.
    pub patterns: u64,
}

/// A value that cannot be found by one look-up: the start or end of a path, or a long path.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Pattern {
    /// One of the `TEST_TEXT_*` numbers, but not that of a search within.
    pub test: u32,
    /// The filter that holds if the path passes.
    pub set: u32,
    /// What the path is compared with.
    pub value: Text,
}

/// Where the patterns are.
pub trait Patterns {
    /// The pattern with this number; it must stay valid.
    fn pattern(index: u32) -> Option<*const Pattern>;
}

struct Classification {
    search: *mut Search,
    buffer: *const [u8; BUFFER],
    start: u32,
    length: u32,
    sets: *mut BinarySets,
}

/// Adds the filters of which a pattern matches the path at `start` of `buffer`.
///
/// # Safety
/// All pointers must be valid, and `start + length` at most [`crate::MAX_STRING`].
#[inline(always)]
pub unsafe fn classify<P: Patterns>(
    search: *mut Search,
    buffer: *const [u8; BUFFER],
    (start, length): (u32, u32),
    count: u32,
    sets: *mut BinarySets,
) {
    let mut classification = Classification { search, buffer, start, length, sets };
    repeat(count, &mut classification, try_pattern::<P>);
}

extern "C" fn try_pattern<P: Patterns>(index: u32, outer: &mut Classification) -> i64 {
    let Classification { search, buffer, start, length, sets } = *outer;
    // SAFETY: the caller of `classify` vouches for the pointers, `Patterns` for the pattern.
    unsafe {
        let Some(pattern) = P::pattern(index) else { return STOP };
        if passes(search, buffer, (start, length), (*pattern).test, &raw const (*pattern).value) {
            (*sets).insert((*pattern).set);
        }
    }
    CONTINUE
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::boxed::Box;
    use std::vec::Vec;

    use super::*;
    use crate::MAX_STRING;
    use crate::config::{TEST_TEXT_EQUAL, TEST_TEXT_POSTFIX, TEST_TEXT_PREFIX};

    #[test]
    fn each_set_is_a_bit_of_its_own() {
        for set in 0..MAX_BINARY_SETS as u32 {
            let mut sets = BinarySets::NONE;
            sets.insert(set);
            let found: Vec<u32> = (0..MAX_BINARY_SETS as u32).filter(|&other| sets.contains(other)).collect();
            assert_eq!(found, [set]);
            assert_eq!(sets.common(BinarySets::NONE), BinarySets::NONE);
            assert_eq!(sets.with(BinarySets::NONE), sets);
        }
    }

    const VALUES: [(u32, u32, &str); 5] = [
        (TEST_TEXT_PREFIX, 0, "/usr/bin/"),
        (TEST_TEXT_POSTFIX, 70, "/bash"),
        (TEST_TEXT_POSTFIX, 70, "/sh"),
        (TEST_TEXT_EQUAL, 255, "/usr/bin/bash"),
        (TEST_TEXT_PREFIX, 64, "/usr/bin/bash/"),
    ];

    struct Table;

    impl Patterns for Table {
        fn pattern(index: u32) -> Option<*const Pattern> {
            let (test, set, bytes) = *VALUES.get(index as usize)?;
            let mut value = Text { length: bytes.len() as u32, reserved: 0, bytes: [0; MAX_STRING + 8] };
            value.bytes[..bytes.len()].copy_from_slice(bytes.as_bytes());
            Some(Box::into_raw(Box::new(Pattern { test, set, value })))
        }
    }

    #[test]
    fn a_path_is_held_against_every_pattern() {
        for (path, expected) in [
            ("/usr/bin/bash", &[0, 70, 255][..]),
            ("/bin/sh", &[70]),
            ("/usr/bin/", &[0]),
            ("/usr/bin", &[]),
            ("", &[]),
        ] {
            let mut buffer = Box::new([0; BUFFER]);
            buffer[100..100 + path.len()].copy_from_slice(path.as_bytes());
            let (mut search, mut sets) = (Search::default(), BinarySets::NONE);
            let count = VALUES.len() as u32;
            // SAFETY: everything outlives the call, and the path lies within the buffer.
            unsafe {
                classify::<Table>(
                    &raw mut search,
                    &raw const *buffer,
                    (100, path.len() as u32),
                    count,
                    &raw mut sets,
                )
            };
            let found: Vec<u32> = (0..MAX_BINARY_SETS as u32).filter(|&set| sets.contains(set)).collect();
            assert_eq!(found, expected, "{path}");
        }
    }
}
