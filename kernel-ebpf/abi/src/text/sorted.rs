//! Finding, by bisection, a value that a text starts or ends with.
//!
//! The values stand in order, and none of them starts (or ends) with another. So if the text starts with one, that is the last
//! of those that do not come after the text: what stands between the two would start with it too.

use super::{BUFFER, Comparison, Search, Values, compare};
use crate::config::TEST_TEXT_POSTFIX;
use crate::{CONTINUE, MAX_STRING, STOP, Text, repeat};

/// The most steps that a bisection takes.
const MAX_STEPS: u32 = u32::BITS;

/// Whether the text at `start` of `buffer` starts, or ends, as `test` says, with any of `count` values from `first` on. They
/// must be in order: that of their bytes, for endings from the last one back.
///
/// # Safety
/// As for [`search`](super::search).
#[inline(always)]
pub unsafe fn search_sorted<V: Values>(
    search: *mut Search,
    buffer: *const [u8; BUFFER],
    (start, length): (u32, u32),
    test: u32,
    (first, count): (u32, u32),
) -> bool {
    let mut comparison = Comparison { search, buffer, value: core::ptr::null() };
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        ((*search).test, (*search).start, (*search).length) = (test, start, length);
        ((*search).first, (*search).last) = (first, first.wrapping_add(count));
        repeat(MAX_STEPS, &mut comparison, halve::<V>);
        keep_apart!("3");
        let after = (&raw const (*search).first).read_volatile();
        match V::value(after.wrapping_sub(1)) {
            Some(value) if after != first => compare(search, buffer, value),
            _ => false,
        }
    }
}

/// Looks at the value in the middle between `first` and `last`: below the former all come before the text, or equal it; from the
/// latter on, all come after it.
extern "C" fn halve<V: Values>(_: u32, outer: &mut Comparison) -> i64 {
    let search = outer.search;
    // SAFETY: the caller of `search_sorted` vouches for the pointers, `Values` for the value.
    unsafe {
        let (first, last) = ((*search).first, (*search).last);
        if first >= last {
            return STOP;
        }
        let middle = first.wrapping_add(last.wrapping_sub(first) / 2);
        let Some(value) = V::value(middle) else { return STOP };
        if comes_after(search, outer.buffer, value) {
            (*search).last = middle;
        } else {
            (*search).first = middle.wrapping_add(1);
        }
    }
    CONTINUE
}

/// Whether the value comes after the text.
#[inline(always)]
unsafe fn comes_after(search: *mut Search, buffer: *const [u8; BUFFER], value: *const Text) -> bool {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        let (text, length) = ((*search).length, (*value).length);
        // If one starts with the other, the longer one.
        (*search).found = u32::from(length > text);
        (*search).compared_length = if length < text { length } else { text };
        repeat(MAX_STRING as u32 / 8, &mut Comparison { search, buffer, value }, order_by_word);
        (&raw const (*search).found).read_volatile() == 1
    }
}

