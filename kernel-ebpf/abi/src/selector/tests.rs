extern crate std;
use std::vec::Vec;

use super::*;
use crate::MAX_PLACES;
use crate::config::{
    ACTION_POST, ACTION_SIGKILL, INTEGER_U64, OPERATION_ARGUMENT, OPERATION_LESS, Operation,
    SCOPE_CONTAINERS, SCOPE_HOST, Selector, TEST_BINARY_NOT_IN, TEST_PID_NOT_IN, TEST_TEXT_EQUAL,
};

/// `LATE`: of a call that is decided when it returns.
struct Process<const LATE: bool = false> {
    pid: u64,
    /// The only filter on binaries that holds.
    binary: u32,
    integer: Option<u64>,
    text: Verdict,
    unreadable: u32,
    /// Slots that have been read: one bit each.
    loaded: u32,
    places: Places,
}

impl<const LATE: bool> Facts for Process<LATE> {
    const LATE: bool = LATE;

    fn read(&mut self, slot: u32) {
        self.loaded |= 1 << slot;
    }
    fn pid_is_member(&mut self, set: u32, _: u32) -> bool {
        self.is_member(set, self.pid)
    }
    fn binary_passes(&mut self, set: u32, _: u32) -> bool {
        self.binary == set
    }
    /// The host's, and containers of scope 2.
    fn is_in_scope(&mut self, scope: u32, whose: u32) -> bool {
        whose == SCOPE_HOST || scope == 2
    }
    /// Kind or set n has number n + 20.
    fn namespace(&mut self, kind: u32) -> u64 {
        u64::from(kind) + 20
    }
    /// Kind 1 has changed.
    fn changed_namespaces(&mut self, mask: u32) -> u32 {
        mask & 1 << 1
    }
    fn capabilities(&mut self, set: u32) -> u64 {
        1 << (set + 32)
    }
    fn changed_capabilities(&mut self, set: u32) -> u64 {
        1 << (set + 40)
    }
    fn user(&mut self, which: u32) -> u64 {
        u64::from(which) + 100
    }
    /// Each slot and each word is greater by one than the one before.
    fn integer(&mut self, slot: u32, word: u32) -> Option<u64> {
        assert!(self.loaded & 1 << slot != 0, "slot {slot} has not been read");
        self.integer.map(|integer| integer + u64::from(slot) + u64::from(word))
    }
    /// Set n holds the number n.
    fn is_member(&mut self, set: u32, value: u64) -> bool {
        u64::from(set) == value
    }
    /// There is one range, of the numbers from `filter.values` on.
    fn in_ranges(&mut self, filter: &Filter, value: Number) -> bool {
        value >= Number { high: value.high, low: filter.values.into() }
    }
    fn text(&mut self, filter: &Filter) -> Verdict {
        assert!(self.loaded & 1 << filter.slot != 0, "slot {} has not been read", filter.slot);
        self.text
    }
    fn places(&mut self) -> *mut Places {
        &raw mut self.places
    }
    fn count_unreadable(&mut self, _: bool) {
        self.unreadable += 1;
    }
}

fn config(selectors: &[(u32, &[(u32, u32)])]) -> HookConfig {
    // SAFETY: every field is an integer.
    let mut config: HookConfig = unsafe { core::mem::zeroed() };
    let mut filters = Vec::new();
    for (index, (actions, tests)) in selectors.iter().enumerate() {
        config.selectors[index] = Selector {
            first_filter: filters.len() as u32,
            filter_count: tests.len() as u32,
            actions: *actions,
            error: -1,
            signal: 0,
            rate_scope: 0,
            rate_period: 0,
            descriptor: 0,
            name: 0,
            socket: 0,
            notify_error: 0,
            notify_signal: 0,
            set_operand: 0,
            set_value: 0,
            assignments: 0,
        };
        filters.extend_from_slice(tests);
    }
    config.selector_count = selectors.len() as u32;
    for (index, (test, values)) in filters.into_iter().enumerate() {
        config.filters[index] = Filter { test, slot: 0, values, count: 0 };
    }
    config
}

const PROCESS: Process = process();
const RETURNING: Process<true> = process();

const fn process<const LATE: bool>() -> Process<LATE> {
    Process {
        pid: 7,
        binary: 3,
        integer: Some(5),
        text: Verdict::Match,
        unreadable: 0,
        loaded: 0,
        places: Places { values: [0; MAX_PLACES + 1] },
    }
}

