//! The template of a hook: match, act, report.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::{bpf_get_attach_cookie, bpf_send_signal};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{HashMap, PerCpuArray};
use serin_abi::config::{
    ACTION_CLEAN_UP, ACTION_NOTIFY, ACTION_OVERRIDE, ACTION_POST, ACTION_REMEMBER, ACTION_SET,
    ACTION_SIGKILL, ACTION_SIGNAL, ACTIONS_FOLLOWING, ACTIONS_TRACKING, HookConfig, OVERRIDE_MARK,
    OVERRIDE_REGISTERS, OVERRIDE_RESULT, OVERRIDE_RETURN,
};
use serin_abi::selector::{Selected, constant, entry, select};
use serin_abi::{HookCounters, Mark, Sharer};

use crate::arguments::Registers;
use crate::call::Call;
use crate::maps::MARKS;
use crate::{counters, enforcer, identity, operands, output, scratch, selectors, sockets, task};

/// What this instance does; set by the agent.
#[unsafe(no_mangle)]
pub static HOOK_CONFIG: HookConfig = {
    // SAFETY: every field is an integer.
    unsafe { core::mem::zeroed() }
};

/// The hooks that share this program, by slot. The agent sets the size.
#[map]
static SHARERS: HashMap<u32, Sharer> = HashMap::with_max_entries(1, 0);

/// What each CPU counted for this hook, or for each of those that share the program. The agent sets the size.
#[map]
static HOOK_COUNTERS: PerCpuArray<HookCounters> = PerCpuArray::with_max_entries(1, 0);

pub const SIGKILL: u32 = 9;

/// Actions for which all arguments must have been read.
const ACTIONS_ON_ARGUMENTS: u32 = ACTION_POST | ACTIONS_FOLLOWING | ACTIONS_TRACKING;

/// What a program has to do after [`run`], as only its type can.
pub struct Outcome {
    /// Return this error in the function's stead (`bpf_override_return`).
    pub return_error: Option<i32>,
    /// Be refused with this error (LSM); 0 to go on.
    pub result: i32,
    /// Set these registers: [`Selector::assignments`](serin_abi::config::Selector::assignments); 0 for none.
    pub assignments: u32,
}

impl Outcome {
    /// Nothing is to be done.
    pub const NONE: Self = Self { return_error: None, result: 0, assignments: 0 };
}

/// The hook that runs.
#[inline(always)]
pub fn this_hook() -> Sharer {
    Sharer {
        hook: constant(&HOOK_CONFIG.hook),
        next: constant(&HOOK_CONFIG.next),
        next_return: constant(&HOOK_CONFIG.next_return),
        reserved: 0,
    }
}

/// The hook that runs for the system call with this number.
#[inline(always)]
pub fn hook_on_syscall(number: u64) -> Option<Sharer> {
    if constant(&HOOK_CONFIG.shared) == 0 {
        return Some(this_hook());
    }
    // SAFETY: entries are not changed once the program is attached.
    unsafe { SHARERS.get(task::syscall_slot(number)?).copied() }
}

/// The hook on the function for which a program is called that may be on several: the agent has given each its hook's id as
/// a cookie.
#[inline(always)]
pub fn hook_on_function(registers: &impl Registers) -> u32 {
    if constant(&HOOK_CONFIG.shared) == 0 {
        return this_hook().hook;
    }
    // SAFETY: the context is the one this program was called with.
    unsafe { bpf_get_attach_cookie(registers.context()) as u32 }
}

/// Runs the hook: the first selector that matches acts and reports.
#[inline(always)]
pub fn run<R: Registers>(registers: &R, hook: u32) -> Outcome {
    let mut outcome = Outcome::NONE;
    let Some(scratch) = scratch::acquire() else {
        output::lost_for_want_of_scratch();
        return outcome;
    };
    decide(&mut Call::new(registers, &scratch, hook), &mut outcome);
    scratch.release();
    outcome
}

/// Has the first selector that matches act, unless the call has to be decided when it returns.
#[inline(always)]
pub fn decide<R: Registers>(call: &mut Call<'_, R>, outcome: &mut Outcome) {
    match select(&HOOK_CONFIG, call) {
        Some(selected) => {
            if selected.actions & ACTIONS_ON_ARGUMENTS != 0 || acts_on_return() {
                call.load_all();
            }
            if call.is_undecided(selected.actions) {
                call.put_off();
            } else {
                take(call, &selected, outcome);
            }
        }
        None if call.is_undecided(0) => call.put_off(),
        None => {}
    }
}

