//! Which selector of a hook matches.

use crate::config::{
    ACTIONS_ENFORCING, Filter, Filters, HookConfig, TEST_ADDRESS_RANGE, TEST_BINARY_IN, TEST_BITS_GAINED,
    TEST_CAPABILITY, TEST_CAPABILITY_CHANGED, TEST_EXPRESSION, TEST_INTEGER_IN, TEST_INTEGER_MASK,
    TEST_INTEGER_RANGE, TEST_NAMESPACE_CHANGED, TEST_NAMESPACE_IN, TEST_NOT, TEST_PID_IN, TEST_SCOPE,
    TEST_USER, WORD_SHIFT,
};
use crate::expression::{Places, evaluate};
use crate::{MAX_ARGUMENTS, MAX_FILTERS, MAX_SELECTORS, Number};

/// Whether a filter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Match,
    /// It does not.
    Miss,
    /// The argument cannot be read.
    Unreadable,
}

impl Verdict {
    /// What cannot be read stays so.
    #[inline(always)]
    fn negated(self) -> Self {
        match self {
            Verdict::Match => Verdict::Miss,
            Verdict::Miss => Verdict::Match,
            Verdict::Unreadable => Verdict::Unreadable,
        }
    }
}

impl From<bool> for Verdict {
    #[inline(always)]
    fn from(holds: bool) -> Self {
        if holds { Verdict::Match } else { Verdict::Miss }
    }
}

/// What filters ask about. Nothing is read before it is asked for.
pub trait Facts {
    /// The call is decided when it returns: selectors that enforce have had their turn where it began.
    const LATE: bool = false;

    /// Reads the argument in this slot, unless that has been done: filters ask for it next.
    fn read(&mut self, slot: u32);
    /// Whether the current process's id is in the set; `flags` are `PID_*` bits.
    fn pid_is_member(&mut self, set: u32, flags: u32) -> bool;
    /// Whether a filter on binaries holds for the current process, or (`whose` is a `BINARY_*` number) its parent.
    fn binary_passes(&mut self, set: u32, whose: u32) -> bool;
    /// Whether the current process is in a scope, or where the `SCOPE_*` bits of `whose` say.
    fn is_in_scope(&mut self, scope: u32, whose: u32) -> bool;
    /// The inode number of the current process's namespace of this kind.
    fn namespace(&mut self, kind: u32) -> u64;
    /// Which kinds of namespaces of a mask have changed.
    fn changed_namespaces(&mut self, mask: u32) -> u32;
    /// The current process's capabilities in this set.
    fn capabilities(&mut self, set: u32) -> u64;
    /// The capabilities that have come into, or gone from, this set.
    fn changed_capabilities(&mut self, set: u32) -> u64;
    /// The current process's user id, by `USER_*` number.
    fn user(&mut self, which: u32) -> u64;
    /// The integer argument in this slot, at its width and sign; or, from 1 on, a word of a structured argument.
    fn integer(&mut self, slot: u32, word: u32) -> Option<u64>;
    /// Whether the value is in the set.
    fn is_member(&mut self, set: u32, value: u64) -> bool;
    /// Whether a number is in one of the filter's ranges.
    fn in_ranges(&mut self, filter: &Filter, value: Number) -> bool;
    /// Whether the text in `filter.slot` passes `filter.test`, but for [`TEST_NOT`], against any of the filter's values.
    fn text(&mut self, filter: &Filter) -> Verdict;
    /// Memory for the values of expressions, valid to write.
    fn places(&mut self) -> *mut Places;
    /// A filter could not read its argument, and `failed_closed` or does not hold.
    fn count_unreadable(&mut self, failed_closed: bool);
}

/// A selector that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selected {
    /// Its index.
    pub index: u32,
    /// Its actions.
    pub actions: u32,
    /// What its `Override` returns.
    pub error: i32,
    /// What its `Signal` sends.
    pub signal: u32,
    /// Its [`Selector::rate_scope`].
    pub rate_scope: u32,
    /// Its [`Selector::rate_period`].
    pub rate_period: u64,
    /// Its [`Selector::descriptor`].
    pub descriptor: u32,
    /// Its [`Selector::name`].
    pub name: u32,
    /// Its [`Selector::socket`].
    pub socket: u32,
    /// It matched because a filter could not read its argument.
    pub failed_closed: bool,
}

