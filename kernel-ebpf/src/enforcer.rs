//! Refusing system calls that are marked, and what marks them from afar: `NotifyEnforcer`.
//!
//! A policy's enforcer has a list of system calls, or of places on the way of any. Whoever notifies it is in a call; if that is in the
//! list, or may come by such a place, the task is marked, and refused where the call's way leads by. So a notification is of one call, and never meets the next one.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_send_signal;
use serin_abi::{ANY_CALL, EnforcedCall, Mark};

use crate::maps::{ENFORCED, MARKS};
use crate::{counters, task};

/// Has the current system call refused, and sends the signal, if it is one of the enforcer's; false if that cannot be done.
#[inline(always)]
pub fn notify(enforcer: u32, error: i32, signal: u32) -> bool {
    let Some(call) = task::current_call() else { return missed() };
    // SAFETY: entries are not changed while a hook is attached that notifies the enforcer.
    let points = |call| unsafe { ENFORCED.get(EnforcedCall { enforcer, call }) };
    let Some(&points) = points(call).or_else(|| points(ANY_CALL)) else { return missed() };
    let mut done = true;
    if error != 0 {
        forget(bpf_get_current_pid_tgid());
        let mark = Mark { points, error, enforcer, call, reserved: 0 };
        done &= MARKS.insert(bpf_get_current_pid_tgid(), mark, 0).is_ok();
    }
    if signal != 0 {
        // SAFETY: the helper checks its argument.
        done &= unsafe { bpf_send_signal(signal) } == 0;
    }
    done
}

/// Takes back what the enforcer was notified of, unless the call has been refused already.
#[inline(always)]
pub fn clean_up(enforcer: u32) {
    let task = bpf_get_current_pid_tgid();
    // SAFETY: a task's mark is only written by the task itself.
    if unsafe { MARKS.get(task) }.is_some_and(|mark| mark.enforcer != 0 && mark.enforcer == enforcer) {
        // It is there.
        let _ = MARKS.remove(task);
    }
}

/// The error that the current task's call is refused with at this point, if it is marked so.
#[inline(always)]
pub fn refusal(point: u64) -> Option<i32> {
    let mark = MARKS.get_ptr_mut(bpf_get_current_pid_tgid())?;
    // SAFETY: a pointer to a map value; a task's mark is only written by the task itself.
    let Mark { points, error, enforcer, call, .. } = unsafe { mark.read() };
    if points & point == 0 {
        return None;
    }
    if enforcer != 0 {
        if task::current_call() != Some(call) {
            forget(bpf_get_current_pid_tgid());
            return None;
        }
        // SAFETY: as above.
        unsafe { (*mark).enforcer = 0 };
    }
    Some(error)
}

/// Removes a task's mark; most have none.
#[inline(always)]
pub fn forget(task: u64) {
    // SAFETY: a task's mark is only written by the task itself.
    if let Some(mark) = unsafe { MARKS.get(task) } {
        if mark.enforcer != 0 {
            missed();
        }
        // It is there.
        let _ = MARKS.remove(task);
    }
}

/// A notification refuses nothing. That is not for want of a way, so nothing is left undone.
#[inline(always)]
fn missed() -> bool {
    if let Some(counters) = counters::of_this_cpu() {
        // SAFETY: a pointer to a map value.
        unsafe { counters::increment(&raw mut (*counters).missed_notifications) };
    }
    true
}
