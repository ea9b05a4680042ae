//! Hook plans: what is left of a policy once it has been read and checked.
//!
//! Nothing behind a plan knows YAML. The loader turns each [`HookPlan`] into
//! read-only data and map contents of one instance of a kernel program.

use std::ops::RangeInclusive;

use serin_btf::Element;

use crate::{Scope, TraceEvent, Uprobe, Usdt};

/// A policy, lowered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyPlan {
    /// `metadata.name`.
    pub name: String,
    /// `policy-mode: monitor`: it starts without its enforcing actions, which a change of its mode brings.
    pub monitor: bool,
    /// The hooks, in the order of the file within each section.
    pub hooks: Vec<HookPlan>,
    /// The system calls that `NotifyEnforcer` has refused, each once.
    pub enforced: Vec<EnforcedCall>,
}

/// A system call of the policy's enforcers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnforcedCall {
    /// The call: [`Target::Syscall`] or [`Target::CompatSyscall`].
    pub target: Target,
    /// It comes of a list that was generated: it is left out where the kernel lacks it.
    pub ignore_not_found: bool,
    /// Line and column (from 1) of the item of `calls` in the policy file, for errors at load time.
    pub position: (u32, u32),
}

/// One hook of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookPlan {
    /// Where to hook.
    pub target: Target,
    /// What to read, in the policy's order: `args`, then `data`.
    pub arguments: Vec<ArgumentPlan>,
    /// `returnArg`, if the hook waits for the return (`return: true`): an integer or a socket.
    pub returns: Option<ArgumentPlan>,
    /// `returnArgAction`: what is done with the socket that is returned.
    pub return_action: Option<SocketAction>,
    /// Tried in order; the first that matches acts. Never empty: a policy
    /// without selectors gets one that matches all and posts.
    pub selectors: Vec<SelectorPlan>,
    /// Text for the event; empty if none.
    pub message: String,
    /// Tags for the event.
    pub tags: Vec<String>,
    /// `ignore.callNotFound`: leave the hook out if the kernel has no such function.
    pub ignore_not_found: bool,
    /// Line and column (from 1) of the hook's `call` or symbol in the policy file, for errors at load time.
    pub position: (u32, u32),
}

impl HookPlan {
    /// How many of the arguments are entries of `data`: the last ones.
    #[must_use]
    pub fn data(&self) -> usize {
        self.arguments.iter().filter(|argument| argument.source != ArgumentSource::Parameter).count()
    }
}

/// Where a hook is attached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A kernel function, by its name in kallsyms: `fd_install`.
    Function(String),
    /// A system call, by its plain name: `symlinkat` (its function is `__x64_sys_symlinkat`).
    Syscall {
        /// Name without prefix.
        name: String,
        /// Number in the 64-bit table.
        number: u32,
    },
    /// A system call of 32-bit programs, by its plain name: `dup` (its function is `__ia32_sys_dup` or alike).
    CompatSyscall {
        /// Name without prefix.
        name: String,
        /// Number in the 32-bit table.
        number: u32,
    },
    /// An LSM hook, by its name in the kernel's `lsm_hook_defs.h`: `file_open`.
    Lsm(String),
    /// A tracepoint, whose arguments are the fields of its record.
    Tracepoint(TraceEvent),
    /// A tracepoint, whose arguments are those that the kernel calls it with.
    RawTracepoint(TraceEvent),
    /// A place in a program or library.
    Uprobe(Uprobe),
    /// A probe that a program or library has been given, wherever it is in it.
    Usdt(Usdt),
    /// `spec.loader`: wherever a process maps a file to execute it. Without arguments, and all of it is posted.
    Loader,
}

/// What is done with a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketAction {
    /// Remember its owner, so that events about it show that process.
    Track,
    /// Forget its owner.
    Untrack,
}

impl HookPlan {
    /// Whether any of its selectors does something to the process or its call.
    #[must_use]
    pub fn enforces(&self) -> bool {
        self.selectors.iter().any(SelectorPlan::enforces)
    }
}

/// One argument to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentPlan {
    /// Position in the function's parameters, or in the fields of a tracepoint's record, from 0.
    pub index: u8,
    /// How to read it.
    pub kind: ArgumentKind,
    /// `label`; empty if none.
    pub label: String,
    /// Where it comes from.
    pub source: ArgumentSource,
    /// Where the argument lies, if it is not what is found there itself but something that this leads to.
    pub resolve: Option<Resolve>,
}

