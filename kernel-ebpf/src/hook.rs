//! The template of a hook: match, act, report.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_send_signal;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray};
use serin_abi::config::{
    ACTION_OVERRIDE, ACTION_POST, ACTION_SIGKILL, ACTION_SIGNAL, Filter, HookConfig, OVERRIDE_MARK,
    OVERRIDE_RESULT, OVERRIDE_RETURN, TEST_NOT,
};
use serin_abi::ranges::{self, Ranges};
use serin_abi::record::{
    ARGUMENT_UNREADABLE, Argument, HOOK, HOOK_FAILED_CLOSED, HOOK_UNENFORCED, Header, Hit, MAX_RECORD,
};
use serin_abi::selector::{Facts, Selected, Verdict, constant, place, select};
use serin_abi::text::{Values, search};
use serin_abi::{HookCounters, MAX_ARGUMENTS, MAX_STRING, Mark, Member, Number, Range, Text};

use crate::arguments::{self, Registers};
use crate::maps::{MARKS, PROCESSES};
use crate::scratch::{self, Scratch, Slot, Work};
use crate::{ancestry, counters, output, task};

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

/// Runs the hook: the first selector that matches acts and reports.
#[inline(always)]
pub fn run(registers: &impl Registers) -> Outcome {
    let mut outcome = Outcome { return_error: None, result: 0 };
    let Some(scratch) = scratch::acquire() else {
        output::lost_for_want_of_scratch();
        return outcome;
    };
    let mut call = Call { registers, scratch: &scratch, loaded: 0 };
    if let Some(selected) = select(&HOOK_CONFIG, &mut call) {
        count(|counters| &raw mut counters.hits);
        let enforced = act(&selected, &mut outcome);
        if selected.actions & ACTION_POST != 0 {
            call.report(&selected, enforced);
        } else {
            count(|counters| &raw mut counters.unposted);
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

    /// Writes the record.
    #[inline(always)]
    fn report(&mut self, selected: &Selected, enforced: bool) {
        let work = self.scratch.work;
        let mut flags = 0;
        if selected.failed_closed {
            flags |= HOOK_FAILED_CLOSED;
        }
        if !enforced {
            flags |= HOOK_UNENFORCED;
        }
        output::begin(work, HOOK, flags);
        let count_of_arguments = constant(&HOOK_CONFIG.argument_count);
        let hook = constant(&HOOK_CONFIG.hook);
        let hit = Hit { hook, selector: selected.index, arguments: count_of_arguments, reserved: 0 };
        // SAFETY: the record is longer than a header and this, and both are aligned to eight.
        unsafe { (&raw mut (*work).record).cast::<u8>().add(size_of::<Header>()).cast::<Hit>().write(hit) };
        let mut at = (size_of::<Header>() + size_of::<Hit>()) as u32;
        let mut index = 0;
        while index < MAX_ARGUMENTS as u32 && index < count_of_arguments {
            let Some(slot) = self.slot(index) else { break };
            at = append(work, at, slot);
            index += 1;
        }
        if output::end(work, at) {
            count(|counters| &raw mut counters.posted);
        } else {
            count(|counters| &raw mut counters.lost);
        }
    }
}

/// Copies an argument into the record at `at`; where the next one goes.
#[inline(always)]
fn append(work: *mut Work, at: u32, slot: *mut Slot) -> u32 {
    const LAST: u32 = (MAX_RECORD - size_of::<Argument>() - MAX_STRING) as u32;
    if at > LAST {
        return at;
    }
    // SAFETY: pointers to map values; `at` leaves room for the longest argument, and the text lies
    // within the slot's buffer.
    unsafe {
        let to = (&raw mut (*work).record).cast::<u8>().add(at as usize);
        let header = (*slot).header;
        to.cast::<Argument>().write(header);
        let length = if header.length > MAX_STRING as u32 { MAX_STRING as u32 } else { header.length };
        let text = (&raw const (*slot).buffer).cast::<u8>().add(((*slot).start as usize) & (MAX_STRING - 1));
        crate::memory::copy(to.add(size_of::<Argument>()), text as u64, length);
        at + size_of::<Argument>() as u32 + ((length + 7) & !7)
    }
}

impl<R: Registers> Facts for Call<'_, R> {
    #[inline(always)]
    fn pid_is_member(&mut self, set: u32, flags: u32) -> bool {
        // SAFETY: a pointer to a map value.
        unsafe { ancestry::is_member(&raw mut (*self.scratch.work).ancestry, set, flags) }
    }

    #[inline(always)]
    fn binary(&mut self) -> u64 {
        // SAFETY: entries are only replaced as a whole.
        match unsafe { PROCESSES.get(task::current_pid()) } {
            Some(process) => u64::from(process.binary),
            None => 0,
        }
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
        let Some(slot) = self.slot(place(filter).0) else { return false };
        let values = (constant(&filter.values), constant(&filter.count));
        // SAFETY: a pointer to a map value.
        unsafe { ranges::contains::<RangeTable>(&raw mut (*slot).bisection, value, values) }
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

#[inline(always)]
fn count(counter: impl FnOnce(&mut HookCounters) -> *mut u64) {
    if let Some(counters) = HOOK_COUNTERS.get_ptr_mut(0) {
        // SAFETY: a pointer to a map value.
        unsafe { counters::increment(counter(&mut *counters)) };
    }
}
