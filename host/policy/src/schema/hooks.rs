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
    ],
    later: &["binaryDigests", "ignore"],
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
        "btfType",
        "BTFType",
        "source",
    ],
    later: &["maxData", "btfTypeModule"],
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

/// Argument types; `nop` is not read.
pub(crate) const TYPES: Vocabulary<Option<ArgumentKind>> = Vocabulary {
    what: "an argument type",
    supported: &[
        ("int8", Some(ArgumentKind::Int8)),
        ("sint8", Some(ArgumentKind::Int8)),
        ("uint8", Some(ArgumentKind::Uint8)),
        ("int16", Some(ArgumentKind::Int16)),
        ("sint16", Some(ArgumentKind::Int16)),
        ("uint16", Some(ArgumentKind::Uint16)),
        ("int", Some(ArgumentKind::Int)),
        ("int32", Some(ArgumentKind::Int)),
        ("sint32", Some(ArgumentKind::Int)),
        ("uint32", Some(ArgumentKind::Uint)),
        ("long", Some(ArgumentKind::Long)),
        ("int64", Some(ArgumentKind::Long)),
        ("sint64", Some(ArgumentKind::Long)),
        ("ulong", Some(ArgumentKind::Size)),
        ("uint64", Some(ArgumentKind::Size)),
        ("size_t", Some(ArgumentKind::Size)),
        ("string", Some(ArgumentKind::String)),
        ("file", Some(ArgumentKind::File)),
        ("fd", Some(ArgumentKind::Descriptor)),
        ("path", Some(ArgumentKind::Path)),
        ("dentry", Some(ArgumentKind::Dentry)),
        ("linux_binprm", Some(ArgumentKind::Binprm)),
        ("filename", Some(ArgumentKind::Filename)),
        ("sock", Some(ArgumentKind::Sock)),
        ("socket", Some(ArgumentKind::Socket)),
        ("skb", Some(ArgumentKind::Skb)),
        ("sockaddr", Some(ArgumentKind::Sockaddr)),
        ("sockaddr_un", Some(ArgumentKind::SockaddrUn)),
        ("cred", Some(ArgumentKind::Cred)),
        ("user_namespace", Some(ArgumentKind::UserNamespace)),
        ("capability", Some(ArgumentKind::Capability)),
        ("kernel_cap_t", Some(ArgumentKind::KernelCap)),
        ("cap_inheritable", Some(ArgumentKind::CapInheritable)),
        ("cap_permitted", Some(ArgumentKind::CapPermitted)),
        ("cap_effective", Some(ArgumentKind::CapEffective)),
        ("module", Some(ArgumentKind::Module)),
        ("load_info", Some(ArgumentKind::LoadInfo)),
        ("bpf_attr", Some(ArgumentKind::BpfAttr)),
        ("bpf_prog", Some(ArgumentKind::BpfProg)),
        ("bpf_map", Some(ArgumentKind::BpfMap)),
        ("bpf_cmd", Some(ArgumentKind::BpfCmd)),
        ("perf_event", Some(ArgumentKind::PerfEvent)),
        ("net_device", Some(ArgumentKind::NetDevice)),
        // Which parameter has the size is read from `sizeArgIndex`.
        ("char_buf", Some(ArgumentKind::Bytes { size: 0 })),
        ("iov_iter", Some(ArgumentKind::Iterator)),
        ("kiocb", Some(ArgumentKind::Kiocb)),
        ("data_loc", Some(ArgumentKind::DataLocation)),
        ("syscall64", Some(ArgumentKind::Syscall)),
        ("nop", None),
    ],
    later: &["auto", "char_iovec", "const_buf"],
};