/// What an argument is, or lies behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentSource {
    /// A parameter, or a field of a record: an entry of `args`.
    Parameter,
    /// `current_task`, in `data`: the current `struct task_struct`.
    CurrentTask,
    /// `pt_regs`, in `data`: a register of the processor.
    Register(Register),
}

/// A register of x86-64, or the lower part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// Its field of `struct pt_regs`: `ax`.
    pub field: &'static str,
    /// Bytes of the part: 1, 2, 4 or 8.
    pub size: u8,
}

/// `resolve`: the way from what a parameter holds to an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolve {
    /// Fields and elements, with pointers between them: at least one and at most [`crate::MAX_RESOLVE`].
    pub path: Vec<Element>,
    /// `btfType`: the structure that the parameter points to, if its own type is not to tell.
    pub structure: Option<String>,
}

/// How an argument is read and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArgumentKind {
    /// A signed 8-bit integer: `int8`, `sint8`.
    Int8,
    /// A signed 16-bit integer: `int16`, `sint16`.
    Int16,
    /// An unsigned 8-bit integer: `uint8`.
    Uint8,
    /// An unsigned 16-bit integer: `uint16`.
    Uint16,
    /// A signed 32-bit integer: `int`, `int32`, `sint32`.
    Int,
    /// An unsigned 32-bit integer: `uint32`.
    Uint,
    /// A signed 64-bit integer: `int64`, `sint64`, `long`.
    Long,
    /// An unsigned 64-bit integer: `uint64`, `ulong`, `size_t`.
    Size,
    /// A NUL-terminated string: in user memory for syscalls, in kernel or user memory for functions.
    String,
    /// A `struct file *`.
    File,
    /// The number of an open file of the current process: `fd`.
    Descriptor,
    /// A `struct path *`.
    Path,
    /// A `struct dentry *`; its path is that within its file system, wherever that is mounted.
    Dentry,
    /// A `struct linux_binprm *`: the program about to be executed.
    Binprm,
    /// A `struct filename *`: a path as the program wrote it, in the kernel's own copy.
    Filename,
    /// A `struct sock *`.
    Sock,
    /// A `struct socket *`.
    Socket,
    /// A `struct sk_buff *`.
    Skb,
    /// A `struct sockaddr *`, in kernel or user memory.
    Sockaddr,
    /// A `struct sockaddr_un *`: a path, or an abstract name after an `@`.
    SockaddrUn,
    /// A `struct cred *`.
    Cred,
    /// A `struct user_namespace *`.
    UserNamespace,
    /// The number of a capability.
    Capability,
    /// A `kernel_cap_t *`: a set of capabilities, a bit each.
    KernelCap,
    /// The same, of inheritable ones.
    CapInheritable,
    /// The same, of permitted ones.
    CapPermitted,
    /// The same, of effective ones.
    CapEffective,
    /// A `struct module *`.
    Module,
    /// A `struct load_info *`: a module that is being loaded.
    LoadInfo,
    /// A `union bpf_attr *` of BPF_PROG_LOAD.
    BpfAttr,
    /// A `struct bpf_prog *`.
    BpfProg,
    /// A `struct bpf_map *`.
    BpfMap,
    /// A `struct perf_event *`.
    PerfEvent,
    /// A command of bpf(2).
    BpfCmd,
    /// A `struct net_device *`, compared by its name.
    NetDevice,
    /// The address of bytes, of which a parameter tells how many there are.
    Bytes {
        /// Position of that parameter, from 0.
        size: u8,
    },
    /// The address of bytes that the call fills: as many as it returns, read when it has (`returnCopy`). At most one of a hook.
    ReturnedBytes,
    /// A `struct iov_iter *`: the bytes of its first segment.
    Iterator,
    /// A `struct kiocb *`: the file that is read or written.
    Kiocb,
    /// A string that stands elsewhere in a tracepoint's record: `data_loc`.
    DataLocation,
    /// The number of a system call, with [`crate::COMPAT_BIT`] if a 32-bit program makes it: `syscall64`.
    Syscall,
}