#[test]
fn each_test_holds_and_fails() {
    let cases = [
        (TEST_PID_IN, 7, true),
        (TEST_PID_IN, 8, false),
        (TEST_PID_NOT_IN, 7, false),
        (TEST_PID_NOT_IN, 8, true),
        (TEST_BINARY_IN, 3, true),
        (TEST_BINARY_IN, 4, false),
        (TEST_BINARY_NOT_IN, 3, false),
        (TEST_BINARY_NOT_IN, 4, true),
        (TEST_INTEGER_IN, 5, true),
        (TEST_INTEGER_IN, 6, false),
        (TEST_INTEGER_IN | TEST_NOT, 5, false),
        (TEST_INTEGER_IN | TEST_NOT, 6, true),
        (TEST_INTEGER_RANGE, 5, true),
        (TEST_INTEGER_RANGE, 6, false),
        (TEST_INTEGER_RANGE | TEST_NOT, 6, true),
        (TEST_INTEGER_MASK, 4, true),
        (TEST_INTEGER_MASK, 2, false),
        (TEST_TEXT_EQUAL, 0, true),
        (TEST_TEXT_EQUAL | TEST_NOT, 0, false),
    ];
    for (test, values, expected) in cases {
        let config = config(&[(ACTION_POST, &[(test, values)])]);
        let selected = select(&config, &mut Process { ..PROCESS });
        assert_eq!(selected.is_some(), expected, "test {test} against {values}");
    }
}

#[test]
fn what_enforces_has_no_turn_when_the_call_returns() {
    let all: &[(u32, u32)] = &[];
    let config = config(&[(ACTION_SIGKILL, all), (ACTION_POST, &[(TEST_TEXT_EQUAL, 0)]), (0, all)]);
    let late = |text| Process::<true> { text, ..RETURNING };
    for (text, expected) in [(Verdict::Match, 1), (Verdict::Miss, 2), (Verdict::Unreadable, 2)] {
        let selected = select(&config, &mut late(text)).map(|selected| selected.index);
        assert_eq!(selected, Some(expected), "{text:?}");
    }
    assert_eq!(select(&config, &mut Process { ..PROCESS }).map(|selected| selected.index), Some(0));
}

#[test]
fn tests_of_identity_take_kinds_and_masks() {
    let cases = [
        (TEST_NAMESPACE_IN, 2, 22, 0, true),
        (TEST_NAMESPACE_IN, 3, 22, 0, false),
        (TEST_NAMESPACE_IN | TEST_NOT, 3, 22, 0, true),
        (TEST_NAMESPACE_CHANGED, 0, 3, 0, true),
        (TEST_NAMESPACE_CHANGED, 0, 1, 0, false),
        (TEST_CAPABILITY, 1, 0, 2, true),
        (TEST_CAPABILITY, 1, 2, 1, false),
        (TEST_CAPABILITY | TEST_NOT, 1, 2, 1, true),
        (TEST_CAPABILITY_CHANGED, 2, 0, 1 << 10, true),
        (TEST_CAPABILITY_CHANGED, 2, u32::MAX, 1, false),
        (TEST_USER, 0, 100, 0, true),
        (TEST_USER, 0, 101, 0, false),
        (TEST_SCOPE, SCOPE_HOST, 0, 0, true),
        (TEST_SCOPE, SCOPE_CONTAINERS, 2, 0, true),
        (TEST_SCOPE, SCOPE_CONTAINERS, 3, 0, false),
    ];
    for (test, slot, values, count, expected) in cases {
        let mut config = config(&[(ACTION_POST, &[(test, values)])]);
        config.filters[0] = Filter { test, slot, values, count };
        let selected = select(&config, &mut Process { ..PROCESS });
        assert_eq!(selected.is_some(), expected, "test {test} of {slot} against {values}, {count}");
    }
}

#[test]
fn words_of_an_argument_are_compared() {
    let cases = [
        (TEST_INTEGER_IN, 0, 5, true),
        (TEST_INTEGER_IN, 3, 8, true),
        (TEST_INTEGER_IN, 3, 5, false),
        // The lower half of an address is the word after its upper one.
        (TEST_ADDRESS_RANGE, 3, 9, true),
        (TEST_ADDRESS_RANGE, 3, 10, false),
        (TEST_ADDRESS_RANGE | TEST_NOT, 3, 10, true),
    ];
    for (test, word, values, expected) in cases {
        let mut config = config(&[(ACTION_POST, &[(test, values)])]);
        config.filters[0].slot = word << WORD_SHIFT;
        let selected = select(&config, &mut Process { ..PROCESS });
        assert_eq!(selected.is_some(), expected, "test {test} of word {word} against {values}");
    }
}

