//! The configuration of one hook program: read-only data that the verifier sees as constants.
//!
//! The program is one template. Loops run to counts given here, branches test
//! numbers given here, so what a hook does not use is not in its machine code.

use crate::{MAX_ARGUMENTS, MAX_FIELDS, MAX_FILTERS, MAX_OPERATIONS, MAX_SELECTORS};

/// What a selector does once the call has returned.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturnActions {
    /// [`ACTION_POST`], [`ACTION_SIGKILL`] and [`ACTION_SIGNAL`].
    pub actions: u32,
    /// What [`ACTION_SIGNAL`] sends.
    pub signal: u32,
}

/// One instance of the hook program.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct HookConfig {
    /// The id that records carry.
    pub hook: u32,
    /// Where arguments come from: [`FUNCTION`], [`SYSCALL`], [`COMPAT_SYSCALL`], [`PROGRAM`] or [`USDT`].
    pub source: u32,
    /// System calls on the shared dispatcher: slot of the next hook on the same call; 0 for none.
    pub next: u32,
    /// How `Override` is done: [`OVERRIDE_RETURN`], [`OVERRIDE_MARK`], [`OVERRIDE_RESULT`] or [`OVERRIDE_REGISTERS`].
    pub override_by: u32,
    /// [`OVERRIDE_MARK`]: the LSM hooks that refuse.
    pub points: u64,
    /// What digests of arguments start from: not for processes to know, lest they find equal ones.
    pub seed: u64,
    /// 1 if a policy follows descriptors, so that they may have names that were remembered.
    pub follows: u32,
    /// Used entries of `arguments`.
    pub argument_count: u32,
    /// Used entries of `selectors`.
    pub selector_count: u32,
    /// What is done with the socket that is returned: 0, [`ACTION_TRACK`] or [`ACTION_UNTRACK`].
    pub return_action: u32,
    /// As `next`, for the returns of system calls.
    pub next_return: u32,
    /// 1 if the program is shared by several hooks, of which `hook` is the first: on system calls `hook`, `next` and
    /// `next_return` are looked up by the call's slot then, on functions the program is told which hook it is called for.
    pub shared: u32,
    /// 1 and the position in `arguments` of the buffer that the call fills, whose bytes are read when it has returned; 0 if
    /// there is none. At the entry its address is what is read.
    pub copied: u32,
    /// Which stacks a selector asks for: [`ACTION_KERNEL_STACK`], [`ACTION_USER_STACK`].
    pub stacks: u32,
    /// `NotifyEnforcer`, `CleanupEnforcerNotification`: the policy's enforcer, as in [`EnforcedCall`](crate::EnforcedCall);
    /// 0 if it has none.
    pub enforcer: u32,
    /// 1 if any selector does something once the call has returned but posting it.
    pub acts_on_return: u32,
    /// 1 if a call whose arguments cannot be read where it begins is decided when it returns, by the selectors that do not
    /// enforce: the kernel has had to read them by then.
    pub late: u32,
    /// What argument 0 is, if a selector asks for the hash of the file: [`HASHED_FILE`] or [`HASHED_PROGRAM`], perhaps with
    /// [`HASHED_ALONE`]; else 0.
    pub hashed: u32,
    /// How to read what the call returns; its kind is 0 if its return is not waited for.
    pub returned: ArgumentConfig,
    /// What to read.
    pub arguments: [ArgumentConfig; MAX_ARGUMENTS],
    /// What to match, in order.
    pub selectors: [Selector; MAX_SELECTORS],
    /// By selector: the filters on what is returned, which is argument 0 then.
    pub return_filters: [Filters; MAX_SELECTORS],
    /// By selector: what is done when those hold.
    pub return_actions: [ReturnActions; MAX_SELECTORS],
    /// The filters of all selectors, cheapest first within each.
    pub filters: [Filter; MAX_FILTERS],
    /// [`USDT`]: the probe's arguments.
    pub operands: [Operand; MAX_OPERANDS],
    /// What to read of arguments that are structures, and how to get to those that lie behind parameters.
    pub fields: [FieldConfig; MAX_FIELDS],
    /// Those of all filters that are expressions.
    pub operations: [Operation; MAX_OPERATIONS],
}

/// Some of [`HookConfig::filters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Filters {
    /// The first.
    pub first: u32,
    /// How many; none hold always.
    pub count: u32,
}

/// One operation of an [expression](crate::expression).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Operation {
    /// [`OPERATION_CONSTANT`]: the number, as a register holds it. [`OPERATION_ARGUMENT`]: position in
    /// [`HookConfig::arguments`].
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

