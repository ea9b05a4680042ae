//! Comparing strings and paths, eight bytes at a time.

use crate::config::{
    TEST_TEXT_EQUAL, TEST_TEXT_POSTFIX, TEST_TEXT_PREFIX, TEST_TEXT_SUBSTRING, TEST_TEXT_SUBSTRING_ANY_CASE,
};
use crate::{CONTINUE, MAX_STRING, MAX_SUBSTRING, STOP, Text, repeat};

mod sorted;

pub use sorted::search_sorted;

/// Bytes of a buffer that holds a string or path: room for the longest, plus a
/// name, so that a path can be built from its end and any word loaded whole.
pub const BUFFER: usize = MAX_STRING + 264;

/// The values of text filters.
pub trait Values {
    /// The value with this number; it must stay valid, and its length be at most [`MAX_STRING`].
    fn value(index: u32) -> Option<*const Text>;
}

/// A search of a text among values.
///
/// In the kernel it must lie in a map: of numbers on the stack the verifier
/// follows every value they take from step to step, of those in a map none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Search {
    test: u32,
    /// Where the text starts in its buffer, and its length.
    start: u32,
    length: u32,
    /// The first value's number.
    first: u32,
    /// The number behind the last value's.
    last: u32,
    /// The part of the text that is being compared.
    compared_start: u32,
    compared_length: u32,
    equal: u32,
    found: u32,
    /// Keeps the size a multiple of eight.
    reserved: u32,
}

/// One comparison: where its numbers, its text and its value are.
struct Comparison {
    search: *mut Search,
    buffer: *const [u8; BUFFER],
    value: *const Text,
}

/// Whether the text at `start` of `buffer` passes a `TEST_TEXT_*` test against any of `count`
/// values from `first` on.
///
/// # Safety
/// `search` and `buffer` must be valid, and `start + length` at most [`MAX_STRING`].
#[inline(always)]
pub unsafe fn search<V: Values>(
    search: *mut Search,
    buffer: *const [u8; BUFFER],
    (start, length): (u32, u32),
    test: u32,
    (first, count): (u32, u32),
) -> bool {
    let mut comparison = Comparison { search, buffer, value: core::ptr::null() };
    // SAFETY: the caller vouches for `search`.
    unsafe {
        // One by one: to set the rest, which each comparison does itself, the compiler would call memset.
        ((*search).test, (*search).start, (*search).length) = (test, start, length);
        ((*search).first, (*search).found) = (first, 0);
        if is_within(test) {
            repeat(count, &mut comparison, try_within::<V>);
            keep_apart!("1");
        } else if count == 1 {
            // Most filters have one value: spare them the loop.
            try_value::<V>(0, &mut comparison);
        } else {
            repeat(count, &mut comparison, try_value::<V>);
            keep_apart!("2");
        }
        (&raw const (*search).found).read_volatile() == 1
    }
}

/// Whether the test looks for values within the text.
#[inline(always)]
fn is_within(test: u32) -> bool {
    test == TEST_TEXT_SUBSTRING || test == TEST_TEXT_SUBSTRING_ANY_CASE
}

extern "C" fn try_value<V: Values>(index: u32, outer: &mut Comparison) -> i64 {
    let search = outer.search;
    // SAFETY: the caller of `search` vouches for both pointers, `Values` for the value.
    unsafe {
        let Some(value) = V::value((*search).first.wrapping_add(index)) else { return STOP };
        if compare(search, outer.buffer, value) {
            (*search).found = 1;
            return STOP;
        }
    }
    CONTINUE
}

/// Whether the text at `start` of `buffer` equals, starts with or ends with one value: all `TEST_TEXT_*`
/// but the search within.
///
/// # Safety
/// As for [`search`]; the value's length must be at most [`MAX_STRING`].
#[inline(always)]
pub unsafe fn passes(
    search: *mut Search,
    buffer: *const [u8; BUFFER],
    (start, length): (u32, u32),
    test: u32,
    value: *const Text,
) -> bool {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        search.write(Search { test, start, length, ..Search::default() });
        compare(search, buffer, value)
    }
}

/// Whether the text of the search passes its test against one value.
#[inline(always)]
unsafe fn compare(search: *mut Search, buffer: *const [u8; BUFFER], value: *const Text) -> bool {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        let length = (*value).length;
        let Some(start) = place((*search).test, (*search).start, (*search).length, length) else {
            return false;
        };
        (*search).compared_start = start;
        (*search).compared_length = length;
        (*search).equal = 1;
        let mut comparison = Comparison { search, buffer, value };
        // Most values differ in the first word: spare them the loop.
        if compare_word(0, &mut comparison) == CONTINUE {
            repeat(MAX_STRING as u32 / 8, &mut comparison, compare_next_word);
        }
        (&raw const (*search).equal).read_volatile() == 1
    }
}

/// Where in the text's buffer the value must stand, if it fits at all.
#[inline(always)]
fn place(test: u32, start: u32, length: u32, value: u32) -> Option<u32> {
    match test {
        TEST_TEXT_EQUAL if value == length => Some(start),
        TEST_TEXT_PREFIX if value <= length => Some(start),
        TEST_TEXT_POSTFIX if value <= length => Some(start.wrapping_add(length - value)),
        _ => None,
    }
}

