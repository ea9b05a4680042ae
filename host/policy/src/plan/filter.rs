//! What selectors ask of the process and of arguments.

use std::ops::RangeInclusive;

use super::Expression;

/// Whether a value must be in a set, or must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Membership {
    /// `In`
    In,
    /// `NotIn`
    NotIn,
}

/// `matchPIDs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PidFilter {
    /// The operator.
    pub membership: Membership,
    /// The process ids.
    pub values: Vec<u32>,
    /// `followForks`: an ancestor's id counts as well.
    pub follow_forks: bool,
    /// `isNamespacePID`: ids as the process's own pid namespace numbers them.
    pub in_namespace: bool,
}

/// `matchBinaries` and `matchParentBinaries`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinaryFilter {
    /// The operator was `NotIn`, `NotPrefix` or `NotPostfix`.
    pub negated: bool,
    /// What holds if the filter is not negated.
    pub condition: BinaryCondition,
}

/// What is asked of a process's binary.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BinaryCondition {
    /// How the path is compared with the values.
    pub comparison: BinaryComparison,
    /// Paths or parts of paths, at most [`crate::MAX_VALUE`] bytes each; any of them suffices.
    pub values: Vec<String>,
    /// `followChildren`: an earlier binary of the process or of an ancestor suffices.
    pub follow_children: bool,
}

/// How a binary's path is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryComparison {
    /// `In`
    Equal,
    /// `Prefix`
    Prefix,
    /// `Postfix`
    Postfix,
}

/// What of an argument a filter compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Its value: an integer, or a text.
    Value,
    /// The address that it comes from; a socket's own. Neither it nor its negation matches what is not IP.
    SAddr,
    /// The address that it goes to, likewise.
    DAddr,
    /// The port that it comes from, likewise.
    SPort,
    /// The port that it goes to, likewise.
    DPort,
    /// `IPPROTO_*`
    Protocol,
    /// `AF_*`
    Family,
    /// `TCP_*`
    State,
    /// The kind of a file: the bits of `S_IFMT` in its mode.
    FileType,
}

/// One `matchArgs` entry: the argument must match any of the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentFilter {
    /// Position in [`crate::HookPlan::arguments`] (not the function's parameter number).
    pub slot: usize,
    /// What of the argument is compared.
    pub part: Part,
    /// The argument must not match, for the operators `Not…`.
    pub negated: bool,
    /// The operator and its values.
    pub test: Test,
}

impl ArgumentFilter {
    /// Positions of all arguments that it asks about.
    #[must_use]
    pub fn slots(&self) -> Vec<usize> {
        match &self.test {
            Test::Gained(after) => vec![self.slot, *after],
            Test::Expression(expression) => expression.arguments(),
            _ => vec![self.slot],
        }
    }
}

/// An operator with its values. Values are never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// `Equal` on an integer; compared at the argument's width (sign-extended for signed kinds).
    /// Unsigned 64-bit values above `i64::MAX` are given by their bits.
    IntEqual(Vec<i64>),
    /// Ranges of integers, ends included, of their bits as [`Test::IntEqual`] has them: ascending and disjoint.
    IntRanges(Vec<RangeInclusive<u64>>),
    /// `Mask`: any of these bits is set.
    IntMask(u64),
    /// `CapabilitiesGained`: the argument in this slot has a bit that this one lacks.
    Gained(usize),
    /// `CelExpr`: the expression holds; `slot` is the first argument that it names, which are integers.
    Expression(Expression),
    /// Ranges of IP addresses, ends included; those of IPv4 lie within `::ffff:0:0/96`. Ascending and disjoint.
    Addresses(Vec<RangeInclusive<u128>>),
    /// `Equal` on a string or path; bytes without the terminating NUL.
    Equal(Vec<Vec<u8>>),
    /// `Prefix` on a string or path.
    Prefix(Vec<Vec<u8>>),
    /// `Postfix` on a string or path.
    Postfix(Vec<Vec<u8>>),
    /// `SubString` on a string or path; at most [`crate::MAX_SUBSTRING`] bytes each.
    SubString(Vec<Vec<u8>>),
    /// `SubStringIgnCase`, likewise: values without capital letters (ASCII), which stand for those as well.
    SubStringAnyCase(Vec<Vec<u8>>),
}