impl ArgumentKind {
    /// Whether it is compared as text: a string or a path.
    #[must_use]
    pub fn is_text(self) -> bool {
        use ArgumentKind::{
            Binprm, DataLocation, Dentry, Descriptor, File, Filename, Kiocb, NetDevice, Path, SockaddrUn,
            String,
        };
        let is_string =
            matches!(self, String | DataLocation | Filename | SockaddrUn | NetDevice) || self.is_bytes();
        is_string || matches!(self, File | Descriptor | Path | Dentry | Binprm | Kiocb)
    }

    /// Whether it is bytes, among which there can be NULs.
    #[must_use]
    pub fn is_bytes(self) -> bool {
        matches!(self, ArgumentKind::Bytes { .. } | ArgumentKind::Iterator)
    }

    /// Whether it is compared as an integer.
    #[must_use]
    pub fn is_integer(self) -> bool {
        use ArgumentKind::{BpfCmd, Capability, Int, Int8, Int16, Long, Size, Syscall, Uint, Uint8, Uint16};
        let is_number = matches!(self, Int8 | Int16 | Int | Long | Uint8 | Uint16 | Uint | Size);
        is_number || matches!(self, Capability | BpfCmd | Syscall) || self.is_capability_set()
    }

    /// Whether it is a set of capabilities.
    #[must_use]
    pub fn is_capability_set(self) -> bool {
        use ArgumentKind::{CapEffective, CapInheritable, CapPermitted, KernelCap};
        matches!(self, KernelCap | CapInheritable | CapPermitted | CapEffective)
    }

    /// What filters can compare of it besides its value.
    #[must_use]
    pub fn parts(self) -> &'static [Part] {
        use Part::{DAddr, DPort, Family, Protocol, SAddr, SPort, State};
        match self {
            ArgumentKind::Sock | ArgumentKind::Socket => {
                &[SAddr, DAddr, SPort, DPort, Protocol, Family, State]
            }
            ArgumentKind::Skb => &[SAddr, DAddr, SPort, DPort, Protocol, Family],
            ArgumentKind::Sockaddr => &[SAddr, SPort, Family],
            ArgumentKind::SockaddrUn => &[Family],
            ArgumentKind::File
            | ArgumentKind::Descriptor
            | ArgumentKind::Path
            | ArgumentKind::Dentry
            | ArgumentKind::Binprm
            | ArgumentKind::Kiocb => &[Part::FileType],
            _ => &[],
        }
    }
}

/// One selector: its filters are AND-ed, then its actions are taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SelectorPlan {
    /// `matchWorkloads`, and the policy's `podSelector`, `containerSelector`, `hostSelector` and namespace; all must hold.
    pub scopes: Vec<Scope>,
    /// `matchPIDs`; all must hold.
    pub pids: Vec<PidFilter>,
    /// `matchBinaries`; all must hold.
    pub binaries: Vec<BinaryFilter>,
    /// `matchParentBinaries`; all must hold.
    pub parent_binaries: Vec<BinaryFilter>,
    /// `matchNamespaces`, `matchCapabilities`, `matchCurrentCred` and the like; all must hold.
    pub identity: Vec<IdentityFilter>,
    /// `matchArgs`; all must hold.
    pub arguments: Vec<ArgumentFilter>,
    /// `matchReturnArgs`: what is returned, argument 0 of these, must pass all for the call to be reported.
    pub returned: Vec<ArgumentFilter>,
    /// What to do, in the policy's order. Never empty.
    pub actions: Vec<ActionPlan>,
    /// How often equal events are posted.
    pub rate_limit: Option<RateLimit>,
    /// The stacks that events carry.
    pub stacks: Stacks,
}

impl SelectorPlan {
    /// Whether any of its actions does something to the process or its call.
    #[must_use]
    pub fn enforces(&self) -> bool {
        self.actions.iter().any(ActionPlan::enforces)
    }
}

/// `kernelStackTrace` and `userStackTrace`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stacks {
    /// How the kernel came to the hooked function.
    pub kernel: bool,
    /// How the program came to its call into the kernel.
    pub user: bool,
}

/// `rateLimit`: of events with equal arguments, one in a period is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The period, in nanoseconds.
    pub period: u64,
    /// Whose events are held against each other.
    pub scope: RateScope,
}

/// `rateLimitScope`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateScope {
    /// Those of a thread: the default.
    Thread,
    /// Those of a process.
    Process,
    /// Those of all processes.
    Global,
}

