//! Expressions over integer arguments.
//!
//! An expression is a list of operations, each of which puts what it makes into a place, from where a later one takes it.
//! Which places these are stands in the operation: so a program that runs through the list keeps nothing but its position in
//! it, which the verifier knows, and the values stay in memory, of which the verifier forgets what it has seen.

use crate::config::{
    Filter, HookConfig, INTEGER_S32, INTEGER_S64, INTEGER_U32, OPERATION_ADD, OPERATION_AND,
    OPERATION_ARGUMENT, OPERATION_CONSTANT, OPERATION_EQUAL, OPERATION_LESS, OPERATION_LESS_OR_EQUAL,
    OPERATION_NOT_EQUAL, OPERATION_OR, OPERATION_SUBTRACT, OPERATION_XOR, Operation,
};
use crate::selector::{Verdict, constant, entry};
use crate::{MAX_OPERATIONS, MAX_PLACES};

/// Memory for the values of an expression. An operation takes two of them, its own and the one behind it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Places {
    /// By place. The last is only what an operation that takes one value finds behind it.
    pub values: [u64; MAX_PLACES + 1],
}

/// Whether the expression of a filter holds, by what the arguments in these slots are.
///
/// # Safety
/// The places must be valid to write.
#[inline(always)]
pub unsafe fn evaluate(
    config: &HookConfig,
    filter: &Filter,
    places: *mut Places,
    mut argument: impl FnMut(u32) -> Option<u64>,
) -> Verdict {
    let (first, count) = (constant(&filter.values), constant(&filter.count));
    let mut index = 0;
    while index < MAX_OPERATIONS as u32 && index < count && first + index < MAX_OPERATIONS as u32 {
        let operation = entry(&config.operations, first + index);
        if constant(&operation.code) == OPERATION_ARGUMENT {
            let Some(value) = argument(constant(&operation.value) as u32) else {
                return Verdict::Unreadable;
            };
            // SAFETY: the caller vouches for the places.
            unsafe { place(places, operation).write_volatile(value) };
        } else {
            // SAFETY: as above.
            unsafe { perform(operation, place(places, operation)) };
        }
        index += 1;
    }
    // SAFETY: as above.
    unsafe { (&raw const (*places).values).cast::<u64>().read_volatile() != 0 }.into()
}

/// Where an operation puts its result.
#[inline(always)]
unsafe fn place(places: *mut Places, operation: &Operation) -> *mut u64 {
    let place = usize::from(constant(&operation.place));
    let place = if place < MAX_PLACES { place } else { 0 };
    // SAFETY: below the number of places.
    unsafe { (&raw mut (*places).values).cast::<u64>().add(place) }
}

/// Performs an operation on the value in a place and the one behind it.
#[inline(always)]
unsafe fn perform(operation: &Operation, place: *mut u64) {
    let of = constant(&operation.integer);
    // SAFETY: the caller vouches for the place and the one behind it.
    let (left, right) = unsafe { (place.read_volatile(), place.add(1).read_volatile()) };
    let value = match constant(&operation.code) {
        OPERATION_CONSTANT => constant(&operation.value),
        OPERATION_ADD => wrap(left.wrapping_add(right), of),
        OPERATION_SUBTRACT => wrap(left.wrapping_sub(right), of),
        OPERATION_AND => left & right,
        OPERATION_OR => left | right,
        OPERATION_XOR => left ^ right,
        OPERATION_EQUAL => u64::from(left == right),
        OPERATION_NOT_EQUAL => u64::from(left != right),
        OPERATION_LESS => u64::from(order(left, of) < order(right, of)),
        OPERATION_LESS_OR_EQUAL => u64::from(order(left, of) <= order(right, of)),
        // `OPERATION_WRAP`
        _ => wrap(left, of),
    };
    // SAFETY: as above.
    unsafe { place.write_volatile(value) };
}

/// The lower bits that an integer type has, extended by its sign.
#[inline(always)]
pub fn wrap(value: u64, integer: u16) -> u64 {
    match integer {
        INTEGER_S32 => i64::from(value as i32) as u64,
        INTEGER_U32 => u64::from(value as u32),
        _ => value,
    }
}

/// A number that is as great among the unsigned ones as the value is among those of its type.
#[inline(always)]
fn order(value: u64, integer: u16) -> u64 {
    match integer {
        INTEGER_S32 | INTEGER_S64 => value ^ 1 << 63,
        _ => value,
    }
}

#[cfg(test)]
mod tests;
