//! Calls under way: what a hook saw at the entry, kept until the call returns.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::map;
use aya_ebpf::maps::HashMap;
use serin_abi::record::{Header, MAX_RECORD};
use serin_abi::{Call, MAX_CALLS};

use crate::memory::copy;
use crate::scratch::Work;

/// Bytes of a record that is kept in [`CALLS`]: enough for most.
const SHORT: usize = 1024;

/// `BPF_F_NO_PREALLOC`: memory is taken only for calls that are under way.
const NO_PREALLOC: u32 = 1;

/// The records of calls under way.
#[map]
static CALLS: HashMap<Call, [u8; SHORT]> = HashMap::pinned(MAX_CALLS, NO_PREALLOC);

/// Those that are longer than [`SHORT`].
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
        let record = &raw mut (*work).record;
        (*record.cast::<Header>()).length = length;
        (*record.cast::<Header>()).flags = flags;
        if length as usize <= SHORT {
            CALLS.insert(call, &*record.cast::<[u8; SHORT]>(), 0)
        } else {
            LONG_CALLS.insert(call, &*record, 0)
        }
    };
    kept.is_ok() && !stale
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

/// Gives back the record of the call that the current task is in: its length and flags.
///
/// # Safety
/// `work` must be valid.
#[inline(always)]
pub unsafe fn take(work: *mut Work, hook: u32) -> Option<(u32, u8)> {
    let call = current(hook);
    let record = unsafe { &raw mut (*work).record }.cast::<u8>();
    // SAFETY: what is kept starts with a header, and the record is longer than both maps' values.
    let taken = unsafe {
        if let Some(kept) = CALLS.get_ptr(call) {
            copy(record, kept as u64, SHORT as u32)
        } else if let Some(kept) = LONG_CALLS.get_ptr(call) {
            copy(record, kept as u64, MAX_RECORD as u32)
        } else {
            false
        }
    };
    if !taken {
        return None;
    }
    forget(hook);
    // SAFETY: as above.
    unsafe { Some(((*record.cast::<Header>()).length, (*record.cast::<Header>()).flags)) }
}

#[inline(always)]
fn current(hook: u32) -> Call {
    Call { task: bpf_get_current_pid_tgid(), hook, reserved: 0 }
}

#[inline(always)]
fn is_kept(call: &Call) -> bool {
    CALLS.get_ptr(call).is_some() || LONG_CALLS.get_ptr(call).is_some()
}
