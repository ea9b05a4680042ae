//! `imaHash`: the hash of the file that an LSM hook is about.
//!
//! To read the file the kernel sleeps, which programs that hold this CPU's scratch memory must not. So what matches keeps its
//! record, as calls that wait for the return do, and a second program on the same hook, which may sleep, computes the hash and
//! sends the record. Of two programs on an LSM hook the kernel runs the one first that was attached last.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::generated::bpf_ima_file_hash;
use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use serin_abi::config::{HASHED_ALONE, HASHED_FILE};
use serin_abi::record::{Argument, HOOK_HASH, KIND_BYTES, MAX_HASH, MAX_RECORD};
use serin_abi::selector::constant;

use crate::arguments::Registers;
use crate::hook::{HOOK_CONFIG, count};
use crate::memory::trusted;
use crate::scratch::Work;
use crate::{calls, offset, output, report, scratch};

/// How many hashes are being computed on each CPU; one entry.
#[map]
static HASHING: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Whether the second program will run: some kernels leave it out while it is at work on this CPU for somebody else.
#[inline(always)]
pub fn will_run() -> bool {
    // SAFETY: a pointer to a map value.
    constant(&HOOK_CONFIG.hashed) & HASHED_ALONE == 0
        || HASHING.get_ptr(0).is_some_and(|count| unsafe { count.read_volatile() } == 0)
}

/// Computes the hash for the call that the current task is in, if its record waits for it, and sends that.
#[inline(always)]
pub fn run(registers: &impl Registers, hook: u32) {
    if !calls::is_under_way(hook) {
        return;
    }
    let mut hash = MaybeUninit::<[u64; MAX_HASH / 8]>::uninit();
    at_work(1);
    let algorithm = compute(registers, hash.as_mut_ptr());
    at_work(-1);
    let Some(scratch) = scratch::acquire() else {
        calls::forget(hook);
        count(hook, |counters| &raw mut counters.lost);
        return output::lost_for_want_of_scratch();
    };
    // SAFETY: pointers to map values; the helper has written the hash if it tells an algorithm.
    unsafe {
        calls::take(scratch.work, hook);
        let (at, flags) = calls::length(scratch.work);
        if at != 0 && algorithm >= 0 {
            let end = append(scratch.work, at, algorithm as u16, hash.as_ptr());
            report::send(scratch.work, flags | HOOK_HASH, end);
        } else if at != 0 {
            report::send(scratch.work, flags, at);
        }
    }
    scratch.release();
}

/// The hash's algorithm, or a negative error.
#[inline(always)]
fn compute(registers: &impl Registers, hash: *mut [u64; MAX_HASH / 8]) -> i64 {
    let argument = registers.argument(0);
    let file = if constant(&HOOK_CONFIG.hashed) & HASHED_FILE != 0 {
        argument
    } else {
        // SAFETY: the verifier knows the argument as a `struct linux_binprm *` and checks the offset.
        unsafe { trusted(argument, offset!(binprm_file)) }
    };
    // What is mapped need not be a file.
    if file == 0 {
        return -1;
    }
    // SAFETY: the hash has this many bytes; the verifier knows the file's type.
    unsafe { bpf_ima_file_hash(file as *mut _, hash.cast(), MAX_HASH as u32) }
}

#[inline(always)]
fn at_work(change: i64) {
    if let Some(count) = HASHING.get_ptr_mut(0) {
        // SAFETY: a pointer to a map value of this CPU, which the program stays on.
        unsafe { crate::atomic::add(count, change as u64) };
    }
}

/// Appends the hash to the record; where that ends.
///
/// # Safety
/// `work` must be a map value, and the hash be there.
#[inline(always)]
unsafe fn append(work: *mut Work, at: u32, algorithm: u16, hash: *const [u64; MAX_HASH / 8]) -> u32 {
    const LAST: u32 = (MAX_RECORD - size_of::<Argument>() - MAX_HASH) as u32;
    let at = if at > LAST { LAST } else { at };
    let header = Argument { length: MAX_HASH as u32, kind: KIND_BYTES as u8, flags: 0, mode: algorithm };
    // SAFETY: `at` leaves room for it.
    unsafe {
        let to = (&raw mut (*work).record).cast::<u8>().add(at as usize);
        to.cast::<Argument>().write_unaligned(header);
        let to = to.add(size_of::<Argument>()).cast::<u64>();
        let mut word = 0;
        while word < MAX_HASH / 8 {
            to.add(word).write_unaligned(hash.cast::<u64>().add(word).read());
            word += 1;
        }
    }
    at + (size_of::<Argument>() + MAX_HASH) as u32
}
