//! Arguments that are bytes.

use serin_abi::MAX_BYTES;
use serin_abi::selector::constant;

use crate::memory::{byte, copy, copy_user, pointer};
use crate::offset;
use crate::scratch::Slot;

/// Reads bytes of the kernel's or the user's memory, behind a word that says how many there are; false if they
/// cannot be read. A negative length is that of an error, and stands for none.
#[inline(always)]
pub fn load(to: *mut Slot, from: u64, length: i64) -> bool {
    let length = if length < 0 { 0 } else { length as u64 };
    let read = if length > MAX_BYTES as u64 { MAX_BYTES as u32 } else { length as u32 };
    // SAFETY: the buffer is aligned to eight, and longer than the word and the most bytes.
    // On x86-64 the kernel's half of the address space is the negative one.
    unsafe {
        let buffer = (&raw mut (*to).buffer).cast::<u8>();
        buffer.cast::<u64>().write(length);
        (*to).start = 0;
        (*to).before = 8;
        (*to).header.length = 8 + read;
        let place = buffer.add(8);
        if (from as i64) < 0 { copy(place, from, read) } else { copy_user(place, from, read) }
    }
}

/// Reads the first segment of a `struct iov_iter` over user memory; false if it is over something else.
#[inline(always)]
pub fn load_iterator(to: *mut Slot, iterator: u64) -> bool {
    let kind = u32::from(byte(iterator + offset!(iter_type)));
    let done = pointer(iterator + offset!(iter_offset));
    let count = pointer(iterator + offset!(iter_count));
    let segments = pointer(iterator + offset!(iter_iov));
    let (base, length) = if kind == constant(&crate::OFFSETS.iter_is_ubuf) {
        (pointer(iterator + offset!(iter_ubuf)), count)
    } else if kind == constant(&crate::OFFSETS.iter_is_iovec) {
        let segment = pointer(segments + 8).wrapping_sub(done);
        (pointer(segments), if segment < count { segment } else { count })
    } else {
        return false;
    };
    load(to, base.wrapping_add(done), length as i64)
}
