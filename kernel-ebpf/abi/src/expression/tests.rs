//! Holds expressions against arithmetic in the types themselves.

extern crate std;
use std::boxed::Box;
use std::vec::Vec;

use super::*;
use crate::config::{INTEGER_U64, OPERATION_WRAP};

const INTEGERS: [u16; 4] = [INTEGER_S64, INTEGER_U64, INTEGER_S32, INTEGER_U32];

const VALUES: [i64; 15] = [
    0,
    1,
    2,
    -1,
    -2,
    7,
    1 << 31,
    (1 << 31) - 1,
    -(1 << 31),
    (1 << 32) - 1,
    1 << 32,
    (1 << 32) + 1,
    i64::MAX,
    i64::MIN,
    0x5555_aaaa_1234_8765,
];

/// Whether an expression holds whose arguments are these.
fn holds(operations: &[Operation], arguments: &[Option<u64>]) -> Verdict {
    // SAFETY: every field is an integer.
    let mut config: Box<HookConfig> = Box::new(unsafe { core::mem::zeroed() });
    // Not at the start of the list, as with several filters.
    const FIRST: usize = 3;
    config.operations[FIRST..FIRST + operations.len()].copy_from_slice(operations);
    let filter = Filter { test: 0, slot: 0, values: FIRST as u32, count: operations.len() as u32 };
    // Values of another expression may stand in the places.
    let mut places = Places { values: [7; MAX_PLACES + 1] };
    // SAFETY: memory of its own.
    unsafe { evaluate(&config, &filter, &raw mut places, |slot| arguments[slot as usize]) }
}

fn operation(code: u32, integer: u16, place: u16, value: u64) -> Operation {
    Operation { value, code, integer, place }
}

/// Whether `left code right` has this value.
fn makes(code: u32, integer: u16, left: u64, right: u64, expected: u64) -> bool {
    let operations = [
        operation(OPERATION_ARGUMENT, 0, 0, 0),
        operation(OPERATION_ARGUMENT, 0, 1, 1),
        operation(code, integer, 0, 0),
        operation(OPERATION_CONSTANT, 0, 1, expected),
        operation(OPERATION_EQUAL, INTEGER_U64, 0, 0),
    ];
    holds(&operations, &[Some(left), Some(right)]) == Verdict::Match
}

/// What an operation makes of two values of a type, by the type itself.
macro_rules! plain {
    ($type:ty, $wide:ty, $code:expr, $left:expr, $right:expr) => {{
        let (left, right) = ($left as $type, $right as $type);
        let number = |number: $type| <$wide>::from(number) as u64;
        match $code {
            OPERATION_ADD => number(left.wrapping_add(right)),
            OPERATION_SUBTRACT => number(left.wrapping_sub(right)),
            OPERATION_AND => number(left & right),
            OPERATION_OR => number(left | right),
            OPERATION_XOR => number(left ^ right),
            OPERATION_EQUAL => u64::from(left == right),
            OPERATION_NOT_EQUAL => u64::from(left != right),
            OPERATION_LESS => u64::from(left < right),
            OPERATION_LESS_OR_EQUAL => u64::from(left <= right),
            _ => number(left),
        }
    }};
}

fn plain(code: u32, integer: u16, left: u64, right: u64) -> u64 {
    match integer {
        INTEGER_S32 => plain!(i32, i64, code, left, right),
        INTEGER_U32 => plain!(u32, u64, code, left, right),
        INTEGER_S64 => plain!(i64, i64, code, left, right),
        _ => plain!(u64, u64, code, left, right),
    }
}

#[test]
fn every_operation_does_what_its_type_does() {
    let mut tried = 0;
    for code in OPERATION_ADD..=OPERATION_WRAP {
        for integer in INTEGERS {
            for left in VALUES {
                for right in VALUES {
                    // As arguments of the type are read.
                    let (left, right) = (wrap(left as u64, integer), wrap(right as u64, integer));
                    let expected = plain(code, integer, left, right);
                    assert!(
                        makes(code, integer, left, right, expected),
                        "{code} of {integer}: {left:#x}, {right:#x}"
                    );
                    assert!(!makes(code, integer, left, right, expected ^ 1));
                    tried += 1;
                }
            }
        }
    }
    assert_eq!(tried, 10 * 4 * 15 * 15);
}

/// Numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Appends a made-up number of a type; its value.
fn make(
    numbers: &mut Numbers,
    depth: u16,
    place: u16,
    arguments: &[u64],
    operations: &mut Vec<Operation>,
) -> u64 {
    const INTEGER: u16 = INTEGER_S32;
    if depth == 0 || numbers.below(4) == 0 {
        let slot = numbers.below(arguments.len() as u64);
        operations.push(operation(OPERATION_ARGUMENT, INTEGER, place, slot));
        return arguments[slot as usize];
    }
    let left = make(numbers, depth - 1, place, arguments, operations);
    let right = make(numbers, depth - 1, place + 1, arguments, operations);
    let code = OPERATION_ADD + numbers.below(u64::from(OPERATION_WRAP - OPERATION_ADD)) as u32;
    operations.push(operation(code, INTEGER, place, 0));
    plain(code, INTEGER, left, right)
}

#[test]
fn nested_expressions_keep_their_values_apart() {
    let mut numbers = Numbers(1);
    let mut longest = 0;
    for _ in 0..2000 {
        let arguments: Vec<u64> =
            (0..4).map(|_| wrap(VALUES[numbers.below(15) as usize] as u64, INTEGER_S32)).collect();
        let mut operations = Vec::new();
        let value = make(&mut numbers, 6, 0, &arguments, &mut operations);
        longest = longest.max(operations.len());
        let known: Vec<_> = arguments.iter().map(|value| Some(*value)).collect();
        assert_eq!(holds(&operations, &known), (value != 0).into(), "{operations:?} of {arguments:x?}");
    }
    assert!(longest > 50, "{longest}");
}

#[test]
fn what_cannot_be_read_leaves_it_open() {
    let operations = [
        operation(OPERATION_CONSTANT, 0, 0, 1),
        operation(OPERATION_ARGUMENT, 0, 1, 1),
        operation(OPERATION_OR, INTEGER_U64, 0, 0),
    ];
    assert_eq!(holds(&operations, &[None, Some(0)]), Verdict::Match);
    assert_eq!(holds(&operations, &[Some(0), None]), Verdict::Unreadable);
}

#[test]
fn the_last_place_has_one_behind_it() {
    let last = MAX_PLACES as u16 - 1;
    let operations = [operation(OPERATION_ARGUMENT, 0, last, 0), operation(OPERATION_WRAP, 0, last, 0)];
    assert_eq!(holds(&operations, &[Some(1)]), Verdict::Match, "place 0 holds what was there");
}
