//! Entries of the sections that say where to hook, and what they read.

use crate::fields::{Shape, Vocabulary};
use crate::{ArgumentKind, SocketAction};

pub(crate) const KPROBE: Shape = Shape {
    path: "spec.kprobes",
    in_list: true,
    supported: &[
        "call",
        "syscall",
        "message",
        "tags",
        "args",
        "data",
        "return",
        "returnArg",
        "returnArgAction",
        "selectors",
        "ignore",
    ],
    later: &[],
};

pub(crate) const LSMHOOK: Shape = Shape {
    path: "spec.lsmhooks",
    in_list: true,
    supported: &["hook", "message", "tags", "args", "selectors"],
    later: &[],
};

pub(crate) const TRACEPOINT: Shape = Shape {
    path: "spec.kprobes",
    in_list: true,
    supported: &["subsystem", "event", "raw", "message", "tags", "args", "selectors"],
    later: &[],
};

pub(crate) const UPROBE: Shape = Shape {
    path: "spec.kprobes",
    in_list: true,
    supported: &[
        "path",
        "symbols",
        "offsets",
        "addrs",
        "btfPath",
        "BTFPath",
        "refCtrOffsets",
        "message",
        "tags",
        "args",
        "data",
        "return",
        "returnArg",
        "selectors",
        "binaryDigests",
        "ignore",
    ],
    later: &[],
};

pub(crate) const UPROBE_IGNORE: Shape = Shape {
    path: "spec.kprobes.ignore",
    in_list: false,
    supported: &["digestVerificationFailure"],
    later: &[],
};

pub(crate) const USDT: Shape = Shape {
    path: "spec.kprobes",
    in_list: true,
    supported: &["path", "provider", "name", "btfPath", "BTFPath", "message", "tags", "args", "selectors"],
    later: &[],
};

/// A list of hooks in `spec`.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its field in `spec`.
    pub(crate) name: &'static str,
    /// The field of an entry that says where to hook.
    pub(crate) target: &'static str,
    /// An entry.
    pub(crate) shape: &'static Shape,
}

/// In the order in which their hooks are attached. Entries of `fentries` are those of `kprobes`: how a function is
/// hooked depends on the kernel.
pub(crate) const SECTIONS: &[Section] = &[
    Section { name: "kprobes", target: "call", shape: &KPROBE },
    Section { name: "fentries", target: "call", shape: &KPROBE },
    Section { name: "tracepoints", target: "event", shape: &TRACEPOINT },
    Section { name: "lsmhooks", target: "hook", shape: &LSMHOOK },
    Section { name: "uprobes", target: "path", shape: &UPROBE },
    Section { name: "usdts", target: "name", shape: &USDT },
];

pub(crate) const IGNORE: Shape =
    Shape { path: "spec.kprobes.ignore", in_list: false, supported: &["callNotFound"], later: &[] };

pub(crate) const ARGUMENT: Shape = Shape {
    path: "spec.kprobes.args",
    in_list: true,
    supported: &[
        "index",
        "type",
        "label",
        "sizeArgIndex",
        "returnCopy",
        "resolve",
        "maxData",
        "btfType",
        "BTFType",
        "btfTypeModule",
        "source",
    ],
    later: &[],
};

/// An entry of `data`.
pub(crate) const DATA: Shape = Shape {
    path: "spec.kprobes.data",
    in_list: true,
    supported: &["index", "type", "label", "source", "resolve"],
    later: &["sizeArgIndex", "returnCopy", "maxData", "btfType", "btfTypeModule"],
};

/// Where data comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataSource {
    CurrentTask,
    Registers,
}

pub(crate) const SOURCES: Vocabulary<DataSource> = Vocabulary {
    what: "a source of data",
    supported: &[("current_task", DataSource::CurrentTask), ("pt_regs", DataSource::Registers)],
    later: &[],
};

pub(crate) const RETURN_ACTIONS: Vocabulary<SocketAction> = Vocabulary {
    what: "an action on what is returned",
    supported: &[("TrackSock", SocketAction::Track), ("UntrackSock", SocketAction::Untrack)],
    later: &[],
};

pub(crate) const RETURN_ARGUMENT: Shape = Shape {
    path: "spec.kprobes.returnArg",
    in_list: false,
    supported: &["index", "type", "label", "sizeArgIndex", "returnCopy"],
    later: &["resolve", "maxData", "source", "btfType", "btfTypeModule"],
};

