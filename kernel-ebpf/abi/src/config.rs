//! The configuration of one hook program: read-only data that the verifier sees as constants.
//!
//! The program is one template. Loops run to counts given here, branches test
//! numbers given here, so what a hook does not use is not in its machine code.

mod argument;
mod filter;
mod operation;
mod selector;

pub use argument::*;
pub use filter::*;
pub use operation::*;
pub use selector::*;

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

/// `bpf_override_return`: the function does not run.
pub const OVERRIDE_RETURN: u32 = 1;
/// The task is marked, and the LSM hooks on the call's way refuse.
pub const OVERRIDE_MARK: u32 = 2;
/// The program's result is the hook's: LSM programs.
pub const OVERRIDE_RESULT: u32 = 3;
/// Registers are set: [`Selector::assignments`].
pub const OVERRIDE_REGISTERS: u32 = 4;

/// [`HookConfig::hashed`]: a `struct file *`.
pub const HASHED_FILE: u32 = 1;
/// [`HookConfig::hashed`]: a `struct linux_binprm *`.
pub const HASHED_PROGRAM: u32 = 2;
/// [`HookConfig::hashed`]: while a program on an LSM hook runs, the kernel does not start it on the same CPU again.
pub const HASHED_ALONE: u32 = 1 << 8;
