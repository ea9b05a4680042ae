//! What is read of a call, and how.

/// One argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ArgumentConfig {
    /// Position in the function's parameters; bytes from the start of a tracepoint's record.
    pub index: u32,
    /// One of the `KIND_*` numbers of [`crate::record`]: what the record will say it is.
    pub kind: u32,
    /// One of the `READ_*` numbers.
    pub read: u32,
    /// [`READ_FIELDS`]: the first in [`HookConfig::fields`](super::HookConfig::fields).
    pub first_field: u32,
    /// [`READ_FIELDS`]: how many.
    pub field_count: u32,
    /// [`READ_BUFFER`], [`READ_SEGMENTS`]: which parameter, as `index`, says how many bytes or segments there are; perhaps with
    /// [`SIZE_IS_INT`].
    /// [`READ_ARRAY`], [`READ_TEXT`]: bytes of the array.
    pub size: u32,
    /// The first of the steps from the parameter to the argument, in [`HookConfig::fields`](super::HookConfig::fields).
    pub first_step: u32,
    /// How many steps there are; none if the parameter is the argument.
    pub step_count: u32,
    /// What the argument is or lies behind: [`ORIGIN_PARAMETER`], [`ORIGIN_TASK`] or [`ORIGIN_REGISTER`].
    pub origin: u32,
    /// [`ORIGIN_REGISTER`]: bytes of the register.
    pub width: u32,
}

/// A parameter, or a field of a record.
pub const ORIGIN_PARAMETER: u32 = 0;
/// The current `struct task_struct`.
pub const ORIGIN_TASK: u32 = 1;
/// A register, `index` bytes from the start of `struct pt_regs`.
pub const ORIGIN_REGISTER: u32 = 2;

/// The value itself is the argument, or a pointer to it: as its kind says.
pub const READ_VALUE: u32 = 0;
/// A number of an open file of the current process: [`KIND_FILE`](crate::record::KIND_FILE).
pub const READ_DESCRIPTOR: u32 = 1;
/// A `struct dentry *`: [`KIND_PATH`](crate::record::KIND_PATH).
pub const READ_DENTRY: u32 = 2;
/// A `struct filename *`: [`KIND_STRING`](crate::record::KIND_STRING).
pub const READ_FILENAME: u32 = 3;
/// A `struct socket *`: [`KIND_SOCK`](crate::record::KIND_SOCK).
pub const READ_SOCKET: u32 = 4;
/// A pointer to a structure, of which [`HookConfig::fields`](super::HookConfig::fields) says what to read: its words, then perhaps a text.
pub const READ_FIELDS: u32 = 5;
/// A pointer to an integer of 64 bits.
pub const READ_POINTED: u32 = 6;
/// The address of bytes: [`KIND_BYTES`](crate::record::KIND_BYTES).
pub const READ_BUFFER: u32 = 7;
/// A `struct iov_iter *`: [`KIND_BYTES`](crate::record::KIND_BYTES).
pub const READ_ITERATOR: u32 = 8;
/// A `struct kiocb *`: [`KIND_FILE`](crate::record::KIND_FILE).
pub const READ_KIOCB: u32 = 9;
/// An array in a tracepoint's record: of characters, [`KIND_STRING`](crate::record::KIND_STRING), or any,
/// [`KIND_BYTES`](crate::record::KIND_BYTES).
pub const READ_ARRAY: u32 = 10;
/// The same, elsewhere in the record (`__data_loc`): the place in the lower half of 32 bits, the length in the upper.
pub const READ_LOCATION: u32 = 11;
/// The same, with the place counted from the end of these 32 bits (`__rel_loc`).
pub const READ_RELATIVE_LOCATION: u32 = 12;

/// The address of an array of characters: [`KIND_STRING`](crate::record::KIND_STRING).
pub const READ_TEXT: u32 = 13;

/// The address of an array of `struct iovec`: [`KIND_BYTES`](crate::record::KIND_BYTES).
pub const READ_SEGMENTS: u32 = 14;

/// [`ArgumentConfig::size`]: the parameter is a signed integer of 32 bits.
pub const SIZE_IS_INT: u32 = 1 << 16;

/// One step of reading a structure, or of getting to an argument: there, what a step has read or found, the next goes on
/// from, and the last has the argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FieldConfig {
    /// Bytes from the structure's start.
    pub offset: u32,
    /// The field's size of at most eight bytes: it becomes the next word, and the next field is one of the argument
    /// again. Or [`FIELD_POINTER`] or [`FIELD_TEXT`]. Of steps to an argument, the size,
    /// perhaps with [`FIELD_SIGNED`], or [`FIELD_ADDRESS`].
    pub size: u32,
}

/// The field is a pointer to the structure that the next field is one of.
pub const FIELD_POINTER: u32 = 16;
/// A NUL-terminated string starts here. It stands behind the words; nothing comes after it.
pub const FIELD_TEXT: u32 = 17;
/// Nothing is read: the field's address is what the next step starts from.
pub const FIELD_ADDRESS: u32 = 18;
/// [`FieldConfig::size`]: the integer is signed.
pub const FIELD_SIGNED: u32 = 1 << 8;
/// [`FieldConfig::size`]: from this bit on, the lowest bit of a bit field in the integer that was read.
pub const FIELD_FIRST_BIT: u32 = 16;
/// [`FieldConfig::size`]: from this bit on, how many bits the bit field has; 0 if it is none.
pub const FIELD_BITS: u32 = 24;

/// Arguments that a USDT probe can have: what `sys/sdt.h` has macros for.
pub const MAX_OPERANDS: usize = 12;

/// An argument of a USDT probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Operand {
    /// The constant; in memory, what is added to the registers.
    pub value: u64,
    /// [`OPERAND_CONSTANT`], [`OPERAND_REGISTER`] or [`OPERAND_MEMORY`].
    pub kind: u32,
    /// The number of a register, 1 and its position in [`REGISTERS`]; in memory, of the base, 0 for none.
    pub register: u32,
    /// In memory: the register that is added `scale` times; 0 for none.
    pub index: u32,
    /// See `index`.
    pub scale: u32,
    /// Bytes: 1, 2, 4 or 8.
    pub size: u32,
    /// 1 if it is signed.
    pub signed: u32,
}

impl Operand {
    /// No argument: 0.
    pub const NONE: Self =
        Self { value: 0, kind: OPERAND_CONSTANT, register: 0, index: 0, scale: 0, size: 8, signed: 0 };
}

/// The argument is a constant.
pub const OPERAND_CONSTANT: u32 = 0;
/// It is in a register.
pub const OPERAND_REGISTER: u32 = 1;
/// It is in memory.
pub const OPERAND_MEMORY: u32 = 2;

/// The registers that hold arguments of USDT probes, or lead to them, or are set.
pub const REGISTERS: [&str; 17] = [
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15", "rip",
];
