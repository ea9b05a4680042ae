//! What a hook does when the function returns.

use core::ffi::c_void;

use serin_abi::record::HOOK_SILENT;
use serin_abi::selector::{constant, holds_on_return};

use crate::arguments::Registers;
use crate::call::Call;
use crate::hook::{HOOK_CONFIG, count};
use crate::report::hit;
use crate::scratch::{Scratch, Work};
use crate::{arguments, calls, network, output, report, scratch, selectors, sockets};

/// Runs when the hooked function returns: reports the call that a selector matched at its entry.
#[inline(always)]
pub fn run(hook: u32, value: u64) {
    if !calls::is_under_way(hook) {
        return;
    }
    let Some(scratch) = scratch::acquire() else {
        calls::forget(hook);
        count(|counters| &raw mut counters.lost);
        return output::lost_for_want_of_scratch();
    };
    report_returned(&scratch, hook, value);
    scratch.release();
}

#[inline(always)]
fn report_returned(scratch: &Scratch, hook: u32, value: u64) {
    // SAFETY: a pointer to a map value.
    let Some((at, flags)) = (unsafe { calls::take(scratch.work, hook) }) else { return };
    let Some(slot) = scratch.slot(0) else { return };
    arguments::load_returned(&HOOK_CONFIG, value, slot);
    let mut call = Call { registers: &Returned, scratch, hook, loaded: 1 };
    // SAFETY: the record is longer than a header and this.
    let selector = unsafe { (*hit(scratch.work)).selector };
    let (holds, silent) = (holds_on_return(&HOOK_CONFIG, selector, &mut call), flags & HOOK_SILENT != 0);
    if holds {
        track_returned(scratch.work, value);
    }
    match (holds, silent) {
        (true, false) => call.report_return(flags, at, value),
        (false, false) => {
            count(|counters| &raw mut counters.unposted);
            // Read anew: a copy that lives on makes the compiler index the filters by it, without bounds that the
            // verifier sees.
            // SAFETY: as above.
            let selector = unsafe { (&raw const (*hit(scratch.work)).selector).read_volatile() };
            selectors::count(selector, |counters| &raw mut counters.unposted);
        }
        (_, true) => {}
    }
}

/// A function that has returned: its arguments are gone.
struct Returned;

impl Registers for Returned {
    const GONE: bool = true;

    #[inline(always)]
    fn context(&self) -> *mut c_void {
        core::ptr::null_mut()
    }

    #[inline(always)]
    fn argument(&self, _: u32) -> u64 {
        0
    }
}

/// Takes the hook's action on the socket that was returned, which belongs to whose call it was.
#[inline(always)]
fn track_returned(work: *mut Work, value: u64) {
    let action = constant(&HOOK_CONFIG.return_action);
    if action != 0 {
        let socket = network::socket(constant(&HOOK_CONFIG.returned.read), value);
        // SAFETY: a pointer to a map value.
        sockets::act(action, socket, unsafe { report::task(work).read() });
    }
}
