//! Records in the ring buffer.
//!
//! A record is a [`Header`], then what its kind says, then bytes. Numbers have
//! the machine's byte order: both sides are on one machine.

use crate::network::Sock;
use crate::{MAX_ARGUMENTS, MAX_STRING};

/// A process executed: [`Header`], [`Exec`], then binary, working directory and arguments.
pub const EXEC: u8 = 1;
/// A process was forked: [`Header`], [`Fork`].
pub const FORK: u8 = 2;
/// A process exited: [`Header`], [`Exit`].
pub const EXIT: u8 = 3;
/// A hook matched: [`Header`], [`Hit`], then the arguments, the stacks, and what was returned.
pub const HOOK: u8 = 4;

/// Starts every record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Header {
    /// Bytes of the whole record.
    pub length: u32,
    /// [`EXEC`], [`FORK`], [`EXIT`] or [`HOOK`].
    pub kind: u8,
    /// Meaning by kind.
    pub flags: u8,
    /// The CPU that wrote it.
    pub cpu: u16,
    /// Counts this CPU's records from 1, lost ones included.
    pub sequence: u64,
    /// `CLOCK_BOOTTIME`, nanoseconds.
    pub time: u64,
    /// The current process.
    pub task: TaskKey,
    /// The current cgroup's id in the unified hierarchy.
    pub cgroup_id: u64,
}

/// A thread and its process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct TaskKey {
    /// Process id (`tgid`).
    pub pid: u32,
    /// Thread id (`pid`).
    pub tid: u32,
    /// `group_leader->start_boottime`, nanoseconds.
    pub start_time: u64,
}

/// Follows the header of an [`EXEC`] record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Exec {
    /// The parent process.
    pub parent: TaskKey,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Login uid.
    pub auid: u32,
    /// Bytes of the binary's path.
    pub binary: u32,
    /// Bytes of the working directory's path.
    pub cwd: u32,
    /// Bytes of the arguments: NUL-terminated strings, `argv[0]` included.
    pub arguments: u32,
}

/// [`Header::flags`] of [`EXEC`]: the binary's path is incomplete.
pub const EXEC_BINARY_INCOMPLETE: u8 = 1;
/// [`Header::flags`] of [`EXEC`]: the working directory's path is incomplete.
pub const EXEC_CWD_INCOMPLETE: u8 = 1 << 1;
/// [`Header::flags`] of [`EXEC`]: there are more arguments.
pub const EXEC_ARGUMENTS_TRUNCATED: u8 = 1 << 2;

/// Follows the header of a [`FORK`] record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Fork {
    /// The new process.
    pub child: TaskKey,
    /// Its parent.
    pub parent: TaskKey,
}

/// Follows the header of an [`EXIT`] record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Exit {
    /// `task_struct.exit_code`.
    pub code: u32,
    /// Keeps the size a multiple of eight.
    pub reserved: u32,
}

/// Follows the header of a [`HOOK`] record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Hit {
    /// The hook's id.
    pub hook: u32,
    /// Index of the selector that matched.
    pub selector: u32,
    /// How many arguments follow.
    pub arguments: u32,
    /// [`RETURNED`] if what was returned follows them and the stacks, as one more argument. From [`COPIED_SHIFT`] on, 1 and the position of
    /// the argument that has the address of bytes in the place of those, which follow last.
    pub returned: u32,
    /// That address.
    pub buffer: u64,
}

/// [`Hit::returned`]: what was returned follows the arguments.
pub const RETURNED: u32 = 1;
/// [`Hit::returned`]: where the position of an argument stands.
pub const COPIED_SHIFT: u32 = 8;

/// [`Header::flags`] of [`HOOK`]: a filter could not read an argument and failed closed.
pub const HOOK_FAILED_CLOSED: u8 = 1;
/// [`Header::flags`] of [`HOOK`]: an enforcing action could not be carried out.
pub const HOOK_UNENFORCED: u8 = 1 << 1;
/// [`Header::flags`] of a record that is kept until the call returns: it is not to be sent then.
pub const HOOK_SILENT: u8 = 1 << 2;

/// [`Header::flags`] of [`HOOK`]: the kernel's stack follows the arguments, as one more whose bytes are addresses.
pub const HOOK_KERNEL_STACK: u8 = 1 << 3;
/// [`Header::flags`] of [`HOOK`]: the program's stack follows, likewise.
pub const HOOK_USER_STACK: u8 = 1 << 4;
/// [`Header::flags`] of [`HOOK`]: the file's hash follows behind the stacks, as one more argument of [`MAX_HASH`] bytes, with
/// the number of its algorithm (the kernel's `enum hash_algo`) in [`Argument::mode`].
pub const HOOK_HASH: u8 = 1 << 5;

/// Bytes of the longest hash.
pub const MAX_HASH: usize = 64;

/// Starts every argument; its bytes follow, padded to eight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Argument {
    /// Bytes that follow, without padding.
    pub length: u32,
    /// One of the `KIND_*` numbers.
    pub kind: u8,
    /// [`ARGUMENT_UNREADABLE`], [`ARGUMENT_INCOMPLETE`].
    pub flags: u8,
    /// Files: `i_mode`. Addresses of UNIX sockets: `sa_family`. Arguments that could not be read: which step on the way to
    /// them failed, from 1; 0 if none did.
    pub mode: u16,
}

