//! Which binary filters hold for a process.

use serin_abi::binaries::{BinarySets, Pattern, Patterns, classify};
use serin_abi::{BINARY_KEY, MAX_STRING};

use crate::maps::{BINARIES, BINARY_PATTERNS, BINARY_TABLE, PROCESSES};
use crate::memory::copy;
use crate::scratch::{Slot, Work};

/// The values in [`BINARY_PATTERNS`].
struct PatternTable;

impl Patterns for PatternTable {
    #[inline(always)]
    fn pattern(index: u32) -> Option<*const Pattern> {
        BINARY_PATTERNS.get_ptr(index)
    }
}

/// The filters that hold for a process, as it is known by now.
#[inline(always)]
pub fn of(pid: u32) -> BinarySets {
    // SAFETY: entries are only replaced as a whole; a torn read would give a wrong set, not a bad access.
    match unsafe { PROCESSES.get(pid) } {
        Some(process) => process.binaries,
        None => BinarySets::NONE,
    }
}

/// Those of a process that stay with it and its children whatever they execute.
#[inline(always)]
pub fn inherited(pid: u32) -> BinarySets {
    match BINARY_TABLE.get(0) {
        Some(table) => of(pid).common(table.inherited),
        None => BinarySets::NONE,
    }
}

/// The filters that hold for a process with this id once it has executed the program whose path is in the slot.
#[inline(always)]
pub fn after_exec(pid: u32, work: *mut Work, slot: *mut Slot) -> BinarySets {
    let Some(table) = BINARY_TABLE.get(0) else { return BinarySets::NONE };
    // SAFETY: pointers to map values; the text lies within the slot's buffer.
    unsafe {
        let sets = &raw mut (*work).binaries;
        sets.write(inherited(pid));
        look_up(work, slot, sets);
        let (search, buffer) = (&raw mut (*slot).search, &raw const (*slot).buffer);
        let path = ((*slot).start, (*slot).header.length);
        classify::<PatternTable>(search, buffer, path, table.patterns as u32, sets);
        *sets
    }
}

/// Adds the filters that name the path as it is.
#[inline(always)]
unsafe fn look_up(work: *mut Work, slot: *mut Slot, sets: *mut BinarySets) {
    // SAFETY: the caller vouches for the pointers; the text lies within the slot's buffer.
    unsafe {
        let length = (*slot).header.length;
        if length as usize >= BINARY_KEY {
            return;
        }
        let key = &raw mut (*work).key;
        // Word by word, so that it becomes stores and not a call of memset, whose loop over bytes
        // is more than the verifier of older kernels goes through with.
        for word in 0..BINARY_KEY / 8 {
            key.cast::<u64>().add(word).write_volatile(0);
        }
        let text = (&raw const (*slot).buffer).cast::<u8>().add(((*slot).start as usize) & (MAX_STRING - 1));
        if !copy(key.cast(), text as u64, length & (BINARY_KEY as u32 - 1)) {
            return;
        }
        if let Some(found) = BINARIES.get(&*key.cast::<[u8; BINARY_KEY]>()) {
            *sets = (*sets).with(*found);
        }
    }
}
