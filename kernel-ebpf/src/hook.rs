//! The template of a hook: match, act, report.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_send_signal;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray};
use serin_abi::config::{
    ACTION_COPY, ACTION_OVERRIDE, ACTION_POST, ACTION_REMEMBER, ACTION_SIGKILL, ACTION_SIGNAL,
    ACTION_UNFOLLOW, ACTIONS_FOLLOWING, ACTIONS_TRACKING, BINARY_PARENT, Filter, HookConfig, OVERRIDE_MARK, OVERRIDE_RESULT,
    OVERRIDE_RETURN, RATE_UNLIMITED, READ_VALUE, TEST_NOT,
};
use serin_abi::digest::Digest;
use serin_abi::ranges::{self, Ranges};
use serin_abi::network::Sock;
use serin_abi::record::{
    ARGUMENT_UNREADABLE, HOOK_FAILED_CLOSED, HOOK_SILENT, HOOK_UNENFORCED, Header, Hit, KIND_FILE, KIND_SOCK, TaskKey,
};
use serin_abi::selector::{Facts, Selected, Verdict, constant, entry, holds_on_return, place, select};
use serin_abi::text::{Values, search};
use serin_abi::{HookCounters, MAX_ARGUMENTS, Mark, Member, Number, Range, Sharer, Text};

use crate::arguments::{self, Registers};
use crate::maps::{MARKS, PROCESSES};
use crate::report::{self, append, append_returned, hit, send};
use crate::scratch::{self, Scratch, Slot, Work};
use crate::{ancestry, calls, counters, follow, identity, network, output, rate, selectors, sockets, task};

/// What this instance does; set by the agent.
#[unsafe(no_mangle)]
pub static HOOK_CONFIG: HookConfig = {
    // SAFETY: every field is an integer.
    unsafe { core::mem::zeroed() }
};

/// The values of this hook's sets. The agent sets the size.
#[map]
pub static MEMBERS: HashMap<Member, u8> = HashMap::with_max_entries(1, 0);

/// The values of this hook's text filters. The agent sets the size.
#[map]
static TEXTS: Array<Text> = Array::with_max_entries(1, 0);

/// The values of this hook's range filters. The agent sets the size.
#[map]
static RANGES: Array<Range> = Array::with_max_entries(1, 0);

/// The hooks that share this program, by slot. The agent sets the size.
#[map]
static SHARERS: HashMap<u32, Sharer> = HashMap::with_max_entries(1, 0);

/// What each CPU counted for this hook; one entry.
#[map]
static HOOK_COUNTERS: PerCpuArray<HookCounters> = PerCpuArray::with_max_entries(1, 0);

const SIGKILL: u32 = 9;

