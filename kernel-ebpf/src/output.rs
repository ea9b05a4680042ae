//! Writing records, and counting those that cannot be written.

use aya_ebpf::helpers::bpf_get_smp_processor_id;
use aya_ebpf::helpers::generated::{bpf_get_current_cgroup_id, bpf_ktime_get_boot_ns, bpf_ringbuf_output};
use serin_abi::record::{Header, MAX_RECORD, TaskKey};

use crate::counters;
use crate::maps::EVENTS;
use crate::scratch::Work;
use crate::task;

/// Starts a record of the current process: all of its header but the length.
#[inline(always)]
pub fn begin(work: *mut Work, kind: u8, flags: u8) {
    begin_for(work, kind, flags, task::current_key());
}

/// Starts a record of any process.
#[inline(always)]
pub fn begin_for(work: *mut Work, kind: u8, flags: u8, task: TaskKey) {
    let sequence = match counters::of_this_cpu() {
        // SAFETY: a pointer to a map value.
        Some(counters) => unsafe { counters::increment(&raw mut (*counters).sequence) + 1 },
        None => 0,
    };
    // SAFETY: the helpers take no arguments.
    let (time, cgroup_id) = unsafe { (bpf_ktime_get_boot_ns(), bpf_get_current_cgroup_id()) };
    // SAFETY: a number of this CPU.
    let cpu = unsafe { bpf_get_smp_processor_id() } as u16;
    let header = Header { length: 0, kind, flags, cpu, sequence, time, task, cgroup_id };
    // SAFETY: the record is longer than a header and aligned to eight.
    unsafe { (&raw mut (*work).record).cast::<Header>().write(header) };
}

/// Hands the record's first `length` bytes to the agent; false (and counted) if there is no room.
#[inline(always)]
pub fn end(work: *mut Work, length: u32) -> bool {
    let length = if length as usize > MAX_RECORD { MAX_RECORD as u32 } else { length };
    // SAFETY: `work` is a map value, and `length` within the record.
    let result = unsafe {
        let record = &raw mut (*work).record;
        (*record.cast::<Header>()).length = length;
        bpf_ringbuf_output((&raw const EVENTS).cast_mut().cast(), record.cast(), u64::from(length), 0)
    };
    if result != 0
        && let Some(counters) = counters::of_this_cpu()
    {
        // SAFETY: a pointer to a map value.
        unsafe { counters::increment(&raw mut (*counters).lost_full) };
    }
    result == 0
}

/// Counts a call that could not be kept, as if its record had been written and lost.
#[inline(always)]
pub fn lost_call() {
    if let Some(counters) = counters::of_this_cpu() {
        // SAFETY: a pointer to a map value.
        unsafe {
            counters::increment(&raw mut (*counters).sequence);
            counters::increment(&raw mut (*counters).lost_calls);
        }
    }
}

/// Counts a record that found no scratch memory, as if it had been written and lost.
#[inline(always)]
pub fn lost_for_want_of_scratch() {
    if let Some(counters) = counters::of_this_cpu() {
        // SAFETY: a pointer to a map value.
        unsafe {
            counters::increment(&raw mut (*counters).sequence);
            counters::increment(&raw mut (*counters).lost_busy);
        }
    }
}
