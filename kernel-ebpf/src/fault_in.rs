//! Has the kernel bring in the memory of a program that a hook's arguments are in.
//!
//! A program that must not sleep cannot read a page that is not in memory, as one that the process has not used yet. So on
//! hooks in programs another comes before it, which may sleep: it goes the way to each argument that the other will go, and
//! touches what is there. Of two programs at a place in a file the kernel runs the one first that was attached last
//! (`consumer_add` in `kernel/events/uprobes.c`).

use aya_ebpf::helpers::generated::{bpf_copy_from_user, bpf_probe_read_user, bpf_probe_read_user_str};
use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use serin_abi::config::{ArgumentConfig, HookConfig, READ_BUFFER, READ_SEGMENTS, READ_TEXT, READ_VALUE};
use serin_abi::record::KIND_STRING;
use serin_abi::segments::MAX_SEGMENTS;
use serin_abi::selector::{constant, entry};
use serin_abi::text::BUFFER;
use serin_abi::{CONTINUE, MAX_ARGUMENTS, MAX_BYTES, MAX_STRING, STOP, repeat};

use crate::arguments::{self, Registers};
use crate::hook::HOOK_CONFIG;

/// Smallest page that a kernel has.
const PAGE: u64 = 4096;

/// What is read to see whether it can be. Another program may write here meanwhile, and nobody minds.
#[map]
static SEEN: PerCpuArray<[u8; BUFFER]> = PerCpuArray::with_max_entries(1, 0);

/// Brings in what the hook's arguments lead to.
#[inline(always)]
pub fn run<R: Registers>(registers: &R) {
    let mut index = 0;
    while index < MAX_ARGUMENTS as u32 && index < constant(&HOOK_CONFIG.argument_count) {
        bring_in(&HOOK_CONFIG, registers, entry(&HOOK_CONFIG.arguments, index));
        index += 1;
    }
}

/// Has the page with this address brought in, if there is one.
#[inline(always)]
pub fn touch(address: u64) {
    let mut byte = 0_u8;
    // SAFETY: the destination has one byte; the helper checks the source.
    unsafe { bpf_copy_from_user((&raw mut byte).cast(), 1, address as *const _) };
}

/// The same for all pages that some bytes are on: at most as many as a page has.
#[inline(always)]
pub fn touch_bytes(address: u64, length: u64) {
    touch(address);
    touch(address.wrapping_add(length.saturating_sub(1)));
}

#[inline(always)]
fn bring_in<R: Registers>(config: &HookConfig, registers: &R, argument: &ArgumentConfig) {
    let address = arguments::value(config, registers, argument).value;
    match constant(&argument.read) {
        READ_BUFFER => touch_bytes(address, bounded(arguments::size(config, registers, argument))),
        READ_SEGMENTS => touch_segments(address, arguments::size(config, registers, argument)),
        READ_TEXT => touch_text(address, constant(&argument.size)),
        READ_VALUE if constant(&argument.kind) == KIND_STRING => touch_text(address, MAX_STRING as u32),
        _ => {}
    }
}

/// How many of these bytes are read.
#[inline(always)]
fn bounded(length: i64) -> u64 {
    let length = if length < 0 { 0 } else { length as u64 };
    if length > MAX_BYTES as u64 { MAX_BYTES as u64 } else { length }
}

/// Brings in a text of at most this many bytes, and of two pages the second only if the text goes on there.
#[inline(always)]
fn touch_text(address: u64, size: u32) {
    let size = if size > MAX_STRING as u32 { MAX_STRING as u32 } else { size };
    if !is_readable(address, size + 1) {
        touch(address);
        if !is_readable(address, size + 1) {
            touch((address | (PAGE - 1)).wrapping_add(1));
        }
    }
}

#[inline(always)]
fn is_readable(address: u64, size: u32) -> bool {
    let Some(seen) = SEEN.get_ptr_mut(0) else { return false };
    // SAFETY: the buffer is longer than the longest string and its NUL; the helper checks the source.
    unsafe { bpf_probe_read_user_str(seen.cast(), size, address as *const _) >= 0 }
}

/// The segments of an array that are still to be brought in.
struct Segments {
    /// Where the next entry of the array is.
    next: u64,
    /// How many of their bytes are still read.
    room: u64,
}

#[inline(always)]
fn touch_segments(array: u64, count: i64) {
    let count = if count < 0 { 0 } else { count as u64 };
    let count = if count > u64::from(MAX_SEGMENTS) { MAX_SEGMENTS } else { count as u32 };
    repeat(count, &mut Segments { next: array, room: MAX_BYTES as u64 }, touch_segment);
}

extern "C" fn touch_segment(_: u32, segments: &mut Segments) -> i64 {
    let mut words = [0_u64; 2];
    touch_bytes(segments.next, size_of_val(&words) as u64);
    // SAFETY: the words have 16 bytes; the helper checks the source.
    unsafe {
        let (to, size) = ((&raw mut words).cast(), size_of_val(&words) as u32);
        bpf_probe_read_user(to, size, segments.next as *const _);
    }
    let [from, length] = words;
    let length = if length > segments.room { segments.room } else { length };
    touch_bytes(from, length);
    segments.next = segments.next.wrapping_add(size_of_val(&words) as u64);
    segments.room -= length;
    if segments.room == 0 { STOP } else { CONTINUE }
}
