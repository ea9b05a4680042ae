//! Putting the record of a hit together.

use serin_abi::MAX_STRING;
use serin_abi::record::{Argument, HOOK, Header, Hit, MAX_RECORD};

use crate::hook::count;
use crate::output;
use crate::scratch::{Slot, Work};

/// Where the record says what was hit.
#[inline(always)]
pub fn hit(work: *mut Work) -> *mut Hit {
    // SAFETY: the record is longer than a header and this.
    unsafe { (&raw mut (*work).record).cast::<u8>().add(size_of::<Header>()).cast() }
}

/// Completes and sends the record of `length` bytes.
#[inline(always)]
pub fn send(work: *mut Work, flags: u8, length: u32) {
    output::begin(work, HOOK, flags);
    if output::end(work, length) {
        count(|counters| &raw mut counters.posted);
    } else {
        count(|counters| &raw mut counters.lost);
    }
}

/// Copies an integer into the record at `at`; where the record ends.
#[inline(always)]
pub fn append_integer(work: *mut Work, at: u32, slot: *mut Slot) -> u32 {
    const SIZE: usize = size_of::<Argument>() + size_of::<u64>();
    const LAST: u32 = (MAX_RECORD - SIZE) as u32;
    let at = if at > LAST { LAST } else { at };
    // SAFETY: `at` leaves room for an integer, and is a multiple of eight as all lengths in a record.
    unsafe {
        let to = (&raw mut (*work).record).cast::<u8>().add(at as usize);
        to.cast::<Argument>().write_unaligned((*slot).header);
        to.add(size_of::<Argument>()).cast::<u64>().write_unaligned((*slot).integer);
    }
    at + SIZE as u32
}

/// Copies an argument into the record at `at`; where the next one goes.
#[inline(always)]
pub fn append(work: *mut Work, at: u32, slot: *mut Slot) -> u32 {
    const LAST: u32 = (MAX_RECORD - size_of::<Argument>() - MAX_STRING) as u32;
    if at > LAST {
        return at;
    }
    // SAFETY: pointers to map values; `at` leaves room for the longest argument, and the text lies
    // within the slot's buffer.
    unsafe {
        let to = (&raw mut (*work).record).cast::<u8>().add(at as usize);
        let header = (*slot).header;
        to.cast::<Argument>().write(header);
        let length = if header.length > MAX_STRING as u32 { MAX_STRING as u32 } else { header.length };
        let text = (&raw const (*slot).buffer).cast::<u8>().add(((*slot).start as usize) & (MAX_STRING - 1));
        crate::memory::copy(to.add(size_of::<Argument>()), text as u64, length);
        at + size_of::<Argument>() as u32 + ((length + 7) & !7)
    }
}