/// The first selector whose filters all hold.
///
/// A filter that cannot read its argument holds in a selector that enforces
/// (a process must not escape enforcement by passing a page that is not in
/// memory) and does not hold in one that only observes.
#[inline(always)]
pub fn select<F: Facts>(config: &HookConfig, facts: &mut F) -> Option<Selected> {
    let count = constant(&config.selector_count);
    let mut index = 0;
    while index < MAX_SELECTORS as u32 && index < count {
        let selector = entry(&config.selectors, index);
        let actions = constant(&selector.actions);
        let filters =
            Filters { first: constant(&selector.first_filter), count: constant(&selector.filter_count) };
        let has_its_turn = !F::LATE || actions & ACTIONS_ENFORCING == 0;
        if has_its_turn && let Some(failed_closed) = holds(config, filters, actions, facts) {
            return Some(Selected {
                index,
                actions,
                error: constant(&selector.error),
                signal: constant(&selector.signal),
                rate_scope: constant(&selector.rate_scope),
                rate_period: constant(&selector.rate_period),
                descriptor: constant(&selector.descriptor),
                name: constant(&selector.name),
                socket: constant(&selector.socket),
                failed_closed,
            });
        }
        index += 1;
    }
    None
}

/// Whether the call is to be reported once it has returned: the filters on what it returned hold, for
/// the selector that matched at its entry. What was returned is argument 0.
#[inline(always)]
pub fn holds_on_return(config: &HookConfig, selector: u32, facts: &mut impl Facts) -> bool {
    let count = constant(&config.selector_count);
    let mut index = 0;
    while index < MAX_SELECTORS as u32 && index < count {
        // Before the comparison: behind it the compiler would read at `selector`, of which the verifier knows no value.
        let filters = constant(entry(&config.return_filters, index));
        if index == selector {
            return holds(config, filters, 0, facts).is_some();
        }
        index += 1;
    }
    false
}

/// Whether all filters hold, and if so whether that is by failing closed.
#[inline(always)]
fn holds(config: &HookConfig, filters: Filters, actions: u32, facts: &mut impl Facts) -> Option<bool> {
    let Filters { first, count } = filters;
    let mut failed_closed = false;
    let mut index = 0;
    while index < MAX_FILTERS as u32 && index < count && first + index < MAX_FILTERS as u32 {
        match judge(config, entry(&config.filters, first + index), facts) {
            Verdict::Match => {}
            Verdict::Miss => return None,
            Verdict::Unreadable => {
                failed_closed = actions & ACTIONS_ENFORCING != 0;
                facts.count_unreadable(failed_closed);
                if !failed_closed {
                    return None;
                }
            }
        }
        index += 1;
    }
    Some(failed_closed)
}

#[inline(always)]
fn judge(config: &HookConfig, filter: &Filter, facts: &mut impl Facts) -> Verdict {
    let test = constant(&filter.test);
    let arguments = arguments(filter);
    // A loop, so that the code that reads arguments, the most that a hook has, is there once.
    let mut slot = 0;
    while slot < MAX_ARGUMENTS as u32 {
        if arguments & 1 << slot != 0 {
            facts.read(slot);
        }
        slot += 1;
    }
    let verdict = match test & !TEST_NOT {
        TEST_PID_IN => facts.pid_is_member(constant(&filter.values), constant(&filter.slot)).into(),
        TEST_BINARY_IN => facts.binary_passes(constant(&filter.values), constant(&filter.slot)).into(),
        TEST_SCOPE => facts.is_in_scope(constant(&filter.values), constant(&filter.slot)).into(),
        TEST_NAMESPACE_IN..=TEST_USER => judge_identity(filter, facts).into(),
        TEST_INTEGER_IN | TEST_INTEGER_RANGE | TEST_INTEGER_MASK => {
            let (slot, word) = place(filter);
            match facts.integer(slot, word) {
                Some(value) => judge_integer(filter, value, facts).into(),
                None => Verdict::Unreadable,
            }
        }
        TEST_ADDRESS_RANGE => {
            let (slot, word) = place(filter);
            match (facts.integer(slot, word), facts.integer(slot, word + 1)) {
                (Some(high), Some(low)) => facts.in_ranges(filter, Number { high, low }).into(),
                _ => Verdict::Unreadable,
            }
        }
        TEST_BITS_GAINED => {
            match (facts.integer(constant(&filter.slot), 0), facts.integer(constant(&filter.values), 0)) {
                (Some(before), Some(after)) => (after & !before != 0).into(),
                _ => Verdict::Unreadable,
            }
        }
        TEST_EXPRESSION => {
            let places = facts.places();
            // SAFETY: `places` gives memory for all of them.
            unsafe { evaluate(config, filter, places, |slot| facts.integer(slot, 0)) }
        }
        _ => facts.text(filter),
    };
    if test & TEST_NOT != 0 { verdict.negated() } else { verdict }
}

