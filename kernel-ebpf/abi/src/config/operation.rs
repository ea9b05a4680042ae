//! Operations of expressions.

/// One operation of an [expression](crate::expression).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Operation {
    /// [`OPERATION_CONSTANT`]: the number, as a register holds it. [`OPERATION_ARGUMENT`]: position in
    /// [`HookConfig::arguments`](super::HookConfig::arguments).
    pub value: u64,
    /// One of the `OPERATION_*` numbers.
    pub code: u32,
    /// The type of what it works on: one of the `INTEGER_*` numbers.
    pub integer: u16,
    /// The place of the result, and of the only or left operand; the right one's is the next. Below
    /// [`MAX_PLACES`](crate::MAX_PLACES).
    pub place: u16,
}

/// A number.
pub const OPERATION_CONSTANT: u32 = 0;
/// An argument.
pub const OPERATION_ARGUMENT: u32 = 1;
/// The sum.
pub const OPERATION_ADD: u32 = 2;
/// The difference.
pub const OPERATION_SUBTRACT: u32 = 3;
/// Bits that both have.
pub const OPERATION_AND: u32 = 4;
/// Bits that one has.
pub const OPERATION_OR: u32 = 5;
/// Bits that only one has.
pub const OPERATION_XOR: u32 = 6;
/// 1 if they are equal.
pub const OPERATION_EQUAL: u32 = 7;
/// 1 if they are not.
pub const OPERATION_NOT_EQUAL: u32 = 8;
/// 1 if the left one is less.
pub const OPERATION_LESS: u32 = 9;
/// 1 if the left one is not greater.
pub const OPERATION_LESS_OR_EQUAL: u32 = 10;
/// The lower bits of the left one.
pub const OPERATION_WRAP: u32 = 11;

/// A signed integer of 64 bits.
pub const INTEGER_S64: u16 = 0;
/// An unsigned integer of 64 bits, or a truth value.
pub const INTEGER_U64: u16 = 1;
/// A signed integer of 32 bits.
pub const INTEGER_S32: u16 = 2;
/// An unsigned integer of 32 bits.
pub const INTEGER_U32: u16 = 3;
