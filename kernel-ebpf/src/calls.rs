//! Calls under way: what a hook saw at the entry, kept until the call returns.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::map;
use aya_ebpf::maps::HashMap;
use serin_abi::record::{Header, MAX_RECORD, SHORT_RECORD};
use serin_abi::{Call, MAX_CALLS};

use crate::maps::NO_PREALLOC;
use crate::memory::copy;
use crate::scratch::Work;

/// The records of calls under way.
#[map]
static CALLS: HashMap<Call, [u8; SHORT_RECORD]> = HashMap::pinned(MAX_CALLS, NO_PREALLOC);

/// Those that are longer than [`SHORT_RECORD`].
#[map]
static LONG_CALLS: HashMap<Call, [u8; MAX_RECORD]> = HashMap::pinned(MAX_CALLS, NO_PREALLOC);

/// Keeps a record of `length` bytes, but for its header, of which only `flags` are kept.
///
/// False if a call is lost by this: this one, for which there is no room, or one before that never
/// returned.
///
/// # Safety
/// `work` must be valid.
#[inline(always)]
pub unsafe fn keep(work: *mut Work, hook: u32, length: u32, flags: u8) -> bool {
    let call = current(hook);
    let stale = is_kept(&call);
    // SAFETY: the record is longer than a header and aligned to eight, and as long as either map's values.
    let kept = unsafe {
        put_length(work, length, flags);
        let record = &raw mut (*work).record;
        if length as usize <= SHORT_RECORD {
            CALLS.insert(call, &*record.cast::<[u8; SHORT_RECORD]>(), 0)
        } else {
            LONG_CALLS.insert(call, &*record, 0)
        }
    };
    kept.is_ok() && !stale
}

/// Says how long the record is, and its flags.
///
/// # Safety
/// `work` must be valid.
#[inline(always)]
pub unsafe fn put_length(work: *mut Work, length: u32, flags: u8) {
    // SAFETY: the record is longer than a header and aligned to eight.
    unsafe {
        let header = (&raw mut (*work).record).cast::<Header>();
        (*header).length = length;
        (*header).flags = flags;
    }
}

/// How long the record is, and its flags.
///
/// # Safety
/// `work` must be valid.
#[inline(always)]
pub unsafe fn length(work: *mut Work) -> (u32, u8) {
    // SAFETY: the record is longer than a header and aligned to eight.
    unsafe {
        let header = (&raw mut (*work).record).cast::<Header>();
        ((&raw const (*header).length).read_volatile(), (&raw const (*header).flags).read_volatile())
    }
}

/// Whether the current task is in a call of this hook whose record is kept.
#[inline(always)]
pub fn is_under_way(hook: u32) -> bool {
    is_kept(&current(hook))
}

/// Forgets the record of the call that the current task is in.
#[inline(always)]
pub fn forget(hook: u32) {
    let call = current(hook);
    // It is in one of them.
    let _ = CALLS.remove(call);
    let _ = LONG_CALLS.remove(call);
}

/// Gives back the record of the call that the current task is in, with its length, which is 0 if there is none, and flags.
///
/// # Safety
/// `work` must be valid.
#[inline(always)]
pub unsafe fn take(work: *mut Work, hook: u32) {
    let call = current(hook);
    let record = unsafe { &raw mut (*work).record }.cast::<u8>();
    // SAFETY: what is kept starts with a header, and the record is longer than both maps' values.
    let taken = unsafe {
        if let Some(kept) = CALLS.get_ptr(call) {
            copy(record, kept as u64, SHORT_RECORD as u32)
        } else if let Some(kept) = LONG_CALLS.get_ptr(call) {
            copy(record, kept as u64, MAX_RECORD as u32)
        } else {
            false
        }
    };
    if taken {
        forget(hook);
    } else {
        // SAFETY: the caller vouches for the pointer.
        unsafe { put_length(work, 0, 0) };
    }
}

#[inline(always)]
fn current(hook: u32) -> Call {
    Call { task: bpf_get_current_pid_tgid(), hook, reserved: 0 }
}

#[inline(always)]
fn is_kept(call: &Call) -> bool {
    CALLS.get_ptr(call).is_some() || LONG_CALLS.get_ptr(call).is_some()
}
