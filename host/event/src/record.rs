//! What the kernel programs report, decoded but not yet interpreted.

use crate::argument::Argument;

/// A thread and the process it belongs to, as the kernel names them.
///
/// The process is identified by `pid` and `start_time` together: pids are
/// reused, a pair is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Task {
    /// Process id in the initial pid namespace (the kernel's `tgid`).
    pub pid: u32,
    /// Thread id in the initial pid namespace (the kernel's `pid`).
    pub tid: u32,
    /// When the thread-group leader was started: nanoseconds of `CLOCK_BOOTTIME`
    /// (`task_struct.group_leader->start_boottime`). An exec does not change it.
    pub start_time: u64,
}

/// What every record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// The CPU that wrote the record.
    pub cpu: u16,
    /// Counts the records that this CPU wrote or lost; a gap is a loss.
    pub sequence: u64,
    /// Nanoseconds of `CLOCK_BOOTTIME`.
    pub time: u64,
    /// The current task when the record was written.
    pub task: Task,
    /// Id of the task's cgroup in the unified hierarchy; 0 if unknown.
    pub cgroup_id: u64,
}

/// One record of the kernel, in the order the ring buffer gave it.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A process replaced its program.
    Exec(Exec),
    /// A process was created (not a thread).
    Fork(Fork),
    /// The last thread of a process is exiting.
    Exit(Exit),
    /// A hook of a policy matched.
    Hook(HookHit),
    /// A process mapped a file to execute it.
    Mapping(Mapping),
    /// Records that could not be written.
    Loss(Loss),
}

impl Record {
    /// When it was made, in nanoseconds of `CLOCK_BOOTTIME`.
    #[must_use]
    pub fn time(&self) -> u64 {
        match self {
            Record::Exec(exec) => exec.header.time,
            Record::Fork(fork) => fork.header.time,
            Record::Exit(exit) => exit.header.time,
            Record::Hook(hit) => hit.header.time,
            Record::Mapping(mapping) => mapping.time,
            Record::Loss(loss) => loss.time,
        }
    }
}

/// `sched_process_exec`: the new program, as the kernel sees it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Exec {
    /// Header; its task is the process that executed.
    pub header: Header,
    /// The parent process (`real_parent`).
    pub parent: Task,
    /// Path of `mm->exe_file`, seen from the task's root directory.
    pub binary: String,
    /// `argv[1..]`, lossily decoded as UTF-8.
    pub arguments: Vec<String>,
    /// The working directory, seen from the task's root directory.
    pub cwd: String,
    /// Credentials after the exec.
    pub credentials: Credentials,
    /// Login uid (`task_struct.loginuid`); 4294967295 if unset.
    pub auid: u32,
    /// Some arguments did not fit into the record.
    pub arguments_truncated: bool,
    /// The binary's path could not be resolved to the root.
    pub binary_incomplete: bool,
    /// The working directory could not be resolved to the root.
    pub cwd_incomplete: bool,
}

/// The user and group ids of a task (`struct cred`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Credentials {
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Effective group id.
    pub egid: u32,
}

/// `sched_process_fork`, for new processes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Fork {
    /// Header; its task is the one that called fork.
    pub header: Header,
    /// The new process.
    pub child: Task,
    /// The new process's parent (`real_parent`: with `CLONE_PARENT` not the caller).
    pub parent: Task,
}

/// `sched_process_exit` of a process's last thread.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Exit {
    /// Header; its task is the one that exits.
    pub header: Header,
    /// `task_struct.exit_code`: exit status in bits 8..16, signal in bits 0..7.
    pub code: u32,
}

/// A hook whose selector matched.
#[derive(Debug, Clone, PartialEq)]
pub struct HookHit {
    /// Header; its task is the one that called the hooked function.
    pub header: Header,
    /// Which hook: the id the loader gave it.
    pub hook: u32,
    /// Index of the selector that matched.
    pub selector: u32,
    /// The arguments that the policy asks for, in the policy's order.
    pub arguments: Vec<Argument>,
    /// What the function returned, if the policy asks for that.
    pub returned: Option<Argument>,
    /// Addresses in the kernel, from where the hook ran outwards; empty unless the policy asks for them.
    pub kernel_stack: Vec<u64>,
    /// Addresses in the program, likewise.
    pub user_stack: Vec<u64>,
    /// The hash of the file that the hook is about, as `sha256:…`, if the policy asks for it and there is one.
    pub hash: Option<Box<str>>,
    /// An enforcing filter could not read an argument and failed closed.
    pub failed_closed: bool,
    /// An enforcing action could not be carried out.
    pub unenforced: bool,
}

/// A file that a process mapped so that it can be executed: a `PERF_RECORD_MMAP2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The CPU that wrote it.
    pub cpu: u16,
    /// Nanoseconds of `CLOCK_BOOTTIME`.
    pub time: u64,
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// Thread id, likewise.
    pub tid: u32,
    /// The file's path, seen from the root of the mount namespace; ends in ` (deleted)` if it has none any more.
    pub path: String,
    /// `NT_GNU_BUILD_ID` of the ELF file, at most 20 bytes; empty if it has none.
    pub build_id: Vec<u8>,
}

/// Records that the kernel counted but could not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// The CPU that lost them.
    pub cpu: u16,
    /// How many.
    pub count: u64,
    /// When the loss was noticed: nanoseconds of `CLOCK_BOOTTIME`.
    pub time: u64,
}
