//! Per-CPU counters.

use serin_abi::CpuCounters;

use crate::atomic;
use crate::maps::CPU_COUNTERS;

/// Adds one to a counter of this CPU; the value before.
///
/// Atomic because a program can be preempted by another on the same CPU.
///
/// # Safety
/// `counter` must be valid, aligned and only written through this function by programs.
#[inline(always)]
pub unsafe fn increment(counter: *mut u64) -> u64 {
    // SAFETY: the caller vouches for the pointer.
    unsafe { atomic::increment(counter) }
}

/// This CPU's counters.
#[inline(always)]
pub fn of_this_cpu() -> Option<*mut CpuCounters> {
    CPU_COUNTERS.get_ptr_mut(0)
}
