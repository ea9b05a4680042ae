//! `rateLimit`: holding back events that are equal to an earlier one.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;
use serin_abi::RateKey;
use serin_abi::config::{RATE_GLOBAL, RATE_PROCESS};
use serin_abi::digest::{Digest, add_bytes};
use serin_abi::selector::Selected;

use crate::atomic::exchange;
use crate::scratch::Slot;

/// `EEXIST`.
const ALREADY_THERE: i32 = -17;

/// When the last event was posted of those that are equal. The agent sets the size; the least recently used make room.
#[map]
static RATES: LruHashMap<RateKey, u64> = LruHashMap::with_max_entries(1, 0);

/// Adds an argument, as the event would show it.
///
/// # Safety
/// Both pointers must be valid, and the text lie within the slot's buffer.
#[inline(always)]
pub unsafe fn add(digest: *mut Digest, slot: *const Slot) {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        let header = &raw const (*slot).header;
        (*digest).add(header.cast::<u64>().read());
        add_bytes(digest, &raw const (*slot).buffer, ((*slot).start, (*header).length));
    }
}

/// Whether no event with these arguments was posted within the selector's period; takes note of this one if so.
#[inline(always)]
pub fn allows(selected: &Selected, digest: u64) -> bool {
    let pid_tgid = bpf_get_current_pid_tgid();
    let who = match selected.rate_scope {
        RATE_GLOBAL => 0,
        RATE_PROCESS => (pid_tgid >> 32) as u32,
        _ => pid_tgid as u32,
    };
    let key = RateKey { digest, who, selector: selected.index };
    // SAFETY: the helper takes no arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    if let Some(last) = RATES.get_ptr_mut(key) {
        // Of two CPUs that find the period over, the one that still finds the old time posts.
        // SAFETY: a pointer to a map value, which is aligned.
        return unsafe {
            let seen = last.read_volatile();
            now.wrapping_sub(seen) >= selected.rate_period && exchange(last, now) == seen
        };
    }
    // Of two CPUs at once, one finds that the other was first. Without room the event is posted: rather one too many.
    RATES.insert(key, now, BPF_NOEXIST.into()) != Err(ALREADY_THERE)
}
