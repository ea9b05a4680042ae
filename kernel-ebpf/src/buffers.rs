//! Arguments that are bytes.

use aya_ebpf::helpers::generated::bpf_probe_read_user;
use serin_abi::MAX_BYTES;
use serin_abi::record::{Header, Hit, MAX_RECORD};
use serin_abi::segments::{GATHERED, MAX_SEGMENTS, Program, gather};
use serin_abi::selector::constant;

use crate::memory::{byte, copy, copy_user, pointer};
use crate::offset;
use crate::scratch::{Slot, Work};

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

/// The memory of the program that made the call.
struct Current;

impl Program for Current {
    #[inline(always)]
    fn segment(at: u64, size: u64) -> ([u64; 2], u64) {
        let mut words = [0_u64; 2];
        // SAFETY: the words have 16 bytes; the helper checks the source.
        unsafe {
            let to = (&raw mut words).cast();
            if size == 8 {
                let error = bpf_probe_read_user(to, 8, at as *const _);
                ([words[0] & 0xffff_ffff, words[0] >> 32], error as u64)
            } else {
                let error = bpf_probe_read_user(to, 16, at as *const _);
                (words, error as u64)
            }
        }
    }

    #[inline(always)]
    unsafe fn copy(to: *mut u8, from: u64, length: u32) -> u64 {
        // SAFETY: the caller vouches for the destination; the helper checks the source.
        unsafe { bpf_probe_read_user(to.cast(), length, from as *const _) as u64 }
    }
}

/// Reads the bytes of a program's segments, whose array has entries of `size` bytes, behind a word that says how many there are;
/// false if some cannot be read. They are gathered where the record is not yet.
#[inline(always)]
pub fn load_segments(to: *mut Slot, work: *mut Work, (from, size): (u64, u64), count: i64) -> bool {
    const _: () = assert!(size_of::<Header>() + size_of::<Hit>() + GATHERED <= MAX_RECORD);
    let count = if count < 0 { 0 } else { count as u64 };
    let count = if count > u64::from(MAX_SEGMENTS) { MAX_SEGMENTS } else { count as u32 };
    // SAFETY: pointers to map values, with room for all that is gathered; the slot's buffer is longer than the word and the
    // most bytes.
    unsafe {
        let gathered = (&raw mut (*work).record).cast::<u8>().add(size_of::<Header>() + size_of::<Hit>());
        let segments = &raw mut (*work).segments;
        gather::<Current>(segments, gathered.cast(), (from, size), count);
        let copied = (&raw const (*segments).copied).read_volatile();
        let copied = if copied > MAX_BYTES as u64 { MAX_BYTES as u32 } else { copied as u32 };
        let buffer = (&raw mut (*to).buffer).cast::<u8>();
        buffer.cast::<u64>().write((&raw const (*segments).total).read_volatile());
        (*to).start = 0;
        (*to).before = 8;
        (*to).header.length = 8 + copied;
        copy(buffer.add(8), gathered as u64, copied);
        (&raw const (*segments).errors).read_volatile() == 0
    }
}
