//! Comparing strings and paths, eight bytes at a time.

use crate::config::{TEST_TEXT_EQUAL, TEST_TEXT_POSTFIX, TEST_TEXT_PREFIX};
use crate::{CONTINUE, MAX_STRING, STOP, Text, repeat};

/// Bytes of a buffer that holds a string or path: room for the longest, plus a
/// name, so that a path can be built from its end and any word loaded whole.
pub const BUFFER: usize = MAX_STRING + 264;

/// A string in a buffer: paths are built from the end, so it need not start at 0.
#[derive(Clone, Copy)]
pub struct Subject {
    /// The buffer.
    pub buffer: *const [u8; BUFFER],
    /// Where the string starts; `start + length` is at most [`MAX_STRING`].
    pub start: u32,
    /// Bytes of the string.
    pub length: u32,
}

struct Comparison {
    subject: *const [u8; BUFFER],
    value: *const Text,
    start: u32,
    length: u32,
    equal: u32,
}

/// Whether `subject` passes a `TEST_TEXT_*` test against `value`.
///
/// # Safety
/// Both pointers must be valid, and `value.length` at most [`MAX_STRING`].
#[inline(always)]
pub unsafe fn matches(test: u32, subject: &Subject, value: *const Text) -> bool {
    // SAFETY: the caller vouches for `value`.
    let length = unsafe { (*value).length };
    let Some(start) = place(test, subject, length) else {
        return false;
    };
    let mut comparison = Comparison { subject: subject.buffer, value, start, length, equal: 1 };
    // Most values differ in the first word: spare them the loop.
    if compare_word(0, &mut comparison) == CONTINUE {
        repeat(length / 8, &mut comparison, compare_next_word);
    }
    comparison.equal == 1
}

/// Where in the subject's buffer the value must stand, if it fits at all.
#[inline(always)]
fn place(test: u32, subject: &Subject, length: u32) -> Option<u32> {
    match test {
        TEST_TEXT_EQUAL if length == subject.length => Some(subject.start),
        TEST_TEXT_PREFIX if length <= subject.length => Some(subject.start),
        TEST_TEXT_POSTFIX if length <= subject.length => Some(subject.start + (subject.length - length)),
        _ => None,
    }
}

extern "C" fn compare_next_word(index: u32, comparison: &mut Comparison) -> i64 {
    compare_word(index + 1, comparison)
}

#[inline(always)]
fn compare_word(index: u32, comparison: &mut Comparison) -> i64 {
    // The masks change nothing: they show the verifier that the loads stay within the buffers.
    let at = index * 8;
    if at >= comparison.length {
        return STOP;
    }
    let in_subject = ((comparison.start + at) as usize) & (MAX_STRING - 1);
    let in_value = (at as usize) & (MAX_STRING - 1);
    // SAFETY: both offsets are below MAX_STRING, and both buffers are at least eight bytes longer.
    let (left, right) = unsafe {
        let left = comparison.subject.cast::<u8>().add(in_subject).cast::<u64>().read_unaligned();
        let right = (&raw const (*comparison.value).bytes).cast::<u8>().add(in_value);
        (left, right.cast::<u64>().read_unaligned())
    };
    let rest = comparison.length - at;
    let unused_bits = if rest < 8 { 64 - 8 * rest } else { 0 };
    // Little-endian: the bytes beyond the end are the upper ones.
    if (left ^ right) << unused_bits != 0 {
        comparison.equal = 0;
        return STOP;
    }
    CONTINUE
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::boxed::Box;

    use super::*;

    fn check(test: u32, subject: &[u8], value: &[u8], start: usize) -> bool {
        let mut buffer = Box::new([b'x'; BUFFER]);
        buffer[start..start + subject.len()].copy_from_slice(subject);
        let mut text = Box::new(Text { length: value.len() as u32, reserved: 0, bytes: [0; MAX_STRING + 8] });
        text.bytes[..value.len()].copy_from_slice(value);
        let subject =
            Subject { buffer: &raw const *buffer, start: start as u32, length: subject.len() as u32 };
        // SAFETY: both are boxes that outlive the call.
        unsafe { matches(test, &subject, &raw const *text) }
    }

    #[test]
    fn agrees_with_slices_at_every_length_near_a_word_or_page() {
        let long: std::vec::Vec<u8> = (0..MAX_STRING).map(|at| (at % 251) as u8).collect();
        let lengths = [0, 1, 7, 8, 9, 15, 16, 17, 24, 25, 255, 256, 4087, 4088, 4089, 4095, 4096];
        for subject_length in lengths {
            let start = MAX_STRING - subject_length;
            let subject = &long[..subject_length];
            for value_length in lengths {
                let prefix = &long[..value_length];
                let postfix = &long[long.len() - value_length..];
                let case = std::format!("subject of {subject_length}, value of {value_length}");
                for value in [prefix, postfix] {
                    assert_eq!(check(TEST_TEXT_EQUAL, subject, value, start), subject == value, "{case}");
                    assert_eq!(
                        check(TEST_TEXT_PREFIX, subject, value, start),
                        subject.starts_with(value),
                        "{case}"
                    );
                    let ending = &long[long.len() - subject_length..];
                    assert_eq!(
                        check(TEST_TEXT_POSTFIX, ending, value, start),
                        ending.ends_with(value),
                        "{case}"
                    );
                }
            }
        }
    }

    #[test]
    fn any_single_different_byte_is_seen() {
        let value = b"/etc/passwd-and-some-more";
        for at in 0..value.len() {
            let mut subject = *value;
            subject[at] ^= 0x80;
            for test in [TEST_TEXT_EQUAL, TEST_TEXT_PREFIX, TEST_TEXT_POSTFIX] {
                assert!(check(test, value, value, 3), "test {test} on the value itself");
                assert!(!check(test, &subject, value, 3), "test {test}, byte {at} differs");
            }
        }
    }
}
