//! A process as users see it.

/// One program image of a process: from exec (or fork, or first sight) to the next exec or exit.
///
/// Shared by `Arc` between all events of the process; nothing in it changes.
/// <https://tetragon.io/docs/reference/grpc-api/#process>
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Process {
    /// base64 of `node:ktime:pid`: unique in a cluster.
    pub exec_id: String,
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// Effective user id.
    pub uid: u32,
    /// Working directory at exec.
    pub cwd: String,
    /// Path of the program.
    pub binary: String,
    /// `argv[1..]`.
    pub arguments: Vec<String>,
    /// How this image came about.
    pub flags: Flags,
    /// Nanoseconds since the Unix epoch.
    pub start_time: u64,
    /// Login uid; 4294967295 if unset.
    pub auid: u32,
    /// `exec_id` of the parent; empty if unknown.
    pub parent_exec_id: String,
    /// Id of the cgroup in the unified hierarchy; 0 if unknown.
    pub cgroup_id: u64,
    /// Path of the cgroup below the cgroup mount, e.g. `/system.slice/ssh.service`; empty if unknown.
    pub cgroup: String,
}

/// How a [`Process`] came about: Tetragon's `flags` vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// Seen by its exec.
    pub execve: bool,
    /// Found in /proc when the agent started.
    pub proc_fs: bool,
    /// Seen by its fork.
    pub clone: bool,
    /// The arguments did not fit.
    pub truncated_arguments: bool,
    /// The working directory is the root directory.
    pub root_cwd: bool,
    /// The working directory could not be resolved.
    pub error_cwd: bool,
    /// The path of the binary could not be resolved.
    pub error_filename: bool,
    /// Started before the agent knew of it, or its exec was lost.
    pub miss: bool,
}
