//! Who a process is: its namespaces, capabilities and user ids.

/// Kinds of namespaces, in Tetragon's order:
/// Uts, Ipc, Mnt, Pid, PidForChildren, Net, Time, TimeForChildren, Cgroup, User.
pub const NAMESPACES: usize = 10;

/// The pid namespace of a process itself, which lies with its ids.
pub const NAMESPACE_PID: u32 = 3;

/// The user namespace, which lies with the credentials.
pub const NAMESPACE_USER: u32 = 9;

/// Sets of capabilities: permitted, effective, inheritable.
pub const CAPABILITY_SETS: usize = 3;

/// The real user id, among [`crate::config::TEST_USER`]'s.
pub const USER_REAL: u32 = 0;

/// The effective user id.
pub const USER_EFFECTIVE: u32 = 1;

/// What a process was when it was forked or executed its program, or when a selector that asks for changes last matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Origin {
    /// Inode number of each kind of namespace; 0 for those that the kernel does not have.
    pub namespaces: [u32; NAMESPACES],
    /// Each set of capabilities, as bits.
    pub capabilities: [u64; CAPABILITY_SETS],
}