extern "C" fn compare_next_word(index: u32, comparison: &mut Comparison) -> i64 {
    compare_word(index.wrapping_add(1), comparison)
}

#[inline(always)]
fn compare_word(index: u32, comparison: &mut Comparison) -> i64 {
    let Comparison { search, buffer, value } = *comparison;
    let at = index.wrapping_mul(8);
    // SAFETY: the caller of `search` vouches for the pointers; the masks, which change nothing,
    // show the verifier that both offsets are below MAX_STRING, and both buffers are longer by eight.
    unsafe {
        let length = (*search).compared_length;
        if at >= length {
            return STOP;
        }
        let in_text = ((*search).compared_start.wrapping_add(at) as usize) & (MAX_STRING - 1);
        let in_value = (at as usize) & (MAX_STRING - 1);
        let left = buffer.cast::<u8>().add(in_text).cast::<u64>().read_unaligned();
        let right = (&raw const (*value).bytes).cast::<u8>().add(in_value).cast::<u64>().read_unaligned();
        let rest = length.wrapping_sub(at);
        let unused_bits = if rest < 8 { 64 - 8 * rest } else { 0 };
        // Little-endian: the bytes beyond the end are the upper ones.
        if (left ^ right) << unused_bits != 0 {
            (*search).equal = 0;
            return STOP;
        }
    }
    CONTINUE
}

/// Where in a value's bytes the table stands that [`scan`] goes by: for each byte of the value the
/// length of the longest proper prefix of the value that ends there, as `u16`.
///
/// <https://en.wikipedia.org/wiki/Knuth%E2%80%93Morris%E2%80%93Pratt_algorithm>
pub const FALLBACKS: usize = MAX_STRING - 2 * MAX_SUBSTRING;

/// The table for a value that is searched for within texts.
pub fn fallbacks(value: &[u8], mut set: impl FnMut(usize, u16)) {
    let mut table = [0_u16; MAX_SUBSTRING];
    let mut matched = 0;
    for at in 1..value.len().min(MAX_SUBSTRING) {
        while matched > 0 && value[at] != value[matched] {
            matched = usize::from(table[matched - 1]);
        }
        matched += usize::from(value[at] == value[matched]);
        table[at] = matched as u16;
    }
    table.iter().take(value.len()).enumerate().for_each(|(at, length)| set(at, *length));
}

extern "C" fn try_within<V: Values>(index: u32, outer: &mut Comparison) -> i64 {
    let search = outer.search;
    // SAFETY: as in `try_value`.
    unsafe {
        let Some(value) = V::value((*search).first.wrapping_add(index)) else { return STOP };
        // Here `compared_start` counts the bytes of the text that are done with, `compared_length`
        // those of the value that match before them.
        (*search).compared_start = 0;
        (*search).compared_length = 0;
        let mut comparison = Comparison { search, buffer: outer.buffer, value };
        // Each step goes on by a byte of the text, or gives up some that matched: at most as many as went before.
        repeat(2 * MAX_STRING as u32, &mut comparison, scan);
        if (&raw const (*search).found).read_volatile() == 1 {
            return STOP;
        }
    }
    CONTINUE
}

extern "C" fn scan(_: u32, comparison: &mut Comparison) -> i64 {
    let Comparison { search, buffer, value } = *comparison;
    // SAFETY: the caller of `search` vouches for the pointers; the masks, which change nothing, show
    // the verifier that all offsets are within the buffers.
    unsafe {
        let (done, matched) = ((*search).compared_start, (*search).compared_length);
        if done >= (*search).length {
            return STOP;
        }
        let in_text = ((*search).start.wrapping_add(done) as usize) & (MAX_STRING - 1);
        let in_value = (matched as usize) & (MAX_SUBSTRING - 1);
        let bytes = (&raw const (*value).bytes).cast::<u8>();
        let any_case = (*search).test == TEST_TEXT_SUBSTRING_ANY_CASE;
        let byte = small(buffer.cast::<u8>().add(in_text).read(), any_case);
        if byte == bytes.add(in_value).read() {
            (*search).compared_start = done.wrapping_add(1);
            (*search).compared_length = matched.wrapping_add(1);
            if matched.wrapping_add(1) >= (*value).length {
                (*search).found = 1;
                return STOP;
            }
        } else if matched == 0 {
            (*search).compared_start = done.wrapping_add(1);
        } else {
            let before = (matched.wrapping_sub(1) as usize) & (MAX_SUBSTRING - 1);
            let fallback = bytes.add(FALLBACKS).cast::<u16>().add(before).read();
            (*search).compared_length = u32::from(fallback);
        }
    }
    CONTINUE
}

/// The small letter of a capital one, if `any_case`; every other byte as it is.
///
/// Without a branch, of which the verifier would follow both ways at each byte.
#[inline(always)]
fn small(byte: u8, any_case: bool) -> u8 {
    let is_capital = byte.wrapping_sub(b'A') < 26;
    byte | u8::from(any_case & is_capital) << 5
}

#[cfg(test)]
mod tests;