/// Whether something is done once the call has returned but posting it.
#[inline(always)]
fn acts_on_return() -> bool {
    constant(&HOOK_CONFIG.return_action) | constant(&HOOK_CONFIG.acts_on_return) != 0
}

/// Counts the hit, and takes the selector's actions. What they are about must have been read.
#[inline(always)]
fn take<R: Registers>(call: &mut Call<'_, R>, selected: &Selected, outcome: &mut Outcome) {
    count(call.hook, |counters| &raw mut counters.hits);
    selectors::count(selected.index, |counters| &raw mut counters.hits);
    let enforced = act(call.hook, selected, outcome);
    let posted = selected.actions & ACTION_POST != 0 && call.within_rate(selected);
    if !posted {
        count(call.hook, |counters| &raw mut counters.unposted);
        selectors::count(selected.index, |counters| &raw mut counters.unposted);
    }
    if posted || acts_on_return() {
        call.report(selected, posted, enforced, outcome);
    }
    if selected.actions & ACTIONS_TRACKING != 0 {
        sockets::act(selected.actions, call.socket(selected.socket), call.owner());
    }
    // The event has the value that it had before.
    if R::IN_PROGRAM && selected.actions & ACTION_SET != 0 {
        let selector = entry(&HOOK_CONFIG.selectors, selected.index);
        if !operands::set(&HOOK_CONFIG, call.registers, selector) {
            count(call.hook, |counters| &raw mut counters.unenforced);
        }
    }
    // Last, as the event still has the name of a descriptor that is no longer followed after it.
    if selected.actions & ACTIONS_FOLLOWING != 0 {
        call.follow(selected);
    }
    if selected.actions & ACTION_REMEMBER != 0 {
        identity::remember(task::current_pid(), task::current());
    }
}

/// Takes the selector's enforcing actions, override before signals; false if one could not be taken.
#[inline(always)]
fn act(hook: u32, selected: &Selected, outcome: &mut Outcome) -> bool {
    let mut enforced = true;
    if selected.actions & ACTION_OVERRIDE != 0 {
        match constant(&HOOK_CONFIG.override_by) {
            OVERRIDE_RETURN => outcome.return_error = Some(selected.error),
            OVERRIDE_RESULT => outcome.result = selected.error,
            OVERRIDE_MARK => enforced &= mark(selected.error),
            OVERRIDE_REGISTERS => {
                outcome.assignments = constant(&entry(&HOOK_CONFIG.selectors, selected.index).assignments);
            }
            _ => enforced = false,
        }
    }
    for (action, signal) in [(ACTION_SIGNAL, selected.signal), (ACTION_SIGKILL, SIGKILL)] {
        if selected.actions & action != 0 {
            // SAFETY: the helper checks its argument.
            enforced &= unsafe { bpf_send_signal(signal) } == 0;
        }
    }
    if selected.actions & ACTION_NOTIFY != 0 {
        let selector = entry(&HOOK_CONFIG.selectors, selected.index);
        let (error, signal) = (constant(&selector.notify_error), constant(&selector.notify_signal));
        enforced &= enforcer::notify(constant(&HOOK_CONFIG.enforcer), error, signal);
    }
    if selected.actions & ACTION_CLEAN_UP != 0 {
        enforcer::clean_up(constant(&HOOK_CONFIG.enforcer));
    }
    if !enforced {
        count(hook, |counters| &raw mut counters.unenforced);
    }
    enforced
}

/// Has the LSM hooks on the current system call's way refuse it.
#[inline(always)]
fn mark(error: i32) -> bool {
    let mark = Mark { points: constant(&HOOK_CONFIG.points), error, enforcer: 0, call: 0, reserved: 0 };
    MARKS.insert(bpf_get_current_pid_tgid(), mark, 0).is_ok()
}

/// Adds one to a counter of a hook that has this program.
#[inline(always)]
pub fn count(hook: u32, counter: impl FnOnce(&mut HookCounters) -> *mut u64) {
    let is_alone = constant(&HOOK_CONFIG.shared) == 0;
    // The ids of those that share it follow on each other.
    let index = if is_alone { 0 } else { hook.wrapping_sub(constant(&HOOK_CONFIG.hook)) };
    if let Some(counters) = HOOK_COUNTERS.get_ptr_mut(index) {
        // SAFETY: a pointer to a map value.
        unsafe { counters::increment(counter(&mut *counters)) };
    }
}
