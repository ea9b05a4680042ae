//! What a hook does when the function returns.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_send_signal;
use serin_abi::MAX_SELECTORS;
use serin_abi::config::{ACTION_POST, ACTION_SIGKILL, ACTION_SIGNAL, ReturnActions};
use serin_abi::record::{HOOK_SILENT, HOOK_UNENFORCED};
use serin_abi::selector::{constant, holds_on_return};

use crate::arguments::{Moment, Registers};
use crate::call::Call;
use crate::hook::{self, HOOK_CONFIG, Outcome, SIGKILL, count};
use crate::report::hit;
use crate::scratch::{Scratch, Work};
use crate::{arguments, calls, network, output, report, scratch, selectors, sockets, undecided};

/// Runs when the hooked function returns: reports the call that a selector matched at its entry, or decides it now, if it is
/// a system call whose arguments could not be read then.
#[inline(always)]
pub fn run<R: Registers>(registers: &R, hook: u32, value: u64) {
    let is_late =
        !matches!(R::MOMENT, Moment::Return) && constant(&HOOK_CONFIG.late) != 0 && undecided::take(hook);
    if !is_late && (constant(&HOOK_CONFIG.returned.kind) == 0 || !calls::is_under_way(hook)) {
        return;
    }
    let Some(scratch) = scratch::acquire() else {
        if !is_late {
            calls::forget(hook);
            count(hook, |counters| &raw mut counters.lost);
        }
        return output::lost_for_want_of_scratch();
    };
    if is_late {
        decide(registers, &scratch, hook);
    } else {
        // SAFETY: a pointer to a map value.
        unsafe { calls::take(scratch.work, hook) };
    }
    report_returned(&scratch, hook, value);
    scratch.release();
}

/// Has a selector match the call now; its record is there then.
#[inline(always)]
fn decide<R: Registers>(registers: &R, scratch: &Scratch, hook: u32) {
    // SAFETY: a pointer to a map value.
    unsafe { calls::put_length(scratch.work, 0, 0) };
    let (registers, mut outcome) = (Late(registers), Outcome::NONE);
    hook::decide(&mut Call::new(&registers, scratch, hook), &mut outcome);
}

/// Reports the call whose record is there but for what was returned, if there is one.
#[inline(always)]
fn report_returned(scratch: &Scratch, hook: u32, value: u64) {
    // SAFETY: a pointer to a map value.
    let (at, flags) = unsafe { calls::length(scratch.work) };
    if at == 0 {
        return;
    }
    if constant(&HOOK_CONFIG.returned.kind) == 0 {
        return report::send(scratch.work, flags, at);
    }
    let Some(slot) = scratch.slot(0) else { return };
    arguments::load_returned(&HOOK_CONFIG, value, slot);
    let mut call = Call { registers: &Returned, scratch, hook, loaded: 1 };
    // SAFETY: the record is longer than a header and this.
    let selector = unsafe { (*hit(scratch.work)).selector };
    let (holds, silent) = (holds_on_return(&HOOK_CONFIG, selector, &mut call), flags & HOOK_SILENT != 0);
    let mut done = Done { posts: holds, enforced: true };
    if holds {
        track_returned(scratch.work, value);
        done = act(scratch.work, hook);
    }
    let flags = flags | HOOK_UNENFORCED * u8::from(!done.enforced);
    match (done.posts, silent) {
        (true, false) => call.report_return(flags, at, value),
        (false, false) => {
            count(hook, |counters| &raw mut counters.unposted);
            selectors::count(selector_of(scratch.work), |counters| &raw mut counters.unposted);
        }
        (_, true) => {}
    }
}

/// The selector that matched at the entry. Read anew each time: a copy that lives on makes the compiler index by it, without
/// bounds that the verifier sees.
#[inline(always)]
fn selector_of(work: *mut Work) -> u32 {
    // SAFETY: the record is longer than a header and this.
    unsafe { (&raw const (*hit(work)).selector).read_volatile() }
}

/// What came of a selector's actions on the return.
struct Done {
    /// The call is to be reported.
    posts: bool,
    /// None of the actions failed.
    enforced: bool,
}

/// Takes the actions on the return of the selector that matched at the entry.
#[inline(always)]
fn act(work: *mut Work, hook: u32) -> Done {
    if constant(&HOOK_CONFIG.acts_on_return) == 0 {
        return Done { posts: true, enforced: true };
    }
    let selector = selector_of(work) as usize % MAX_SELECTORS;
    // SAFETY: within the array.
    let ReturnActions { actions, signal } = unsafe {
        (&raw const HOOK_CONFIG.return_actions).cast::<ReturnActions>().add(selector).read_volatile()
    };
    let mut enforced = true;
    for (action, signal) in [(ACTION_SIGNAL, signal), (ACTION_SIGKILL, SIGKILL)] {
        if actions & action != 0 {
            // SAFETY: the helper checks its argument.
            enforced &= unsafe { bpf_send_signal(signal) } == 0;
        }
    }
    if !enforced {
        count(hook, |counters| &raw mut counters.unenforced);
    }
    Done { posts: actions & ACTION_POST != 0, enforced }
}

/// A function that has returned: its arguments are gone.
pub struct Returned;

impl Registers for Returned {
    const MOMENT: Moment = Moment::Return;

    #[inline(always)]
    fn context(&self) -> *mut c_void {
        core::ptr::null_mut()
    }

    #[inline(always)]
    fn argument(&self, _: u32) -> u64 {
        0
    }
}

/// A system call that returns: what it was called with is still where it was.
struct Late<'r, R>(&'r R);

impl<R: Registers> Registers for Late<'_, R> {
    const MOMENT: Moment = Moment::Late;

    #[inline(always)]
    fn context(&self) -> *mut c_void {
        self.0.context()
    }

    #[inline(always)]
    fn argument(&self, index: u32) -> u64 {
        self.0.argument(index)
    }

    #[inline(always)]
    fn user_register(&self, offset: u64) -> u64 {
        self.0.user_register(offset)
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