/// Whether a value must be in a set, or must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Membership {
    /// `In`
    In,
    /// `NotIn`
    NotIn,
}

/// `matchPIDs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PidFilter {
    /// The operator.
    pub membership: Membership,
    /// The process ids.
    pub values: Vec<u32>,
    /// `followForks`: an ancestor's id counts as well.
    pub follow_forks: bool,
    /// `isNamespacePID`: ids as the process's own pid namespace numbers them.
    pub in_namespace: bool,
}

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

/// `matchBinaries` and `matchParentBinaries`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinaryFilter {
    /// The operator was `NotIn`, `NotPrefix` or `NotPostfix`.
    pub negated: bool,
    /// What holds if the filter is not negated.
    pub condition: BinaryCondition,
}

/// What is asked of a process's binary.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BinaryCondition {
    /// How the path is compared with the values.
    pub comparison: BinaryComparison,
    /// Paths or parts of paths, at most [`crate::MAX_VALUE`] bytes each; any of them suffices.
    pub values: Vec<String>,
    /// `followChildren`: an earlier binary of the process or of an ancestor suffices.
    pub follow_children: bool,
}

/// How a binary's path is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryComparison {
    /// `In`
    Equal,
    /// `Prefix`
    Prefix,
    /// `Postfix`
    Postfix,
}

/// What of an argument a filter compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Its value: an integer, or a text.
    Value,
    /// The address that it comes from; a socket's own. Neither it nor its negation matches what is not IP.
    SAddr,
    /// The address that it goes to, likewise.
    DAddr,
    /// The port that it comes from, likewise.
    SPort,
    /// The port that it goes to, likewise.
    DPort,
    /// `IPPROTO_*`
    Protocol,
    /// `AF_*`
    Family,
    /// `TCP_*`
    State,
    /// The kind of a file: the bits of `S_IFMT` in its mode.
    FileType,
}

/// One `matchArgs` entry: the argument must match any of the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentFilter {
    /// Position in [`HookPlan::arguments`] (not the function's parameter number).
    pub slot: usize,
    /// What of the argument is compared.
    pub part: Part,
    /// The argument must not match, for the operators `Not…`.
    pub negated: bool,
    /// The operator and its values.
    pub test: Test,
}

/// An operator with its values. Values are never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// `Equal` on an integer; compared at the argument's width (sign-extended for signed kinds).
    /// Unsigned 64-bit values above `i64::MAX` are given by their bits.
    IntEqual(Vec<i64>),
    /// Ranges of integers, ends included, of their bits as [`Test::IntEqual`] has them: ascending and disjoint.
    IntRanges(Vec<RangeInclusive<u64>>),
    /// `Mask`: any of these bits is set.
    IntMask(u64),
    /// `CapabilitiesGained`: the argument in this slot has a bit that this one lacks.
    Gained(usize),
    /// Ranges of IP addresses, ends included; those of IPv4 lie within `::ffff:0:0/96`. Ascending and disjoint.
    Addresses(Vec<RangeInclusive<u128>>),
    /// `Equal` on a string or path; bytes without the terminating NUL.
    Equal(Vec<Vec<u8>>),
    /// `Prefix` on a string or path.
    Prefix(Vec<Vec<u8>>),
    /// `Postfix` on a string or path.
    Postfix(Vec<Vec<u8>>),
    /// `SubString` on a string or path; at most [`crate::MAX_SUBSTRING`] bytes each.
    SubString(Vec<Vec<u8>>),
}

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
    /// `FollowFD`: remember the name of a descriptor. Both are positions in [`HookPlan::arguments`].
    FollowDescriptor {
        /// The descriptor: an integer or [`ArgumentKind::Descriptor`].
        descriptor: usize,
        /// The name: a text.
        name: usize,
    },
    /// `TrackSock`, `UntrackSock`.
    Socket {
        /// What to do.
        action: SocketAction,
        /// Position of the socket in [`HookPlan::arguments`].
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
    /// `NotifyEnforcer`: have the system call that is under way refused, if it is one of [`PolicyPlan::enforced`].
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
        use ActionPlan::{NotifyEnforcer, Override, Set, Sigkill, Signal};
        matches!(self, Override(_) | Sigkill | Signal(_) | NotifyEnforcer { .. } | Set { .. })
    }
}
