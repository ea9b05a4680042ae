extern crate std;
use core::cell::RefCell;
use std::boxed::Box;
use std::vec::Vec;

use super::*;

std::thread_local! {
    static VALUES: RefCell<Vec<Box<Text>>> = const { RefCell::new(Vec::new()) };
}

pub(super) struct Table;

impl Values for Table {
    fn value(index: u32) -> Option<*const Text> {
        VALUES.with_borrow(|values| values.get(index as usize).map(|value| &raw const **value))
    }
}

fn text(value: &[u8]) -> Box<Text> {
    let mut text = Box::new(Text { length: value.len() as u32, reserved: 0, bytes: [0; MAX_STRING + 8] });
    text.bytes[..value.len()].copy_from_slice(value);
    if value.len() <= MAX_SUBSTRING {
        fallbacks(value, |at, length| {
            text.bytes[FALLBACKS + 2 * at..][..2].copy_from_slice(&length.to_ne_bytes());
        });
    }
    text
}

/// Puts the values into the table and the subject into a buffer, and searches.
pub(super) fn with_values(
    subject: &[u8],
    values: &[&[u8]],
    start: usize,
    search: impl FnOnce(*mut Search, *const [u8; BUFFER], (u32, u32), u32) -> bool,
) -> bool {
    VALUES.set(values.iter().map(|value| text(value)).collect());
    let mut buffer = Box::new([b'x'; BUFFER]);
    buffer[start..start + subject.len()].copy_from_slice(subject);
    let mut state = Search::default();
    let place = (start as u32, subject.len() as u32);
    search(&raw mut state, &raw const *buffer, place, values.len() as u32)
}

fn check_any(test: u32, subject: &[u8], values: &[&[u8]], start: usize) -> bool {
    with_values(subject, values, start, |state, buffer, place, count| {
        // SAFETY: the state, the buffer and the values outlive the call.
        unsafe { search::<Table>(state, buffer, place, test, (0, count)) }
    })
}

fn check(test: u32, subject: &[u8], value: &[u8], start: usize) -> bool {
    check_any(test, subject, &[value], start)
}

#[test]
fn any_of_many_values_is_found() {
    let values: [&[u8]; 3] = [b"/etc/passwd", b"", b"/etc/shadow"];
    assert!(check_any(TEST_TEXT_EQUAL, b"/etc/shadow", &values, 9));
    assert!(check_any(TEST_TEXT_EQUAL, b"", &values, 9));
    assert!(!check_any(TEST_TEXT_EQUAL, b"/etc/hosts", &values, 9));
    assert!(!check_any(TEST_TEXT_EQUAL, b"/etc/hosts", &[], 9));
}

#[test]
fn agrees_with_slices_at_every_length_near_a_word_or_page() {
    let long: Vec<u8> = (0..MAX_STRING).map(|at| (at % 251) as u8).collect();
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
                assert_eq!(check(TEST_TEXT_POSTFIX, ending, value, start), ending.ends_with(value), "{case}");
            }
        }
    }
}

#[test]
fn finds_within_a_text_what_a_naive_search_finds() {
    let contains = |text: &[u8], value: &[u8]| text.windows(value.len()).any(|window| window == value);
    let letters = |mut number: usize, length: usize| -> Vec<u8> {
        let letter = |_| {
            let letter = b'a' + (number % 2) as u8;
            number /= 2;
            letter
        };
        (0..length).map(letter).collect()
    };
    let subjects = (0..512).map(|number| letters(number, 9)).chain([Vec::new()]);
    for subject in subjects {
        for length in 1..=5 {
            for number in 0..1 << length {
                let value = letters(number, length);
                let found = check(TEST_TEXT_SUBSTRING, &subject, &value, 7);
                assert_eq!(found, contains(&subject, &value), "{value:?} in {subject:?}");
            }
        }
    }
}

#[test]
fn the_longest_value_is_found_at_the_end_of_the_longest_text() {
    let value = [b'a'; MAX_SUBSTRING];
    let mut subject = std::vec![b'a'; MAX_STRING];
    for block in subject[..MAX_STRING - MAX_SUBSTRING].chunks_mut(MAX_SUBSTRING) {
        block[block.len() - 1] = b'b';
    }
    assert!(check(TEST_TEXT_SUBSTRING, &subject, &value, 0));
    subject[MAX_STRING - 1] = b'b';
    assert!(!check(TEST_TEXT_SUBSTRING, &subject, &value, 0));
    assert!(check_any(TEST_TEXT_SUBSTRING, &subject, &[b"x", b"ab"], 0));
}

#[test]
fn capital_letters_are_small_ones_if_so_wanted() {
    for (subject, value, any_case, exact) in [
        ("/Etc/PASSWD", "etc/passwd", true, false),
        ("/etc/passwd", "etc/passwd", true, true),
        ("/etc/passwd", "/ETC", false, false),
        ("[@`{", "[@`{", true, true),
        ("[@`{", "{`@[", false, false),
        ("aAaAb", "aaab", true, false),
        ("\u{c0}", "\u{e0}", false, false),
    ] {
        let found = |test| check(test, subject.as_bytes(), value.as_bytes(), 5);
        assert_eq!(found(TEST_TEXT_SUBSTRING_ANY_CASE), any_case, "{value} in {subject}, any case");
        assert_eq!(found(TEST_TEXT_SUBSTRING), exact, "{value} in {subject}");
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
