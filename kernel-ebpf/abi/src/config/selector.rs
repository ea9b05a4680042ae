//! Selectors, and what they do.

/// One selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Selector {
    /// First of its filters in [`HookConfig::filters`](super::HookConfig::filters).
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
    /// `FollowFD`, `UnfollowFD`, `CopyFD`: position in [`HookConfig::arguments`](super::HookConfig::arguments) of the descriptor.
    pub descriptor: u32,
    /// `FollowFD`: position of the name. `CopyFD`: of the other descriptor.
    pub name: u32,
    /// `TrackSock`, `UntrackSock`: position of the socket.
    pub socket: u32,
    /// `NotifyEnforcer`: what the call returns, a negative errno; 0 if it goes on.
    pub notify_error: i32,
    /// `NotifyEnforcer`: what is sent; 0 for nothing.
    pub notify_signal: u32,
    /// `Set`: position in [`HookConfig::operands`](super::HookConfig::operands) of what is set.
    pub set_operand: u32,
    /// `Set`: the value.
    pub set_value: u32,
    /// [`OVERRIDE_REGISTERS`](super::OVERRIDE_REGISTERS): the first of its [`Assignment`]s, and from [`ASSIGNMENTS_SHIFT`] on how many; 0 if it has none.
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
    /// [`OPERAND_CONSTANT`](super::OPERAND_CONSTANT), [`OPERAND_REGISTER`](super::OPERAND_REGISTER) or [`OPERAND_MEMORY`](super::OPERAND_MEMORY), of which eight bytes are read.
    pub kind: u32,
    /// The register that is set: 1 and its position in [`REGISTERS`](super::REGISTERS).
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
