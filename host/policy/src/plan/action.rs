//! What selectors do.

use super::Register;
use crate::ProgramPlace;

/// What a selector does. An event is sent whatever the actions are, unless one is `NoPost`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionPlan {
    /// `Post`: send the event.
    Post,
    /// `NoPost`: send no event. Never together with `GetUrl` or `DnsLookup`, which are fired by the event.
    NoPost,
    /// `Signal`: send the process this signal. At most one in a selector.
    Signal(u32),
    /// `Sigkill`: kill the process.
    Sigkill,
    /// `Override`: return this value (a negative errno) instead of running the function.
    Override(i32),
    /// `Override` at a place in a program: change what it goes on with.
    OverrideInProgram(ProgramOverride),
    /// `FollowFD`: remember the name of a descriptor. Both are positions in [`crate::HookPlan::arguments`].
    FollowDescriptor {
        /// The descriptor: an integer or [`crate::ArgumentKind::Descriptor`].
        descriptor: usize,
        /// The name: a text.
        name: usize,
    },
    /// `TrackSock`, `UntrackSock`.
    Socket {
        /// What to do.
        action: SocketAction,
        /// Position of the socket in [`crate::HookPlan::arguments`].
        socket: usize,
    },
    /// `UnfollowFD`: forget it.
    UnfollowDescriptor {
        /// The descriptor.
        descriptor: usize,
    },
    /// `CopyFD`: give a descriptor the name that another has.
    CopyDescriptor {
        /// The descriptor that has it.
        from: usize,
        /// The other.
        to: usize,
    },
    /// `NotifyEnforcer`: have the system call that is under way refused, if it is one of [`crate::PolicyPlan::enforced`].
    NotifyEnforcer {
        /// The value that it returns then (a negative errno); 0 if it goes on.
        error: i32,
        /// What is sent to the process; 0 for nothing. One of the two is not 0.
        signal: u32,
    },
    /// `CleanupEnforcerNotification`: take that back.
    CleanUpNotification,
    /// `Set`: give an argument of a USDT probe, four bytes in memory, another value.
    Set {
        /// The argument's position among those of the probe.
        argument: u8,
        /// The value.
        value: u32,
    },
    /// `GetUrl`
    GetUrl(String),
    /// `DnsLookup`
    DnsLookup(String),
}

impl ActionPlan {
    /// Whether it does something to the process or its call, which a policy that only monitors leaves out.
    #[must_use]
    pub fn enforces(&self) -> bool {
        use ActionPlan::{NotifyEnforcer, Override, OverrideInProgram, Set, Sigkill, Signal};
        let overrides = matches!(self, Override(_) | OverrideInProgram(_));
        overrides || matches!(self, Sigkill | Signal(_) | NotifyEnforcer { .. } | Set { .. })
    }
}

/// What a program goes on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgramOverride {
    /// `argRegs`, or what comes to `argError`: registers are set, one after the other. Never empty.
    Registers(Vec<Assignment>),
    /// `argNewSymbol`, `argNewAddr`, `argNewOffset`: other code of the same file runs, with the registers as they are.
    Place(ProgramPlace),
}

/// A register, or a part of one, that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    /// What is set; the rest of its register stays.
    pub register: Register,
    /// To what.
    pub value: AssignedValue,
}

/// What a register is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssignedValue {
    /// A number: `11`.
    Constant(u64),
    /// What a register holds, and a number: `8%rsp`.
    Register(Register, u64),
    /// Eight bytes of the program's memory, at that address: `8(%rsp)`.
    Memory(Register, u64),
}

/// What is done with a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketAction {
    /// Remember its owner, so that events about it show that process.
    Track,
    /// Forget its owner.
    Untrack,
}
