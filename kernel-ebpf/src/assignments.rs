//! `Override` at places in programs: setting registers.

use serin_abi::config::{ASSIGNMENTS_SHIFT, Assignment, MAX_ASSIGNMENTS, OPERAND_MEMORY};
use serin_abi::selector::{constant, entry};

use crate::arguments::Registers;
use crate::contexts::Probe;
use crate::hook::{count, this_hook};
use crate::memory::copy_user;

/// Sets registers one after the other, and stops at one whose value cannot be read. `which` are those of a selector, as its
/// [`assignments`](serin_abi::config::Selector::assignments) say.
#[inline(always)]
pub fn assign(table: &[Assignment; MAX_ASSIGNMENTS], which: u32, registers: &Probe<true>) {
    let (first, number) = (which & ((1 << ASSIGNMENTS_SHIFT) - 1), which >> ASSIGNMENTS_SHIFT);
    let mut index = 0;
    while index < MAX_ASSIGNMENTS as u32 && index < number {
        let assignment = entry(table, first + index);
        let mut value = source(assignment, registers).wrapping_add(constant(&assignment.value));
        if constant(&assignment.kind) == OPERAND_MEMORY {
            let address = value;
            // SAFETY: the value has eight bytes; the helper checks the source.
            if !unsafe { copy_user((&raw mut value).cast(), address, size_of::<u64>() as u32) } {
                return count(this_hook().hook, |counters| &raw mut counters.unenforced);
            }
        }
        registers.set_register(constant(&assignment.register), constant(&assignment.size), value);
        index += 1;
    }
}

/// What the source holds; 0 if there is none.
#[inline(always)]
fn source(assignment: &Assignment, registers: &Probe<true>) -> u64 {
    let value = registers.numbered_register(constant(&assignment.source));
    match constant(&assignment.source_size) {
        1 => u64::from(value as u8),
        2 => u64::from(value as u16),
        4 => u64::from(value as u32),
        _ => value,
    }
}
