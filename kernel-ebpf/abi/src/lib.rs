//! What the kernel programs and the agent share: configuration, records and matching logic.
//!
//! Everything here is compiled twice: for the kernel, where it runs between
//! the hook and the ring buffer, and for the agent, which fills in the
//! configuration, reads the records and unit-tests the logic. Nothing
//! allocates, panics or touches memory other than through the traits that
//! each side implements.
#![no_std]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

/// Keeps the compiler from making one call of `bpf_loop` out of two in the branches of an `if`.
///
/// It would load the address of one callback before it knows which it needs. The kernel drops a
/// callback that the verifier has not seen called, and then fails at that load: "No program to
/// jit". An instruction behind the calls that differs keeps them apart.
macro_rules! keep_apart {
    ($number:literal) => {
        #[cfg(target_arch = "bpf")]
        // SAFETY: sets a register that nothing reads.
        core::arch::asm!(concat!("{0} = ", $number), out(reg) _, options(nomem, nostack))
    };
}

pub mod binaries;
pub mod config;
pub mod digest;
pub mod expression;
pub mod identity;
pub mod network;
mod offsets;
pub mod packet;
pub mod path;
pub mod ranges;
pub mod record;
mod repeat;
pub mod segments;
pub mod selector;
pub mod text;
pub mod workload;

pub use binaries::{BinarySets, MAX_BINARY_SETS};
pub use offsets::{NO_FIELD, Offsets};
pub use repeat::{CONTINUE, STOP, repeat};

/// Longest string, in bytes, that is read, compared or reported: `PATH_MAX`.
pub const MAX_STRING: usize = 4096;

/// Most bytes of a buffer that are read, compared and reported: with the word before them as long as a string.
pub const MAX_BYTES: usize = MAX_STRING - 8;

/// Longest name of a directory entry: `NAME_MAX`.
pub const MAX_NAME: usize = 255;

/// Bytes of a binary's path, with at least one NUL behind it, that is found by one look-up.
pub const BINARY_KEY: usize = 256;

/// Paths of binaries that are found by one look-up, over all policies.
pub const BINARY_PATHS: u32 = 4096;

/// Longest value of a search within texts, in bytes: its [`Text`] holds the search's table as well.
pub const MAX_SUBSTRING: usize = 1024;

/// Arguments that one hook can read: what x86-64 passes in registers.
pub const MAX_ARGUMENTS: usize = 6;

/// Selectors of one hook.
pub const MAX_SELECTORS: usize = 32;

/// Filters of one hook, over all its selectors.
pub const MAX_FILTERS: usize = 128;

/// Steps of reading structures and of getting to arguments, over all arguments of one hook.
pub const MAX_FIELDS: usize = 96;

/// Operations of expressions, over all filters of one hook.
pub const MAX_OPERATIONS: usize = 256;

/// Values of an expression that wait to be used.
pub const MAX_PLACES: usize = 16;

/// Longest text that is read of a structure: a function's name, `KSYM_NAME_LEN` without its NUL.
pub const MAX_FIELD_TEXT: usize = 511;

/// A process, as the kernel programs remember it: from its exec or fork to its exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Process {
    /// `group_leader->start_boottime`, in nanoseconds; 0 if not known exactly.
    pub start_time: u64,
    /// The binary filters that hold for it.
    pub binaries: BinarySets,
    /// Those that held for its parent when it was forked or last executed a program.
    pub parent_binaries: BinarySets,
    /// 1 if it may have descriptors that are followed.
    pub follows: u64,
}

/// A value in a set of a hook: a process id, an integer argument, or the digest of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Member {
    /// The value, sign-extended.
    pub value: u64,
    /// Which set: [`config::Filter::values`].
    pub set: u32,
    /// Keeps the size a multiple of eight; must be 0.
    pub reserved: u32,
}

/// Events that are equal as far as `rateLimit` goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct RateKey {
    /// The arguments' [`digest`].
    pub digest: u64,
    /// The thread's or process's id; 0 for all.
    pub who: u32,
    /// Index of the selector.
    pub selector: u32,
}

/// A descriptor of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Descriptor {
    /// The process's id.
    pub pid: u32,
    /// The descriptor.
    pub number: u32,
}

/// An unsigned number of 128 bits: an integer's bits, or an IP address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub struct Number {
    /// Upper half; 0 for integers.
    pub high: u64,
    /// Lower half.
    pub low: u64,
}

/// A range of numbers in a hook's list, both ends included. A list is in ascending order, without overlaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Range {
    /// The least.
    pub first: Number,
    /// The greatest.
    pub last: Number,
}

impl From<u64> for Number {
    #[inline(always)]
    fn from(low: u64) -> Self {
        Number { high: 0, low }
    }
}

