//! What selectors ask about a call, answered by the kernel and by maps.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap};
use serin_abi::config::{
    BINARY_PARENT, Filter, TEST_NOT, TEST_TEXT_EQUAL, TEST_TEXT_IN, TEST_TEXT_POSTFIX,
    TEST_TEXT_POSTFIX_SORTED, TEST_TEXT_PREFIX, TEST_TEXT_PREFIX_SORTED,
};
use serin_abi::digest::{Digest, add_bytes};
use serin_abi::expression::Places;
use serin_abi::ranges::Ranges;
use serin_abi::record::ARGUMENT_UNREADABLE;
use serin_abi::selector::{Facts, Verdict, constant};
use serin_abi::text::{Values, passes, search, search_sorted};
use serin_abi::{Member, Number, Range, Text, ranges};

use crate::arguments::{Moment, Registers};
use crate::call::Call;
use crate::hook::{HOOK_CONFIG, count};
use crate::maps::PROCESSES;
use crate::scratch::Slot;
use crate::{ancestry, identity, task, workloads};

/// The values of this hook's sets; for those of texts, where in [`TEXTS`] they are. The agent sets the size.
#[map]
pub static MEMBERS: HashMap<Member, u32> = HashMap::with_max_entries(1, 0);

/// The values of this hook's text filters. The agent sets the size.
#[map]
static TEXTS: Array<Text> = Array::with_max_entries(1, 0);

/// The values of this hook's range filters. The agent sets the size.
#[map]
static RANGES: Array<Range> = Array::with_max_entries(1, 0);

impl<R: Registers> Facts for Call<'_, R> {
    const LATE: bool = matches!(R::MOMENT, Moment::Late);

    #[inline(always)]
    fn read(&mut self, slot: u32) {
        self.load(slot);
    }

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
    fn is_in_scope(&mut self, scope: u32, whose: u32) -> bool {
        workloads::current_is_in(scope, whose)
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
            if test == TEST_TEXT_IN {
                return self.text_is_member(slot, text, constant(&filter.values)).into();
            }
            match test {
                TEST_TEXT_PREFIX_SORTED => {
                    search_sorted::<Texts>(state, buffer, text, TEST_TEXT_PREFIX, values).into()
                }
                TEST_TEXT_POSTFIX_SORTED => {
                    search_sorted::<Texts>(state, buffer, text, TEST_TEXT_POSTFIX, values).into()
                }
                _ => search::<Texts>(state, buffer, text, test, values).into(),
            }
        }
    }

    #[inline(always)]
    fn places(&mut self) -> *mut Places {
        // SAFETY: a pointer to a map value.
        unsafe { &raw mut (*self.scratch.work).places }
    }

    #[inline(always)]
    fn count_unreadable(&mut self, failed_closed: bool) {
        // What is put off until the call returns may be readable then.
        if failed_closed || !Self::PUTS_OFF || constant(&HOOK_CONFIG.late) == 0 {
            count(self.hook, |counters| &raw mut counters.unreadable);
        }
    }
}

impl<R: Registers> Call<'_, R> {
    /// Whether the text equals the value of the set that has the same digest.
    ///
    /// # Safety
    /// The slot must be valid, and the text, its start and length, lie within its buffer.
    #[inline(always)]
    unsafe fn text_is_member(&self, slot: *mut Slot, text: (u32, u32), set: u32) -> bool {
        // SAFETY: the caller vouches for the slot; the others are pointers to map values.
        unsafe {
            let digest = &raw mut (*self.scratch.work).digest;
            digest.write(Digest::new(constant(&HOOK_CONFIG.seed)));
            add_bytes(digest, &raw const (*slot).buffer, text);
            let value = (&raw const (*digest).value).read_volatile();
            let Some(index) = MEMBERS.get(Member { value, set, reserved: 0 }) else { return false };
            let Some(value) = TEXTS.get_ptr(*index) else { return false };
            passes(&raw mut (*slot).search, &raw const (*slot).buffer, text, TEST_TEXT_EQUAL, value)
        }
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
