//! Filters of selectors.

/// Some of [`HookConfig::filters`](super::HookConfig::filters).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Filters {
    /// The first.
    pub first: u32,
    /// How many; none hold always.
    pub count: u32,
}

/// One filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Filter {
    /// One of the `TEST_*` numbers, perhaps with [`TEST_NOT`].
    pub test: u32,
    /// Tests of arguments: position in [`HookConfig::arguments`](super::HookConfig::arguments), and from [`WORD_SHIFT`] on which of its
    /// words is compared. Process ids: `PID_*` bits. Binaries: [`BINARY_OWN`] or [`BINARY_PARENT`]. Expressions: a bit for
    /// each argument that they name.
    pub slot: u32,
    /// Sets and binaries: the set's number. Texts and ranges: the first value in the hook's list. Masks: the lower half.
    /// Expressions: the first of [`HookConfig::operations`](super::HookConfig::operations).
    pub values: u32,
    /// Texts and ranges: how many values. Masks: the upper half. Expressions: how many operations.
    pub count: u32,
}

/// [`Filter::slot`]: above this bit stands the word of a structured argument, counted from 1; 0 for the argument's
/// own integer.
pub const WORD_SHIFT: u32 = 8;

/// The filter holds if its test does not.
pub const TEST_NOT: u32 = 1 << 8;

/// The process id is in the set.
pub const TEST_PID_IN: u32 = 1;
/// The process id is not in the set.
pub const TEST_PID_NOT_IN: u32 = TEST_PID_IN | TEST_NOT;
/// The binary passes the filter with this number in [`crate::BinarySets`].
pub const TEST_BINARY_IN: u32 = 3;
/// The binary does not pass the filter.
pub const TEST_BINARY_NOT_IN: u32 = TEST_BINARY_IN | TEST_NOT;
/// The integer argument is in the set.
pub const TEST_INTEGER_IN: u32 = 5;
/// The text equals a value.
pub const TEST_TEXT_EQUAL: u32 = 6;
/// The text starts with a value.
pub const TEST_TEXT_PREFIX: u32 = 7;
/// The text ends with a value.
pub const TEST_TEXT_POSTFIX: u32 = 8;
/// The text contains a value.
pub const TEST_TEXT_SUBSTRING: u32 = 9;
/// The integer argument, as its bits, is in one of the ranges.
pub const TEST_INTEGER_RANGE: u32 = 10;
/// The integer argument has a bit of the mask.
pub const TEST_INTEGER_MASK: u32 = 11;
/// The IP address, two words, is in one of the ranges.
pub const TEST_ADDRESS_RANGE: u32 = 12;
/// The integer argument in the slot that `values` names has a bit that the one in `slot` lacks.
pub const TEST_BITS_GAINED: u32 = 13;
/// The text equals a value of a set, which are found by their [digests](crate::digest).
pub const TEST_TEXT_IN: u32 = 14;
/// The text contains a value, which has no capital letters, if those of the text are taken for small ones (ASCII).
pub const TEST_TEXT_SUBSTRING_ANY_CASE: u32 = 15;
/// The [expression](crate::expression) is true.
pub const TEST_EXPRESSION: u32 = 16;

/// The text starts with a value; they are sorted: see [`search_sorted`](crate::text::search_sorted).
pub const TEST_TEXT_PREFIX_SORTED: u32 = 17;
/// The text ends with a value; they are sorted.
pub const TEST_TEXT_POSTFIX_SORTED: u32 = 18;

/// The inode number of the namespace of kind `slot` is in the set.
pub const TEST_NAMESPACE_IN: u32 = 32;
/// A namespace of one of the kinds in the mask has changed.
pub const TEST_NAMESPACE_CHANGED: u32 = 33;
/// A capability of the mask is in set `slot`.
pub const TEST_CAPABILITY: u32 = 34;
/// A capability of the mask has come into, or gone from, set `slot`.
pub const TEST_CAPABILITY_CHANGED: u32 = 35;
/// User id `slot` is in one of the ranges.
pub const TEST_USER: u32 = 36;

/// The process is where scope `values` says, or in general where the `SCOPE_*` bits of `slot` say.
pub const TEST_SCOPE: u32 = 48;

/// [`TEST_SCOPE`]: processes that are in no container.
pub const SCOPE_HOST: u32 = 1;
/// [`TEST_SCOPE`]: those in containers of the scope.
pub const SCOPE_CONTAINERS: u32 = 1 << 1;

/// [`TEST_BINARY_IN`]: the process's own binary.
pub const BINARY_OWN: u32 = 0;
/// [`TEST_BINARY_IN`]: that of its parent.
pub const BINARY_PARENT: u32 = 1;

/// [`TEST_PID_IN`]: an ancestor's id counts as well.
pub const PID_ANCESTORS: u32 = 1;
/// [`TEST_PID_IN`]: ids as the process's own pid namespace numbers them.
pub const PID_NAMESPACE: u32 = 1 << 1;