/// Arguments are the hooked function's own.
pub const FUNCTION: u32 = 0;
/// The hooked function gets a `struct pt_regs *` that holds a system call's arguments.
pub const SYSCALL: u32 = 1;
/// The same, of a system call of a 32-bit program.
pub const COMPAT_SYSCALL: u32 = 2;
/// As [`FUNCTION`], of a function of a program: what its arguments lead to is in that program's memory.
pub const PROGRAM: u32 = 3;
/// Arguments are [`HookConfig::operands`].
pub const USDT: u32 = 4;

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

/// `bpf_override_return`: the function does not run.
pub const OVERRIDE_RETURN: u32 = 1;
/// The task is marked, and the LSM hooks on the call's way refuse.
pub const OVERRIDE_MARK: u32 = 2;
/// The program's result is the hook's: LSM programs.
pub const OVERRIDE_RESULT: u32 = 3;
/// Registers are set: [`Selector::assignments`].
pub const OVERRIDE_REGISTERS: u32 = 4;

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
    /// [`READ_FIELDS`]: the first in [`HookConfig::fields`].
    pub first_field: u32,
    /// [`READ_FIELDS`]: how many.
    pub field_count: u32,
    /// [`READ_BUFFER`], [`READ_SEGMENTS`]: which parameter, as `index`, says how many bytes or segments there are; perhaps with
    /// [`SIZE_IS_INT`].
    /// [`READ_ARRAY`], [`READ_TEXT`]: bytes of the array.
    pub size: u32,
    /// The first of the steps from the parameter to the argument, in [`HookConfig::fields`].
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
/// A pointer to a structure, of which [`HookConfig::fields`] says what to read: its words, then perhaps a text.
pub const READ_FIELDS: u32 = 5;
/// A pointer to an integer of 64 bits.
pub const READ_POINTED: u32 = 6;
/// The address of bytes: [`KIND_BYTES`](crate::record::KIND_BYTES).
pub const READ_BUFFER: u32 = 7;
/// A `struct iov_iter *`: [`KIND_BYTES`](crate::record::KIND_BYTES).
pub const READ_ITERATOR: u32 = 8;
/// A `struct kiocb *`: [`KIND_FILE`](crate::record::KIND_FILE).
pub const READ_KIOCB: u32 = 9;
/// An array of characters in a tracepoint's record: [`KIND_STRING`](crate::record::KIND_STRING).
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

/// One selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Selector {
    /// First of its filters in [`HookConfig::filters`].
    pub first_filter: u32,
    /// How many filters; 0 matches always.
    pub filter_count: u32,
    /// `ACTION_*` bits.
    pub actions: u32,
    /// What `Override` returns: a negative errno.
    pub error: i32,
    /// What `Signal` sends.
    pub signal: u32,
    /// Whose equal events are posted at most once in a period: one of the `RATE_*` numbers.
    pub rate_scope: u32,
    /// The period, in nanoseconds.
    pub rate_period: u64,
    /// `FollowFD`, `UnfollowFD`, `CopyFD`: position in [`HookConfig::arguments`] of the descriptor.
    pub descriptor: u32,
    /// `FollowFD`: position of the name. `CopyFD`: of the other descriptor.
    pub name: u32,
    /// `TrackSock`, `UntrackSock`: position of the socket.
    pub socket: u32,
    /// `NotifyEnforcer`: what the call returns, a negative errno; 0 if it goes on.
    pub notify_error: i32,
    /// `NotifyEnforcer`: what is sent; 0 for nothing.
    pub notify_signal: u32,
    /// `Set`: position in [`HookConfig::operands`] of what is set.
    pub set_operand: u32,
    /// `Set`: the value.
    pub set_value: u32,
    /// [`OVERRIDE_REGISTERS`]: the first of its [`Assignment`]s, and from [`ASSIGNMENTS_SHIFT`] on how many; 0 if it has none.
    pub assignments: u32,
}

/// [`Selector::assignments`]: where their number stands.
pub const ASSIGNMENTS_SHIFT: u32 = 16;

/// A register of a program, or a part of one, that is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Assignment {
    /// The number; or what is added to what the source holds.
    pub value: u64,
    /// [`OPERAND_CONSTANT`], [`OPERAND_REGISTER`] or [`OPERAND_MEMORY`], of which eight bytes are read.
    pub kind: u32,
    /// The register that is set: 1 and its position in [`REGISTERS`].
    pub register: u32,
    /// Bytes of it that are set: 1, 2, 4 or 8.
    pub size: u32,
    /// The source, likewise; 0 if there is none.
    pub source: u32,
    /// Bytes of it that are read.
    pub source_size: u32,
    /// Keeps the size a multiple of eight.
    pub reserved: u32,
}