/// What a program has to do after [`run`], as only its type can.
pub struct Outcome {
    /// Return this error in the function's stead (`bpf_override_return`).
    pub return_error: Option<i32>,
    /// Be refused with this error (LSM); 0 to go on.
    pub result: i32,
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

/// Runs the hook: the first selector that matches acts and reports.
#[inline(always)]
pub fn run(registers: &impl Registers, hook: u32) -> Outcome {
    let mut outcome = Outcome { return_error: None, result: 0 };
    let Some(scratch) = scratch::acquire() else {
        output::lost_for_want_of_scratch();
        return outcome;
    };
    let mut call = Call { registers, scratch: &scratch, hook, loaded: 0 };
    if let Some(selected) = select(&HOOK_CONFIG, &mut call) {
        count(|counters| &raw mut counters.hits);
        selectors::count(selected.index, |counters| &raw mut counters.hits);
        let enforced = act(&selected, &mut outcome);
        let posted = selected.actions & ACTION_POST != 0 && call.within_rate(&selected);
        if !posted {
            count(|counters| &raw mut counters.unposted);
            selectors::count(selected.index, |counters| &raw mut counters.unposted);
        }
        if posted || constant(&HOOK_CONFIG.return_action) != 0 {
            call.report(&selected, posted, enforced, &outcome);
        }
        if selected.actions & ACTIONS_TRACKING != 0 {
            sockets::act(selected.actions, call.socket(selected.socket), call.owner());
        }
        // Last, as the event still has the name of a descriptor that is no longer followed after it.
        if selected.actions & ACTIONS_FOLLOWING != 0 {
            call.follow(&selected);
        }
        if selected.actions & ACTION_REMEMBER != 0 {
            identity::remember(task::current_pid(), task::current());
        }
    }
    scratch.release();
    outcome
}

/// Takes the selector's enforcing actions, override before signals; false if one could not be taken.
#[inline(always)]
fn act(selected: &Selected, outcome: &mut Outcome) -> bool {
    let mut enforced = true;
    if selected.actions & ACTION_OVERRIDE != 0 {
        match constant(&HOOK_CONFIG.override_by) {
            OVERRIDE_RETURN => outcome.return_error = Some(selected.error),
            OVERRIDE_RESULT => outcome.result = selected.error,
            OVERRIDE_MARK => enforced &= mark(selected.error),
            _ => enforced = false,
        }
    }
    for (action, signal) in [(ACTION_SIGNAL, selected.signal), (ACTION_SIGKILL, SIGKILL)] {
        if selected.actions & action != 0 {
            // SAFETY: the helper checks its argument.
            enforced &= unsafe { bpf_send_signal(signal) } == 0;
        }
    }
    if !enforced {
        count(|counters| &raw mut counters.unenforced);
    }
    enforced
}

/// Has the LSM hooks on the current system call's way refuse it.
#[inline(always)]
fn mark(error: i32) -> bool {
    let mark = Mark { points: constant(&HOOK_CONFIG.points), error, reserved: 0 };
    MARKS.insert(bpf_get_current_pid_tgid(), mark, 0).is_ok()
}

/// One call of the hooked function.
struct Call<'a, R> {
    registers: &'a R,
    scratch: &'a Scratch,
    /// The hook's id.
    hook: u32,
    /// Slots that have been read: one bit each.
    loaded: u32,
}