/// What the word for a type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeName {
    /// The type.
    Of(ArgumentKind),
    /// The argument is not read.
    Nothing,
    /// A field of a tracepoint's record is read as its format says.
    Field,
}

/// Argument types; `nop` is not read.
pub(crate) const TYPES: Vocabulary<TypeName> = Vocabulary {
    what: "an argument type",
    supported: &[
        ("int8", TypeName::Of(ArgumentKind::Int8)),
        ("sint8", TypeName::Of(ArgumentKind::Int8)),
        ("uint8", TypeName::Of(ArgumentKind::Uint8)),
        ("int16", TypeName::Of(ArgumentKind::Int16)),
        ("sint16", TypeName::Of(ArgumentKind::Int16)),
        ("uint16", TypeName::Of(ArgumentKind::Uint16)),
        ("int", TypeName::Of(ArgumentKind::Int)),
        ("int32", TypeName::Of(ArgumentKind::Int)),
        ("sint32", TypeName::Of(ArgumentKind::Int)),
        ("uint32", TypeName::Of(ArgumentKind::Uint)),
        ("long", TypeName::Of(ArgumentKind::Long)),
        ("int64", TypeName::Of(ArgumentKind::Long)),
        ("sint64", TypeName::Of(ArgumentKind::Long)),
        ("ulong", TypeName::Of(ArgumentKind::Size)),
        ("uint64", TypeName::Of(ArgumentKind::Size)),
        ("size_t", TypeName::Of(ArgumentKind::Size)),
        ("string", TypeName::Of(ArgumentKind::String)),
        ("file", TypeName::Of(ArgumentKind::File)),
        ("fd", TypeName::Of(ArgumentKind::Descriptor)),
        ("path", TypeName::Of(ArgumentKind::Path)),
        ("dentry", TypeName::Of(ArgumentKind::Dentry)),
        ("linux_binprm", TypeName::Of(ArgumentKind::Binprm)),
        ("filename", TypeName::Of(ArgumentKind::Filename)),
        ("sock", TypeName::Of(ArgumentKind::Sock)),
        ("socket", TypeName::Of(ArgumentKind::Socket)),
        ("skb", TypeName::Of(ArgumentKind::Skb)),
        ("sockaddr", TypeName::Of(ArgumentKind::Sockaddr)),
        ("sockaddr_un", TypeName::Of(ArgumentKind::SockaddrUn)),
        ("cred", TypeName::Of(ArgumentKind::Cred)),
        ("user_namespace", TypeName::Of(ArgumentKind::UserNamespace)),
        ("capability", TypeName::Of(ArgumentKind::Capability)),
        ("kernel_cap_t", TypeName::Of(ArgumentKind::KernelCap)),
        ("cap_inheritable", TypeName::Of(ArgumentKind::CapInheritable)),
        ("cap_permitted", TypeName::Of(ArgumentKind::CapPermitted)),
        ("cap_effective", TypeName::Of(ArgumentKind::CapEffective)),
        ("module", TypeName::Of(ArgumentKind::Module)),
        ("load_info", TypeName::Of(ArgumentKind::LoadInfo)),
        ("bpf_attr", TypeName::Of(ArgumentKind::BpfAttr)),
        ("bpf_prog", TypeName::Of(ArgumentKind::BpfProg)),
        ("bpf_map", TypeName::Of(ArgumentKind::BpfMap)),
        ("bpf_cmd", TypeName::Of(ArgumentKind::BpfCmd)),
        ("perf_event", TypeName::Of(ArgumentKind::PerfEvent)),
        ("net_device", TypeName::Of(ArgumentKind::NetDevice)),
        // Which parameter has the size is read from `sizeArgIndex`.
        ("char_buf", TypeName::Of(ArgumentKind::Bytes { size: 0 })),
        ("char_iovec", TypeName::Of(ArgumentKind::Segments { size: 0 })),
        ("iov_iter", TypeName::Of(ArgumentKind::Iterator)),
        ("kiocb", TypeName::Of(ArgumentKind::Kiocb)),
        ("data_loc", TypeName::Of(ArgumentKind::DataLocation)),
        ("const_buf", TypeName::Of(ArgumentKind::RecordBytes)),
        ("syscall64", TypeName::Of(ArgumentKind::Syscall)),
        ("nop", TypeName::Nothing),
        ("auto", TypeName::Field),
    ],
    later: &[],
};