/// Registers that are set, over all selectors of a hook.
pub const MAX_ASSIGNMENTS: usize = 64;

/// Every event is posted.
pub const RATE_UNLIMITED: u32 = 0;
/// Those of a thread.
pub const RATE_THREAD: u32 = 1;
/// Those of a process.
pub const RATE_PROCESS: u32 = 2;
/// Those of all processes.
pub const RATE_GLOBAL: u32 = 3;

/// Send the event.
pub const ACTION_POST: u32 = 1;
/// Kill the process.
pub const ACTION_SIGKILL: u32 = 1 << 1;
/// Do not run the function.
pub const ACTION_OVERRIDE: u32 = 1 << 2;
/// Send the process a signal.
pub const ACTION_SIGNAL: u32 = 1 << 3;
/// Remember a descriptor's name.
pub const ACTION_FOLLOW: u32 = 1 << 4;
/// Forget a descriptor's name.
pub const ACTION_UNFOLLOW: u32 = 1 << 5;
/// Give a descriptor the name that another has.
pub const ACTION_COPY: u32 = 1 << 6;
/// Those that are about the names of descriptors; a selector has at most one of them.
pub const ACTIONS_FOLLOWING: u32 = ACTION_FOLLOW | ACTION_UNFOLLOW | ACTION_COPY;
/// Take note of what the process is now, as a filter asked what has changed.
pub const ACTION_REMEMBER: u32 = 1 << 7;
/// Remember whose a socket is.
pub const ACTION_TRACK: u32 = 1 << 8;
/// Forget whose a socket is.
pub const ACTION_UNTRACK: u32 = 1 << 9;
/// Those that are about the owners of sockets; a selector has at most one of them.
pub const ACTIONS_TRACKING: u32 = ACTION_TRACK | ACTION_UNTRACK;
/// Report how the kernel came to the hooked function.
pub const ACTION_KERNEL_STACK: u32 = 1 << 10;
/// Report how the program came there.
pub const ACTION_USER_STACK: u32 = 1 << 11;
/// Have the call that is under way refused, if it is one of the enforcer's.
pub const ACTION_NOTIFY: u32 = 1 << 12;
/// Take that back.
pub const ACTION_CLEAN_UP: u32 = 1 << 13;
/// Give an argument of a USDT probe another value.
pub const ACTION_SET: u32 = 1 << 14;
/// Have the file's hash computed before the event is sent.
pub const ACTION_HASH: u32 = 1 << 15;
/// Any of these makes a selector fail closed when it cannot read an argument.
pub const ACTIONS_ENFORCING: u32 =
    ACTION_SIGKILL | ACTION_OVERRIDE | ACTION_SIGNAL | ACTION_NOTIFY | ACTION_SET;

/// One filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Filter {
    /// One of the `TEST_*` numbers, perhaps with [`TEST_NOT`].
    pub test: u32,
    /// Tests of arguments: position in [`HookConfig::arguments`], and from [`WORD_SHIFT`] on which of its
    /// words is compared. Process ids: `PID_*` bits. Binaries: [`BINARY_OWN`] or [`BINARY_PARENT`]. Expressions: a bit for
    /// each argument that they name.
    pub slot: u32,
    /// Sets and binaries: the set's number. Texts and ranges: the first value in the hook's list. Masks: the lower half.
    /// Expressions: the first of [`HookConfig::operations`].
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

/// [`HookConfig::hashed`]: a `struct file *`.
pub const HASHED_FILE: u32 = 1;
/// [`HookConfig::hashed`]: a `struct linux_binprm *`.
pub const HASHED_PROGRAM: u32 = 2;
/// [`HookConfig::hashed`]: while a program on an LSM hook runs, the kernel does not start it on the same CPU again.
pub const HASHED_ALONE: u32 = 1 << 8;

/// [`TEST_BINARY_IN`]: the process's own binary.
pub const BINARY_OWN: u32 = 0;
/// [`TEST_BINARY_IN`]: that of its parent.
pub const BINARY_PARENT: u32 = 1;

/// [`TEST_PID_IN`]: an ancestor's id counts as well.
pub const PID_ANCESTORS: u32 = 1;
/// [`TEST_PID_IN`]: ids as the process's own pid namespace numbers them.
pub const PID_NAMESPACE: u32 = 1 << 1;
