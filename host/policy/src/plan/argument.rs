//! What hooks read.

use serin_btf::{Btf, Element, ModuleError};

use super::Part;

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
    /// `btfTypeModule`: the kernel's module whose structure that is.
    pub module: Option<String>,
}

impl Resolve {
    /// The types to follow the path by, if they are not just the kernel's.
    ///
    /// # Errors
    /// If the module is not loaded, or has no types.
    pub fn module_types(&self, kernel: &Btf) -> Result<Option<Btf>, ModuleError> {
        self.module.as_ref().map(|module| kernel.with_module(module)).transpose()
    }
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
    /// The address of an array of `struct iovec`, of which a parameter tells how many there are: the bytes of all of them.
    Segments {
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
    /// An array in a tracepoint's record, or elsewhere in it, whatever of: its bytes. `const_buf`.
    RecordBytes,
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
        use ArgumentKind::{Bytes, Iterator, RecordBytes, Segments};
        matches!(self, Bytes { .. } | Segments { .. } | Iterator | RecordBytes)
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