impl From<u128> for Number {
    #[inline(always)]
    fn from(number: u128) -> Self {
        Number { high: (number >> 64) as u64, low: number as u64 }
    }
}

/// A string in a hook's list of values.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Text {
    /// Length in bytes, at most [`MAX_STRING`].
    pub length: u32,
    /// Keeps `bytes` aligned.
    pub reserved: u32,
    /// The bytes, padded with zeros; eight more than [`MAX_STRING`], so that any word of it can be loaded whole.
    pub bytes: [u8; MAX_STRING + 8],
}

/// Cgroups of containers, those below them included, and containers that are known by id.
pub const MAX_CGROUPS: u32 = 65_536;

/// Slots of the dispatchers' tables. System calls of 64-bit programs come first, by their numbers.
pub const DISPATCH_SLOTS: u32 = 8192;

/// First slot of the system calls of 32-bit programs, by their numbers; also how many numbers there can be.
pub const COMPAT_SLOT: u32 = 512;

/// First slot that is not a system call's, but a hook's own: where the hook before it on the same call goes on.
pub const CHAIN_SLOT: u32 = 1024;

/// A hook among those that share a program, by the slot of its system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Sharer {
    /// The id that its records carry.
    pub hook: u32,
    /// As [`config::HookConfig::next`].
    pub next: u32,
    /// As [`config::HookConfig::next_return`].
    pub next_return: u32,
    /// Keeps the size a multiple of eight.
    pub reserved: u32,
}

/// A call of a hooked function that has not returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Call {
    /// The task: thread-group and thread id, as `bpf_get_current_pid_tgid` gives them.
    pub task: u64,
    /// The hook's id.
    pub hook: u32,
    /// Keeps the size a multiple of eight; must be 0.
    pub reserved: u32,
}

/// Calls that can be under way at once, over all hooks that wait for the return.
pub const MAX_CALLS: u32 = 8192;

/// Set on a task whose system call is to be refused: by the LSM hooks that it must pass, or where its function begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Mark {
    /// Which LSM hooks refuse: one bit each, as given out by the agent; perhaps [`ENTRY_POINT`].
    pub points: u64,
    /// What they return: a negative errno.
    pub error: i32,
    /// The enforcer that was notified, until the call has been refused; 0 if the mark is of `Override`.
    pub enforcer: u32,
    /// The dispatchers' slot of the system call that the enforcer is to refuse.
    pub call: u32,
    /// Keeps the size a multiple of eight.
    pub reserved: u32,
}

/// The bit in [`Mark::points`] of the entries of system calls, where `bpf_override_return` refuses.
pub const ENTRY_POINT: u64 = 1 << 63;

/// A system call of an enforcer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct EnforcedCall {
    /// The enforcer, from 1 on.
    pub enforcer: u32,
    /// The dispatchers' slot of the call, or [`ANY_CALL`].
    pub call: u32,
}

/// For [`EnforcedCall::call`]: the system calls that the enforcer does not have, but refuses on their way.
pub const ANY_CALL: u32 = u32::MAX;

/// Calls of enforcers, over all policies.
pub const MAX_ENFORCED: u32 = 16_384;

/// What a CPU counted, over all programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CpuCounters {
    /// Records that were written or lost: the last sequence number given out.
    pub sequence: u64,
    /// Records that found the ring buffer full.
    pub lost_full: u64,
    /// Records that found no free scratch memory on this CPU.
    pub lost_busy: u64,
    /// Processes that found the process table full: their exits are not reported.
    pub processes_full: u64,
    /// Calls that could not be kept until they return, or never did.
    pub lost_calls: u64,
    /// Descriptors that found the table of followed ones full: they are not followed.
    pub followed_full: u64,
    /// Cgroups of containers that found their table full: their processes count as the host's.
    pub cgroups_full: u64,
    /// Notifications of enforcers that refused nothing: the call was not one of theirs, or was past what could refuse it.
    pub missed_notifications: u64,
}

/// What a CPU counted for one hook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct HookCounters {
    /// Times a selector matched.
    pub hits: u64,
    /// Hits whose record was written.
    pub posted: u64,
    /// Hits whose record was lost.
    pub lost: u64,
    /// Filters that could not read their argument.
    pub unreadable: u64,
    /// Enforcement that could not be carried out: no room for a mark, or the signal was refused.
    pub unenforced: u64,
    /// Hits that the policy does not want to be reported, those in `limited` included.
    pub unposted: u64,
    /// Hits held back by `rateLimit`.
    pub limited: u64,
}

/// What a CPU counted for one selector of a hook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SelectorCounters {
    /// Times that it was the first that matched.
    pub hits: u64,
    /// Hits that it does not want to be reported.
    pub unposted: u64,
}