impl<R: Registers> Call<'_, R> {
    /// The slot, read if it has not been yet.
    #[inline(always)]
    fn slot(&mut self, index: u32) -> Option<*mut Slot> {
        let slot = self.scratch.slot(index)?;
        if self.loaded & (1 << index) == 0 {
            arguments::load(&HOOK_CONFIG, self.registers, index, slot);
            self.loaded |= 1 << index;
        }
        Some(slot)
    }

    /// Takes the selector's action on the names of descriptors.
    #[inline(always)]
    fn follow(&mut self, selected: &Selected) {
        let descriptor = self.raw(selected.descriptor) as u32;
        if selected.actions & ACTION_UNFOLLOW != 0 {
            follow::unfollow(descriptor);
        } else if selected.actions & ACTION_COPY != 0 {
            follow::copy_name(descriptor, self.raw(selected.name) as u32);
        } else if let Some(name) = self.slot(selected.name) {
            let argument = entry(&HOOK_CONFIG.arguments, selected.name);
            let is_file = constant(&argument.kind) == KIND_FILE && constant(&argument.read) == READ_VALUE;
            let file = if is_file { self.raw(selected.name) } else { 0 };
            follow::follow(descriptor, name, file);
        }
    }

    /// The address of the socket in a slot.
    #[inline(always)]
    fn socket(&self, slot: u32) -> u64 {
        network::socket(constant(&entry(&HOOK_CONFIG.arguments, slot).read), self.raw(slot))
    }

    /// Whose call it is: the owner's of the first socket among the arguments that is tracked, or the current process's.
    #[inline(always)]
    fn owner(&self) -> TaskKey {
        let mut index = 0;
        while index < MAX_ARGUMENTS as u32 && index < constant(&HOOK_CONFIG.argument_count) {
            if constant(&entry(&HOOK_CONFIG.arguments, index).kind) == KIND_SOCK
                && let Some(owner) = sockets::owner(self.socket(index))
            {
                return owner;
            }
            index += 1;
        }
        task::current_key()
    }

    /// An argument as the calling convention passes it.
    #[inline(always)]
    fn raw(&self, slot: u32) -> u64 {
        let index = constant(&entry(&HOOK_CONFIG.arguments, slot).index);
        arguments::raw(&HOOK_CONFIG, self.registers, index)
    }

    /// Whether the selector's `rateLimit` lets this event pass.
    #[inline(always)]
    fn within_rate(&mut self, selected: &Selected) -> bool {
        if selected.rate_scope == RATE_UNLIMITED {
            return true;
        }
        // SAFETY: pointers to map values; texts lie within their slots' buffers.
        let digest = unsafe {
            let digest = &raw mut (*self.scratch.work).digest;
            digest.write(Digest::new(constant(&HOOK_CONFIG.seed)));
            let mut index = 0;
            while index < MAX_ARGUMENTS as u32 && index < constant(&HOOK_CONFIG.argument_count) {
                let Some(slot) = self.slot(index) else { break };
                rate::add(digest, slot);
                index += 1;
            }
            (&raw const (*digest).value).read_volatile()
        };
        let allowed = rate::allows(selected, digest);
        if !allowed {
            count(|counters| &raw mut counters.limited);
        }
        allowed
    }

    /// Writes the record, or keeps it until the call returns; if it is not to be posted, only for what is done then.
    #[inline(always)]
    fn report(&mut self, selected: &Selected, posted: bool, enforced: bool, outcome: &Outcome) {
        let work = self.scratch.work;
        let mut flags = 0;
        if selected.failed_closed {
            flags |= HOOK_FAILED_CLOSED;
        }
        if !enforced {
            flags |= HOOK_UNENFORCED;
        }
        if !posted {
            flags |= HOOK_SILENT;
        }
        let at = self.compose(selected);
        match (constant(&HOOK_CONFIG.returned.kind), outcome.return_error) {
            (0, _) => send(work, flags, at),
            // The function does not run, and what sees it return may not be called.
            (_, Some(error)) if posted => self.report_return(flags, at, i64::from(error) as u64),
            (_, Some(_)) => {}
            (_, None) => {
                // SAFETY: a pointer to a map value.
                if !unsafe { calls::keep(work, self.hook, at, flags) } && posted {
                    output::lost_call();
                    count(|counters| &raw mut counters.lost);
                }
            }
        }
    }

    /// Writes what was returned behind the arguments, and the record.
    #[inline(always)]
    fn report_return(&mut self, flags: u8, at: u32, value: u64) {
        let work = self.scratch.work;
        let Some(slot) = self.scratch.slot(0) else { return };
        arguments::load_returned(&HOOK_CONFIG, value, slot);
        // SAFETY: the record is longer than a header and this, and both are aligned to eight.
        unsafe { (*hit(work)).returned = 1 };
        let end = match constant(&HOOK_CONFIG.returned.kind) {
            KIND_SOCK => append_returned::<{ size_of::<Sock>() }>(work, at, slot),
            _ => append_returned::<{ size_of::<u64>() }>(work, at, slot),
        };
        send(work, flags, end);
    }

    /// Builds the record but for its header; its length.
    #[inline(always)]
    fn compose(&mut self, selected: &Selected) -> u32 {
        let work = self.scratch.work;
        let count_of_arguments = constant(&HOOK_CONFIG.argument_count);
        let to =
            Hit { hook: self.hook, selector: selected.index, arguments: count_of_arguments, returned: 0 };
        let owner = self.owner();
        // SAFETY: the record is longer than a header and this, and both are aligned to eight.
        unsafe {
            report::task(work).write(owner);
            hit(work).write(to);
        }
        let mut at = (size_of::<Header>() + size_of::<Hit>()) as u32;
        let mut index = 0;
        while index < MAX_ARGUMENTS as u32 && index < count_of_arguments {
            let Some(slot) = self.slot(index) else { break };
            at = append(work, at, slot);
            index += 1;
        }
        at
    }
}