extern "C" fn order_by_word(index: u32, comparison: &mut Comparison) -> i64 {
    let Comparison { search, buffer, value } = *comparison;
    let at = index.wrapping_mul(8);
    // SAFETY: as in `compare_word`: the masks change nothing, and show the verifier that both words are within their buffers.
    unsafe {
        let length = (*search).compared_length;
        if at >= length {
            return STOP;
        }
        let rest = length.wrapping_sub(at);
        let bytes = if rest < 8 { rest } else { 8 };
        let from_end = (*search).test == TEST_TEXT_POSTFIX;
        let (in_text, in_value) = if from_end {
            let back = at.wrapping_add(bytes);
            ((*search).length.wrapping_sub(back), (*value).length.wrapping_sub(back))
        } else {
            (at, at)
        };
        let in_text = (*search).start.wrapping_add(in_text) as usize & (MAX_STRING - 1);
        let in_value = in_value as usize & (MAX_STRING - 1);
        let left = buffer.cast::<u8>().add(in_text).cast::<u64>().read_unaligned();
        let right = (&raw const (*value).bytes).cast::<u8>().add(in_value).cast::<u64>().read_unaligned();
        // Little-endian: the bytes beyond the end are the upper ones, and the last byte counts most.
        let unused = 64 - 8 * bytes;
        let (left, right) = (left << unused, right << unused);
        let (left, right) = if from_end { (left, right) } else { (left.swap_bytes(), right.swap_bytes()) };
        if left != right {
            (*search).found = u32::from(right > left);
            return STOP;
        }
    }
    CONTINUE
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::super::tests::{Table, with_values};
    use super::*;
    use crate::config::TEST_TEXT_PREFIX;

    fn found(test: u32, subject: &[u8], values: &[&[u8]], start: usize) -> bool {
        with_values(subject, values, start, |search, buffer, place, count| {
            // SAFETY: the state, the buffer and the values outlive the call.
            unsafe { search_sorted::<Table>(search, buffer, place, test, (0, count)) }
        })
    }

    /// All texts of at most four letters out of two, in order.
    fn letters() -> Vec<Vec<u8>> {
        let mut all = std::vec![Vec::new()];
        for length in 1..=4 {
            all.extend(
                (0..1 << length).map(|number| {
                    (0..length).map(|bit| b'a' + (number >> bit & 1) as u8).collect::<Vec<u8>>()
                }),
            );
        }
        all.sort();
        all
    }

    fn free_of<'a>(values: &[&'a [u8]], covers: impl Fn(&[u8], &[u8]) -> bool) -> Vec<&'a [u8]> {
        let is_covered = |value: &[u8]| values.iter().any(|other| *other != value && covers(value, other));
        values.iter().copied().filter(|value| !is_covered(value)).collect()
    }

    #[test]
    fn finds_what_trying_all_values_finds() {
        let all = letters();
        // Every third, from each of several starts, so that sets of many shapes are tried.
        for (step, from) in [(1, 0), (2, 1), (3, 1), (3, 2), (5, 3), (7, 4), (11, 6)] {
            let values: Vec<&[u8]> = all.iter().skip(from).step_by(step).map(Vec::as_slice).collect();
            let prefixes = free_of(&values, |value, other| value.starts_with(other));
            let mut postfixes = free_of(&values, |value, other| value.ends_with(other));
            postfixes.sort_by(|one, other| one.iter().rev().cmp(other.iter().rev()));
            for subject in &all {
                let any = |test: fn(&[u8], &[u8]) -> bool| values.iter().any(|value| test(subject, value));
                let starts = any(|subject, value| subject.starts_with(value));
                let ends = any(|subject, value| subject.ends_with(value));
                assert_eq!(
                    found(TEST_TEXT_PREFIX, subject, &prefixes, 5),
                    starts,
                    "{subject:?} of {prefixes:?}"
                );
                assert_eq!(
                    found(TEST_TEXT_POSTFIX, subject, &postfixes, 5),
                    ends,
                    "{subject:?} of {postfixes:?}"
                );
            }
        }
    }

    #[test]
    fn lengths_near_a_word_and_the_longest_are_compared_to_the_end() {
        let long: Vec<u8> = (0..MAX_STRING).map(|at| (at % 251) as u8).collect();
        for length in [1, 7, 8, 9, 15, 16, 17, 255, 256, 4095, 4096] {
            let (mut before, mut after) = (long[..length].to_vec(), long[..length].to_vec());
            before[length - 1] = before[length - 1].wrapping_sub(1);
            after[length - 1] += 1;
            let is_last = length == MAX_STRING;
            let start = if is_last { 0 } else { MAX_STRING - length - 1 };
            let values: [&[u8]; 3] = [&before, &long[..length], &after];
            let subject = if is_last { &long[..length] } else { &long[..=length] };
            assert!(found(TEST_TEXT_PREFIX, subject, &values, start), "{length} bytes");
            assert!(!found(TEST_TEXT_PREFIX, subject, &[&before, &after], start), "{length} bytes");
            let backwards = |value: &[u8]| value.iter().rev().copied().collect::<Vec<u8>>();
            let [before, value, after, subject] = [&before, &long[..length], &after, subject].map(backwards);
            assert!(found(TEST_TEXT_POSTFIX, &subject, &[&before, &value, &after], start), "{length} bytes");
            assert!(!found(TEST_TEXT_POSTFIX, &subject, &[&before, &after], start), "{length} bytes");
        }
    }

    #[test]
    fn no_values_and_the_empty_one() {
        for test in [TEST_TEXT_PREFIX, TEST_TEXT_POSTFIX] {
            assert!(!found(test, b"abc", &[], 0));
            assert!(found(test, b"abc", &[b""], 0));
            assert!(found(test, b"", &[b""], 0));
            assert!(!found(test, b"", &[b"a"], 0));
        }
    }
}