#[test]
fn bits_are_gained_from_one_argument_to_another() {
    // Slot 0 holds 5, slot 1 holds 6, slot 3 holds 8.
    for (before, after, expected) in [(0, 1, true), (1, 0, true), (0, 0, false), (2, 1, false), (2, 3, true)]
    {
        let mut config = config(&[(ACTION_POST, &[(TEST_BITS_GAINED, after)])]);
        config.filters[0].slot = before;
        let selected = select(&config, &mut Process { ..PROCESS });
        assert_eq!(selected.is_some(), expected, "from slot {before} to {after}");
    }
}

#[test]
fn arguments_of_expressions_are_read_first() {
    // Slot 1 holds 6, slot 3 holds 8.
    for (left, right, expected) in [(1, 3, true), (3, 1, false)] {
        let mut config = config(&[(ACTION_POST, &[(TEST_EXPRESSION, 0)])]);
        config.filters[0] = Filter { test: TEST_EXPRESSION, slot: 1 << 1 | 1 << 3, values: 0, count: 3 };
        let operation = |code, value, place| Operation { value, code, integer: INTEGER_U64, place };
        config.operations[0] = operation(OPERATION_ARGUMENT, left, 0);
        config.operations[1] = operation(OPERATION_ARGUMENT, right, 1);
        config.operations[2] = operation(OPERATION_LESS, 0, 0);
        let selected = select(&config, &mut Process { ..PROCESS });
        assert_eq!(selected.is_some(), expected, "slot {left} < slot {right}");
        let mut unreadable = Process { integer: None, ..PROCESS };
        assert_eq!((select(&config, &mut unreadable), unreadable.unreadable), (None, 1));
    }
}

#[test]
fn the_first_selector_whose_filters_all_hold_wins() {
    let config = config(&[
        (ACTION_POST, &[(TEST_PID_IN, 7), (TEST_INTEGER_IN, 6)]),
        (ACTION_SIGKILL, &[(TEST_PID_IN, 7), (TEST_INTEGER_IN, 5)]),
        (ACTION_POST, &[]),
    ]);
    let selected = select(&config, &mut Process { ..PROCESS }).expect("the second holds");
    assert_eq!((selected.index, selected.actions), (1, ACTION_SIGKILL));
    let other = select(&config, &mut Process { pid: 1, ..PROCESS }).expect("the third holds always");
    assert_eq!(other.index, 2);
}

#[test]
fn what_is_returned_is_held_against_the_filters_of_the_selector_that_matched() {
    let mut config = config(&[(ACTION_POST, &[(TEST_INTEGER_IN, 5)]), (ACTION_POST, &[])]);
    config.return_filters[0] = Filters { first: 0, count: 1 };
    for (selector, returned, expected) in
        [(0, 5, true), (0, 6, false), (1, 6, true), (2, 5, false), (u32::MAX, 5, false)]
    {
        let mut process = Process { integer: Some(returned), ..PROCESS };
        let holds = holds_on_return(&config, selector, &mut process);
        assert_eq!(holds, expected, "selector {selector}, returned {returned}");
    }
}

#[test]
fn what_cannot_be_read_fails_closed_only_where_it_enforces() {
    let cases = [
        (ACTION_POST, TEST_TEXT_EQUAL, None),
        (ACTION_POST, TEST_TEXT_EQUAL | TEST_NOT, None),
        (ACTION_POST | ACTION_SIGKILL, TEST_TEXT_EQUAL, Some(true)),
        (ACTION_POST | ACTION_SIGKILL, TEST_TEXT_EQUAL | TEST_NOT, Some(true)),
    ];
    for (actions, test, expected) in cases {
        let config = config(&[(actions, &[(test, 0)])]);
        let mut process = Process { text: Verdict::Unreadable, ..PROCESS };
        let selected = select(&config, &mut process);
        assert_eq!(selected.map(|selected| selected.failed_closed), expected, "actions {actions:#x}");
        assert_eq!(process.unreadable, 1);
    }
    let mut process = Process { integer: None, ..PROCESS };
    let config = config(&[(ACTION_SIGKILL, &[(TEST_INTEGER_IN, 5), (TEST_PID_IN, 8)])]);
    assert_eq!(select(&config, &mut process), None, "the other filters still count");
}