/// Runs when the hooked function returns: reports the call that a selector matched at its entry.
#[inline(always)]
pub fn run_return(hook: u32, value: u64) {
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

impl<R: Registers> Facts for Call<'_, R> {
    #[inline(always)]
    fn pid_is_member(&mut self, set: u32, flags: u32) -> bool {
        // SAFETY: a pointer to a map value.
        unsafe { ancestry::is_member(&raw mut (*self.scratch.work).ancestry, set, flags) }
    }

    #[inline(always)]
    fn binary_passes(&mut self, set: u32, whose: u32) -> bool {
        // SAFETY: entries are only replaced as a whole; a torn read would give a wrong set, not a bad access.
        match unsafe { PROCESSES.get(task::current_pid()) } {
            Some(process) if whose == BINARY_PARENT => process.parent_binaries.contains(set),
            Some(process) => process.binaries.contains(set),
            None => false,
        }
    }

    #[inline(always)]
    fn namespace(&mut self, kind: u32) -> u64 {
        identity::namespace(task::current(), kind).into()
    }

    #[inline(always)]
    fn changed_namespaces(&mut self, mask: u32) -> u32 {
        identity::changed_namespaces(mask)
    }

    #[inline(always)]
    fn capabilities(&mut self, set: u32) -> u64 {
        identity::capabilities(task::current(), set)
    }

    #[inline(always)]
    fn changed_capabilities(&mut self, set: u32) -> u64 {
        identity::changed_capabilities(set)
    }

    #[inline(always)]
    fn user(&mut self, which: u32) -> u64 {
        identity::user(task::current(), which).into()
    }

    #[inline(always)]
    fn integer(&mut self, slot: u32, word: u32) -> Option<u64> {
        let slot = self.slot(slot)?;
        // SAFETY: a pointer to a map value; no structured argument has more words than the buffer.
        unsafe {
            if is_unreadable(slot) {
                None
            } else if word == 0 {
                Some((*slot).integer)
            } else {
                Some((&raw const (*slot).buffer).cast::<u64>().add(word as usize - 1).read())
            }
        }
    }

    #[inline(always)]
    fn is_member(&mut self, set: u32, value: u64) -> bool {
        MEMBERS.get_ptr(Member { value, set, reserved: 0 }).is_some()
    }

    #[inline(always)]
    fn in_ranges(&mut self, filter: &Filter, value: Number) -> bool {
        let values = (constant(&filter.values), constant(&filter.count));
        // SAFETY: a pointer to a map value.
        unsafe { ranges::contains::<RangeTable>(&raw mut (*self.scratch.work).bisection, value, values) }
    }

    #[inline(always)]
    fn text(&mut self, filter: &Filter) -> Verdict {
        let Some(slot) = self.slot(constant(&filter.slot)) else { return Verdict::Unreadable };
        let values = (constant(&filter.values), constant(&filter.count));
        let test = constant(&filter.test) & !TEST_NOT;
        // SAFETY: a pointer to a map value, in which the text lies within the buffer.
        unsafe {
            if is_unreadable(slot) {
                return Verdict::Unreadable;
            }
            let (state, buffer) = (&raw mut (*slot).search, &raw const (*slot).buffer);
            let before = (*slot).before;
            let text = ((*slot).start.wrapping_add(before), (*slot).header.length.wrapping_sub(before));
            search::<Texts>(state, buffer, text, test, values).into()
        }
    }

    #[inline(always)]
    fn count_unreadable(&mut self) {
        count(|counters| &raw mut counters.unreadable);
    }
}

#[inline(always)]
unsafe fn is_unreadable(slot: *const Slot) -> bool {
    // SAFETY: the caller vouches for the pointer.
    unsafe { (*slot).header.flags & ARGUMENT_UNREADABLE != 0 }
}

/// The values in [`RANGES`].
struct RangeTable;

impl Ranges for RangeTable {
    #[inline(always)]
    fn range(index: u32) -> Option<*const Range> {
        RANGES.get_ptr(index)
    }
}

/// The values in [`TEXTS`].
struct Texts;

impl Values for Texts {
    #[inline(always)]
    fn value(index: u32) -> Option<*const Text> {
        TEXTS.get_ptr(index)
    }
}

/// Adds one to a counter of this hook.
#[inline(always)]
pub fn count(counter: impl FnOnce(&mut HookCounters) -> *mut u64) {
    if let Some(counters) = HOOK_COUNTERS.get_ptr_mut(0) {
        // SAFETY: a pointer to a map value.
        unsafe { counters::increment(counter(&mut *counters)) };
    }
}