/// The slots of the arguments that a filter asks about: one bit each.
#[inline(always)]
fn arguments(filter: &Filter) -> u32 {
    match constant(&filter.test) & !TEST_NOT {
        TEST_PID_IN | TEST_BINARY_IN | TEST_SCOPE | TEST_NAMESPACE_IN..=TEST_USER => 0,
        TEST_BITS_GAINED => 1 << constant(&filter.slot) | 1 << constant(&filter.values),
        TEST_EXPRESSION => constant(&filter.slot),
        _ => 1 << place(filter).0,
    }
}

/// The slot of an argument's filter, and which of its words is compared.
#[inline(always)]
pub fn place(filter: &Filter) -> (u32, u32) {
    let slot = constant(&filter.slot);
    (slot & ((1 << WORD_SHIFT) - 1), slot >> WORD_SHIFT)
}

#[inline(always)]
fn judge_identity(filter: &Filter, facts: &mut impl Facts) -> bool {
    let slot = constant(&filter.slot);
    match constant(&filter.test) & !TEST_NOT {
        TEST_NAMESPACE_IN => {
            let namespace = facts.namespace(slot);
            facts.is_member(constant(&filter.values), namespace)
        }
        TEST_NAMESPACE_CHANGED => facts.changed_namespaces(constant(&filter.values)) != 0,
        TEST_CAPABILITY => facts.capabilities(slot) & mask(filter) != 0,
        TEST_CAPABILITY_CHANGED => facts.changed_capabilities(slot) & mask(filter) != 0,
        _ => {
            let user = facts.user(slot);
            facts.in_ranges(filter, Number::from(user))
        }
    }
}

/// The mask in `values` and `count`.
#[inline(always)]
fn mask(filter: &Filter) -> u64 {
    u64::from(constant(&filter.count)) << 32 | u64::from(constant(&filter.values))
}

#[inline(always)]
fn judge_integer(filter: &Filter, value: u64, facts: &mut impl Facts) -> bool {
    let values = constant(&filter.values);
    match constant(&filter.test) & !TEST_NOT {
        TEST_INTEGER_IN => facts.is_member(values, value),
        TEST_INTEGER_RANGE => facts.in_ranges(filter, Number::from(value)),
        _ => value & mask(filter) != 0,
    }
}

/// An entry of a table, without the bounds check that the caller has made and the kernel cannot panic on.
#[inline(always)]
pub fn entry<T, const N: usize>(table: &[T; N], index: u32) -> &T {
    let index = if (index as usize) < N { index as usize } else { 0 };
    // SAFETY: the index is below N, and no table is empty.
    unsafe { &*table.as_ptr().add(index) }
}

/// A number of the configuration, as the agent set it: the compiler must not
/// take the one it finds in the object file for granted.
#[inline(always)]
pub fn constant<T: Copy>(number: &T) -> T {
    // SAFETY: a reference is valid to read.
    unsafe { core::ptr::read_volatile(number) }
}

#[cfg(test)]
mod tests;
