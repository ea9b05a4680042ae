//! System calls whose arguments could not be read where they began: they are decided when they return.
//!
//! A program that must not sleep cannot read a page that is not in memory. The kernel can, and does so to carry the call
//! out, so the page is there when the call returns.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap};
use serin_abi::{Call, MAX_CALLS};

use crate::atomic;
use crate::maps::NO_PREALLOC;

/// The calls, each by its task and hook.
#[map]
static UNDECIDED: HashMap<Call, u32> = HashMap::pinned(MAX_CALLS, NO_PREALLOC);

/// How many there are; one entry. Who asks for one looks here first, as that costs least.
#[map]
static UNDECIDED_COUNT: Array<u64> = Array::pinned(1, 0);

/// Has the current task's call decided when it returns; false if there is no room, or one before that never returned.
#[inline(always)]
pub fn put_off(hook: u32) -> bool {
    let is_new = UNDECIDED.insert(current(hook), 0, BPF_NOEXIST.into()).is_ok();
    if is_new {
        count(1);
    }
    is_new
}

/// Whether the current task's call is to be decided now.
#[inline(always)]
pub fn take(hook: u32) -> bool {
    // SAFETY: a pointer to a map value.
    let any = UNDECIDED_COUNT.get_ptr(0).is_some_and(|count| unsafe { count.read_volatile() } != 0);
    let is_one = any && UNDECIDED.remove(current(hook)).is_ok();
    if is_one {
        count(-1);
    }
    is_one
}

#[inline(always)]
fn count(change: i64) {
    if let Some(count) = UNDECIDED_COUNT.get_ptr_mut(0) {
        // SAFETY: a pointer to a map value.
        unsafe { atomic::add(count, change as u64) };
    }
}

#[inline(always)]
fn current(hook: u32) -> Call {
    Call { task: bpf_get_current_pid_tgid(), hook, reserved: 0 }
}
