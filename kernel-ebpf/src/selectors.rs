//! What the selectors of a hook counted. A call that no selector matches gets nowhere near.

use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use serin_abi::SelectorCounters;

use crate::counters;

/// What each CPU counted for each selector of this hook, in the policy's order. The agent sets the size.
#[map]
static SELECTOR_COUNTERS: PerCpuArray<SelectorCounters> = PerCpuArray::with_max_entries(1, 0);

/// Adds one to a counter of a selector.
#[inline(always)]
pub fn count(selector: u32, counter: impl FnOnce(&mut SelectorCounters) -> *mut u64) {
    if let Some(counters) = SELECTOR_COUNTERS.get_ptr_mut(selector) {
        // SAFETY: a pointer to a map value.
        unsafe { counters::increment(counter(&mut *counters)) };
    }
}
