//! Putting the record of a hit together.

use serin_abi::MAX_STRING;
use serin_abi::record::{Argument, HOOK, Header, Hit, MAX_RECORD, MAX_RETURNED, TaskKey};

use crate::hook::count;
use crate::output;
use crate::scratch::{Slot, Work};

/// Where the record says what was hit.
#[inline(always)]
pub fn hit(work: *mut Work) -> *mut Hit {
    // SAFETY: the record is longer than a header and this.
    unsafe { (&raw mut (*work).record).cast::<u8>().add(size_of::<Header>()).cast() }
}

/// Where the record says whose call it is.
#[inline(always)]
pub fn task(work: *mut Work) -> *mut TaskKey {
    // SAFETY: the record is longer than a header and aligned to eight.
    unsafe { &raw mut (*(&raw mut (*work).record).cast::<Header>()).task }
}

/// Completes and sends the record of `length` bytes, which says whose call it is already.
#[inline(always)]
pub fn send(work: *mut Work, flags: u8, length: u32) {
    // SAFETY: a pointer into a map value.
    output::begin_for(work, HOOK, flags, unsafe { task(work).read() });
    // SAFETY: the record is longer than a header and this.
    let hook = unsafe { (&raw const (*hit(work)).hook).read_volatile() };
    if output::end(work, length) {
        count(hook, |counters| &raw mut counters.posted);
    } else {
        count(hook, |counters| &raw mut counters.lost);
    }
}

/// Copies what was returned, of `SIZE` bytes unless it could not be read, into the record at `at`; where the record
/// ends.
#[inline(always)]
pub fn append_returned<const SIZE: usize>(work: *mut Work, at: u32, slot: *mut Slot) -> u32 {
    const LAST: u32 = (MAX_RECORD - size_of::<Argument>() - MAX_RETURNED) as u32;
    let at = if at > LAST { LAST } else { at };
    // SAFETY: `at` leaves room for whatever is returned, and is a multiple of eight as all lengths in a record; the
    // slot's buffer is longer.
    unsafe {
        let to = (&raw mut (*work).record).cast::<u8>().add(at as usize);
        to.cast::<Argument>().write_unaligned((*slot).header);
        let (to, from) =
            (to.add(size_of::<Argument>()).cast::<u64>(), (&raw const (*slot).buffer).cast::<u64>());
        let mut word = 0;
        while word < SIZE / size_of::<u64>() {
            to.add(word).write_unaligned(from.add(word).read());
            word += 1;
        }
        let length = if (*slot).header.length == 0 { 0 } else { SIZE as u32 };
        at + size_of::<Argument>() as u32 + length
    }
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