/// The argument could not be read; no bytes follow.
pub const ARGUMENT_UNREADABLE: u8 = 1;
/// The path lacks its beginning, or the string its end.
pub const ARGUMENT_INCOMPLETE: u8 = 1 << 1;

/// A signed 32-bit integer; eight bytes, sign-extended.
pub const KIND_INT: u32 = 1;
/// An unsigned 32-bit integer; eight bytes.
pub const KIND_UINT: u32 = 2;
/// A signed 64-bit integer; eight bytes.
pub const KIND_LONG: u32 = 3;
/// An unsigned 64-bit integer; eight bytes.
pub const KIND_SIZE: u32 = 4;
/// A string without its NUL.
pub const KIND_STRING: u32 = 5;
/// The path of a `struct file`.
pub const KIND_FILE: u32 = 6;
/// The path of a `struct path`, or that of a `struct dentry` within its file system.
pub const KIND_PATH: u32 = 20;
/// The path of a `struct linux_binprm`'s file.
pub const KIND_BINPRM: u32 = 21;

/// A socket: [`network::Sock`](crate::network::Sock).
pub const KIND_SOCK: u32 = 30;
/// A packet: [`network::Packet`](crate::network::Packet).
pub const KIND_SKB: u32 = 31;
/// An address of a socket: [`network::Tuple`](crate::network::Tuple), of which the source is the address.
pub const KIND_SOCKADDR: u32 = 32;
/// The path of a UNIX socket's address, or its abstract name after an `@`; the family is in [`Argument::mode`].
pub const KIND_SOCKADDR_UN: u32 = 33;

/// Of a `struct cred`: uid, gid, euid, egid, suid, sgid, fsuid, fsgid, securebits, permitted, effective and
/// inheritable capabilities, then its user namespace as below.
pub const KIND_CRED: u32 = 34;
/// Of a `struct user_namespace`: level, owner, group, inode number.
pub const KIND_USER_NAMESPACE: u32 = 35;
/// Number of a capability; eight bytes, sign-extended.
pub const KIND_CAPABILITY: u32 = 36;
/// A set of capabilities, eight bytes.
pub const KIND_KERNEL_CAP: u32 = 37;
/// A set of inheritable capabilities, eight bytes.
pub const KIND_CAP_INHERITABLE: u32 = 38;
/// A set of permitted capabilities, eight bytes.
pub const KIND_CAP_PERMITTED: u32 = 39;
/// A set of effective capabilities, eight bytes.
pub const KIND_CAP_EFFECTIVE: u32 = 40;
/// Of a `struct module`: taints, then its name.
pub const KIND_MODULE: u32 = 41;
/// Of a `struct load_info`: taints, whether the signature is good, then the module's name.
pub const KIND_LOAD_INFO: u32 = 42;
/// Of a `union bpf_attr` of BPF_PROG_LOAD: type, instructions, then name.
pub const KIND_BPF_ATTR: u32 = 43;
/// Of a `struct bpf_prog`: likewise.
pub const KIND_BPF_PROG: u32 = 44;
/// Of a `struct bpf_map`: type, size of keys, size of values, entries, then name.
pub const KIND_BPF_MAP: u32 = 45;
/// Of a `struct perf_event`: type, config, offset, then the probed function.
pub const KIND_PERF_EVENT: u32 = 46;
/// Number of a command of bpf(2); eight bytes, sign-extended.
pub const KIND_BPF_CMD: u32 = 47;
/// The name of a `struct net_device`.
pub const KIND_NET_DEVICE: u32 = 48;
/// Bytes, behind a word that says how many there were; at most [`MAX_BYTES`](crate::MAX_BYTES) of them are here.
pub const KIND_BYTES: u32 = 49;

/// Number of a system call, with bit 31 if it is one of 32-bit programs; eight bytes.
pub const KIND_SYSCALL: u32 = 50;

/// A signed 8-bit integer; eight bytes, sign-extended.
pub const KIND_INT8: u32 = 60;
/// A signed 16-bit integer; eight bytes, sign-extended.
pub const KIND_INT16: u32 = 61;
/// An unsigned 8-bit integer; eight bytes.
pub const KIND_UINT8: u32 = 62;
/// An unsigned 16-bit integer; eight bytes.
pub const KIND_UINT16: u32 = 63;

/// Bytes of the largest record: every argument at its longest, both stacks, and what was returned.
pub const MAX_RECORD: usize = size_of::<Header>()
    + size_of::<Hit>()
    + MAX_ARGUMENTS * (size_of::<Argument>() + MAX_STRING)
    + 2 * (size_of::<Argument>() + MAX_STACK_BYTES)
    + size_of::<Argument>()
    + MAX_HASH
    + size_of::<Argument>()
    + MAX_RETURNED;

/// Bytes of a record that is kept in less memory until its call returns: enough for most.
pub const SHORT_RECORD: usize = 1024;

/// Most bytes of what a function returned.
pub const MAX_RETURNED: usize = size_of::<Sock>();

/// Most addresses of a stack: the kernel's `PERF_MAX_STACK_DEPTH`.
pub const MAX_STACK: usize = 127;

/// Bytes of the longest stack.
pub const MAX_STACK_BYTES: usize = MAX_STACK * size_of::<u64>();
