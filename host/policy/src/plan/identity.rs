//! What selectors ask of namespaces and credentials.

use std::ops::RangeInclusive;

/// A filter on who the current process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFilter {
    /// The condition must not hold.
    pub negated: bool,
    /// What holds if the filter is not negated.
    pub condition: IdentityCondition,
}

/// What is asked of the current process's namespaces and credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityCondition {
    /// The namespace of this kind is one of these.
    Namespace(Namespace, Vec<NamespaceValue>),
    /// A namespace of any of these kinds (a bit each, `1 << Namespace as u32`) is not the one that the process had when it
    /// was forked or executed its program, or when a selector with such a filter last matched.
    NamespaceChanged(u32),
    /// Any of these capabilities (a bit each, by number) is in the set.
    Capability(CapabilitySet, u64),
    /// Any of these capabilities has come or gone since then.
    CapabilityChanged(CapabilitySet, u64),
    /// The user id is in one of the ranges, which are ascending and disjoint.
    User(UserId, Vec<RangeInclusive<u64>>),
}

/// A kind of namespace, in Tetragon's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// Host name.
    Uts,
    /// System V IPC and POSIX message queues.
    Ipc,
    /// Mounts.
    Mnt,
    /// Process ids.
    Pid,
    /// That of processes to be forked.
    PidForChildren,
    /// Network.
    Net,
    /// Clocks.
    Time,
    /// That of processes to be forked.
    TimeForChildren,
    /// Cgroups.
    Cgroup,
    /// Users.
    User,
}

impl Namespace {
    /// All kinds, each at its number.
    pub const ALL: [Namespace; 10] = {
        use Namespace::{Cgroup, Ipc, Mnt, Net, Pid, PidForChildren, Time, TimeForChildren, User, Uts};
        [Uts, Ipc, Mnt, Pid, PidForChildren, Net, Time, TimeForChildren, Cgroup, User]
    };
}

/// A namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NamespaceValue {
    /// `host_ns`: the one that the host's first process is in.
    Host,
    /// The one with this inode number, as `/proc/PID/ns` shows it.
    Inode(u32),
}

/// A set of capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CapabilitySet {
    /// Those that it may use.
    Permitted,
    /// Those in use.
    Effective,
    /// Those that it gives on at exec.
    Inheritable,
}

/// A user id of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserId {
    /// The real one: `uid`.
    Real,
    /// The effective one: `euid`.
    Effective,
}
