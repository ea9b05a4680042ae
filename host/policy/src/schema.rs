//! The schema of `TracingPolicy`: every field and word of it, supported or not.
//!
//! It follows Tetragon's [types], with the fields and words of older releases
//! that are still found in policies: `matchCurrentCred`, `FollowFD`, `UnfollowFD`, `CopyFD`.
//!
//! [types]: https://github.com/cilium/tetragon/blob/main/pkg/k8s/apis/cilium.io/v1alpha1/types.go

use crate::fields::{Shape, Vocabulary};
use crate::{
    ArgumentKind, BinaryComparison, CapabilitySet, Membership, Namespace, Part, RateScope, SocketAction,
};

pub(crate) const POLICY: Shape =
    Shape { path: "", in_list: false, supported: &["apiVersion", "kind", "metadata", "spec"], later: &[] };

pub(crate) const API_VERSIONS: Vocabulary<()> =
    Vocabulary { what: "the apiVersion of a policy", supported: &[("cilium.io/v1alpha1", ())], later: &[] };

pub(crate) const KINDS: Vocabulary<()> = Vocabulary {
    what: "a kind of policy",
    supported: &[("TracingPolicy", ()), ("TracingPolicyNamespaced", ())],
    later: &["PodInfo"],
};

/// Labels, annotations and what a Kubernetes API server writes say nothing about what to trace.
pub(crate) const METADATA: Shape = Shape {
    path: "metadata",
    in_list: false,
    supported: &[
        "name",
        "labels",
        "annotations",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "ownerReferences",
        "finalizers",
        "managedFields",
        "selfLink",
    ],
    later: &["namespace", "generateName"],
};

pub(crate) const SPEC: Shape = Shape {
    path: "spec",
    in_list: false,
    supported: &[
        "kprobes",
        "fentries",
        "tracepoints",
        "lsmhooks",
        "uprobes",
        "lists",
        "options",
        "selectorsMacros",
    ],
    later: &[
        "usdts",
        "loader",
        "enforcers",
        "podSelector",
        "containerSelector",
        "hostSelector",
        "nodeSelector",
    ],
};

pub(crate) const OPTION: Shape =
    Shape { path: "spec.options", in_list: true, supported: &["name", "value"], later: &[] };

/// What options are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PolicyOption {
    /// What the policy does when it is loaded.
    Mode,
    /// Whether many hooks are attached in one call, which serin does not do.
    Switch,
    /// How calls are refused, which serin finds out by trying.
    OverrideMethod,
}

pub(crate) const OPTIONS: Vocabulary<PolicyOption> = Vocabulary {
    what: "an option of a policy",
    supported: &[
        ("policy-mode", PolicyOption::Mode),
        ("override-method", PolicyOption::OverrideMethod),
        ("disable-kprobe-multi", PolicyOption::Switch),
        ("disable-uprobe-multi", PolicyOption::Switch),
    ],
    later: &["sleepable-preload-size"],
};

/// `policy-mode`: whether it is to monitor only.
pub(crate) const POLICY_MODES: Vocabulary<bool> = Vocabulary {
    what: "a mode of policies",
    supported: &[("enforce", false), ("monitor", true)],
    later: &[],
};

pub(crate) const OVERRIDE_METHODS: Vocabulary<()> = Vocabulary {
    what: "a way of refusing calls",
    supported: &[("fmod-ret", ()), ("override-return", ())],
    later: &[],
};

pub(crate) const LIST: Shape = Shape {
    path: "spec.lists",
    in_list: true,
    supported: &["name", "type", "values", "validated"],
    later: &["pattern"],
};

/// What the names in a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListType {
    Functions,
    Syscalls,
    GeneratedSyscalls,
}

pub(crate) const LIST_TYPES: Vocabulary<ListType> = Vocabulary {
    what: "a type of list",
    supported: &[("syscalls", ListType::Syscalls), ("generated_syscalls", ListType::GeneratedSyscalls)],
    later: &["generated_ftrace"],
};

pub(crate) const KPROBE: Shape = Shape {
    path: "spec.kprobes",
    in_list: true,
    supported: &[
        "call",
        "syscall",
        "message",
        "tags",
        "args",
        "return",
        "returnArg",
        "returnArgAction",
        "selectors",
        "ignore",
    ],
    later: &["data"],
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
        "message",
        "tags",
        "args",
        "return",
        "returnArg",
        "selectors",
    ],
    later: &["refCtrOffsets", "btfPath", "data", "binaryDigests", "ignore"],
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
];

pub(crate) const IGNORE: Shape =
    Shape { path: "spec.kprobes.ignore", in_list: false, supported: &["callNotFound"], later: &[] };

pub(crate) const ARGUMENT: Shape = Shape {
    path: "spec.kprobes.args",
    in_list: true,
    supported: &["index", "type", "label", "sizeArgIndex"],
    later: &["resolve", "returnCopy", "maxData", "source", "btfType", "btfTypeModule"],
};

pub(crate) const RETURN_ACTIONS: Vocabulary<SocketAction> = Vocabulary {
    what: "an action on what is returned",
    supported: &[("TrackSock", SocketAction::Track), ("UntrackSock", SocketAction::Untrack)],
    later: &[],
};

pub(crate) const RETURN_ARGUMENT: Shape =
    Shape { path: "spec.kprobes.returnArg", in_list: false, ..ARGUMENT };

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

pub(crate) const SELECTOR: Shape = Shape {
    path: "spec.kprobes.selectors",
    in_list: true,
    supported: &[
        "matchPIDs",
        "matchBinaries",
        "matchParentBinaries",
        "matchNamespaces",
        "matchNamespaceChanges",
        "matchCapabilities",
        "matchCapabilityChanges",
        "matchCurrentCred",
        "matchArgs",
        "matchReturnArgs",
        "matchActions",
        "macros",
    ],
    later: &["label", "matchData", "matchReturnActions", "matchWorkloads"],
};

/// A macro: a selector that takes in no other.
pub(crate) const MACRO: Shape = Shape { path: "spec.selectorsMacros", in_list: false, ..SELECTOR };

pub(crate) const MATCH_PIDS: Shape = Shape {
    path: "spec.kprobes.selectors.matchPIDs",
    in_list: true,
    supported: &["operator", "values", "isNamespacePID", "followForks"],
    later: &[],
};

pub(crate) const PID_OPERATORS: Vocabulary<Membership> = Vocabulary {
    what: "an operator of matchPIDs",
    supported: &[("In", Membership::In), ("NotIn", Membership::NotIn)],
    later: &[],
};

pub(crate) const MATCH_BINARIES: Shape = Shape {
    path: "spec.kprobes.selectors.matchBinaries",
    in_list: true,
    supported: &["operator", "values", "followChildren"],
    later: &[],
};

pub(crate) const MATCH_PARENT_BINARIES: Shape =
    Shape { path: "spec.kprobes.selectors.matchParentBinaries", ..MATCH_BINARIES };

/// Operators of matchBinaries: whether they are negated, and what they compare.
pub(crate) const BINARY_OPERATORS: Vocabulary<(bool, BinaryComparison)> = Vocabulary {
    what: "an operator of matchBinaries",
    supported: &[
        ("In", (false, BinaryComparison::Equal)),
        ("NotIn", (true, BinaryComparison::Equal)),
        ("Prefix", (false, BinaryComparison::Prefix)),
        ("NotPrefix", (true, BinaryComparison::Prefix)),
        ("Postfix", (false, BinaryComparison::Postfix)),
        ("NotPostfix", (true, BinaryComparison::Postfix)),
    ],
    later: &[],
};

pub(crate) const MATCH_NAMESPACES: Shape = Shape {
    path: "spec.kprobes.selectors.matchNamespaces",
    in_list: true,
    supported: &["namespace", "operator", "values"],
    later: &[],
};

pub(crate) const MATCH_NAMESPACE_CHANGES: Shape = Shape {
    path: "spec.kprobes.selectors.matchNamespaceChanges",
    in_list: true,
    supported: &["operator", "values"],
    later: &[],
};

pub(crate) const MATCH_CAPABILITIES: Shape = Shape {
    path: "spec.kprobes.selectors.matchCapabilities",
    in_list: true,
    supported: &["type", "operator", "isNamespaceCapability", "values"],
    later: &[],
};

pub(crate) const MATCH_CAPABILITY_CHANGES: Shape =
    Shape { path: "spec.kprobes.selectors.matchCapabilityChanges", ..MATCH_CAPABILITIES };

/// Of older releases of Tetragon.
pub(crate) const MATCH_CURRENT_CRED: Shape = Shape {
    path: "spec.kprobes.selectors.matchCurrentCred",
    in_list: true,
    supported: &["uid", "euid"],
    later: &[],
};

pub(crate) const USER_IDS: Shape = Shape {
    path: "spec.kprobes.selectors.matchCurrentCred.uid",
    in_list: true,
    supported: &["operator", "values"],
    later: &[],
};

pub(crate) const EFFECTIVE_USER_IDS: Shape =
    Shape { path: "spec.kprobes.selectors.matchCurrentCred.euid", ..USER_IDS };

/// Whether the operator is negated.
pub(crate) const MEMBERSHIP: Vocabulary<bool> = Vocabulary {
    what: "an operator of namespaces and capabilities",
    supported: &[("In", false), ("NotIn", true)],
    later: &[],
};

/// Whether the operator is negated.
pub(crate) const USER_OPERATORS: Vocabulary<bool> = Vocabulary {
    what: "an operator of matchCurrentCred",
    supported: &[("Equal", false), ("NotEqual", true)],
    later: &[],
};

pub(crate) const NAMESPACES: Vocabulary<Namespace> = Vocabulary {
    what: "a kind of namespace",
    supported: &[
        ("Uts", Namespace::Uts),
        ("Ipc", Namespace::Ipc),
        ("Mnt", Namespace::Mnt),
        ("Pid", Namespace::Pid),
        ("PidForChildren", Namespace::PidForChildren),
        ("Net", Namespace::Net),
        ("Time", Namespace::Time),
        ("TimeForChildren", Namespace::TimeForChildren),
        ("Cgroup", Namespace::Cgroup),
        ("User", Namespace::User),
    ],
    later: &[],
};

pub(crate) const CAPABILITY_SETS: Vocabulary<CapabilitySet> = Vocabulary {
    what: "a set of capabilities",
    supported: &[
        ("Effective", CapabilitySet::Effective),
        ("Inheritable", CapabilitySet::Inheritable),
        ("Permitted", CapabilitySet::Permitted),
    ],
    later: &[],
};

pub(crate) const MATCH_ARGS: Shape = Shape {
    path: "spec.kprobes.selectors.matchArgs",
    in_list: true,
    supported: &["index", "args", "operator", "values"],
    later: &[],
};

pub(crate) const MATCH_RETURN_ARGS: Shape =
    Shape { path: "spec.kprobes.selectors.matchReturnArgs", ..MATCH_ARGS };

/// Operators that compare an argument with values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// `Not…`
    pub(crate) negated: bool,
    pub(crate) relation: Relation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    Greater,
    Less,
    Mask,
    InMap,
    InRange,
    Prefix,
    Postfix,
    SubString,
    /// A part of the argument equals a value or is in a range of values.
    Part(Part),
    /// A port is below 1024; such operators have no values.
    Privileged(Part),
    /// A second argument has a bit that the first lacks; it has no values either.
    Gained,
}

const fn is(relation: Relation) -> Comparison {
    Comparison { negated: false, relation }
}

const fn is_not(relation: Relation) -> Comparison {
    Comparison { negated: true, relation }
}

pub(crate) const ARGUMENT_OPERATORS: Vocabulary<Comparison> = Vocabulary {
    what: "an operator of matchArgs",
    supported: &[
        ("Equal", is(Relation::Equal)),
        ("NotEqual", is_not(Relation::Equal)),
        ("GT", is(Relation::Greater)),
        ("GreaterThan", is(Relation::Greater)),
        ("LT", is(Relation::Less)),
        ("LessThan", is(Relation::Less)),
        ("Mask", is(Relation::Mask)),
        ("InMap", is(Relation::InMap)),
        ("NotInMap", is_not(Relation::InMap)),
        ("InRange", is(Relation::InRange)),
        ("NotInRange", is_not(Relation::InRange)),
        ("Prefix", is(Relation::Prefix)),
        ("NotPrefix", is_not(Relation::Prefix)),
        ("Postfix", is(Relation::Postfix)),
        ("NotPostfix", is_not(Relation::Postfix)),
        ("SubString", is(Relation::SubString)),
        ("SAddr", is(Relation::Part(Part::SAddr))),
        ("NotSAddr", is_not(Relation::Part(Part::SAddr))),
        ("DAddr", is(Relation::Part(Part::DAddr))),
        ("NotDAddr", is_not(Relation::Part(Part::DAddr))),
        ("SPort", is(Relation::Part(Part::SPort))),
        ("NotSPort", is_not(Relation::Part(Part::SPort))),
        ("DPort", is(Relation::Part(Part::DPort))),
        ("NotDPort", is_not(Relation::Part(Part::DPort))),
        ("SPortPriv", is(Relation::Privileged(Part::SPort))),
        // Tetragon's schema writes one of them with a small p.
        ("NotSportPriv", is_not(Relation::Privileged(Part::SPort))),
        ("NotSPortPriv", is_not(Relation::Privileged(Part::SPort))),
        ("DPortPriv", is(Relation::Privileged(Part::DPort))),
        ("NotDPortPriv", is_not(Relation::Privileged(Part::DPort))),
        ("Protocol", is(Relation::Part(Part::Protocol))),
        ("Family", is(Relation::Part(Part::Family))),
        ("State", is(Relation::Part(Part::State))),
        ("CapabilitiesGained", is(Relation::Gained)),
        ("FileType", is(Relation::Part(Part::FileType))),
        ("NotFileType", is_not(Relation::Part(Part::FileType))),
    ],
    later: &["SubStringIgnCase", "CelExpr"],
};

pub(crate) const MATCH_ACTIONS: Shape = Shape {
    path: "spec.kprobes.selectors.matchActions",
    in_list: true,
    supported: &[
        "action",
        "argError",
        "argFd",
        "argFqdn",
        "argName",
        "argSig",
        "argSock",
        "argUrl",
        "rateLimit",
        "rateLimitScope",
    ],
    later: &[
        "argIndex",
        "argValue",
        "argRegs",
        "argNewSymbol",
        "argNewAddr",
        "argNewOffset",
        "kernelStackTrace",
        "userStackTrace",
        "imaHash",
    ],
};

pub(crate) const RATE_SCOPES: Vocabulary<RateScope> = Vocabulary {
    what: "a scope of rateLimit",
    supported: &[
        ("thread", RateScope::Thread),
        ("process", RateScope::Process),
        ("global", RateScope::Global),
    ],
    later: &[],
};

/// What a selector can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActionName {
    Post,
    NoPost,
    Sigkill,
    Signal,
    Override,
    DnsLookup,
    GetUrl,
    FollowFD,
    UnfollowFD,
    CopyFD,
    TrackSock,
    UntrackSock,
}

pub(crate) const ACTIONS: Vocabulary<ActionName> = Vocabulary {
    what: "an action",
    supported: &[
        ("Post", ActionName::Post),
        ("NoPost", ActionName::NoPost),
        ("Sigkill", ActionName::Sigkill),
        ("Signal", ActionName::Signal),
        ("Override", ActionName::Override),
        ("DnsLookup", ActionName::DnsLookup),
        ("GetUrl", ActionName::GetUrl),
        ("FollowFD", ActionName::FollowFD),
        ("UnfollowFD", ActionName::UnfollowFD),
        ("CopyFD", ActionName::CopyFD),
        ("TrackSock", ActionName::TrackSock),
        ("UntrackSock", ActionName::UntrackSock),
    ],
    later: &["NotifyEnforcer", "CleanupEnforcerNotification", "Set"],
};

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Policy;

    /// Holds all words that are not supported yet against the message that refuses one of them.
    fn assert_refused<T>(words: &Vocabulary<T>, policy: impl Fn(&str) -> String) {
        for word in words.later {
            let errors = Policy::parse(&policy(word), Path::new("p.yaml")).err();
            let message = errors.map(|errors| errors.to_string()).unwrap_or_default();
            let expected = format!("`{word}` is not supported yet as {}\n", words.what);
            assert!(message.contains(&expected), "{word}: {message}");
        }
        assert!(!words.later.is_empty(), "{}: nothing was tested", words.what);
    }

    fn hook(yaml: &str) -> String {
        format!(
            "{{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {{name: p}}, spec: {{kprobes: [{{\
             call: sys_symlinkat, args: [{{index: 0, type: string}}], {yaml}}}]}}}}"
        )
    }

    #[test]
    fn every_word_of_the_schema_is_refused_by_name() {
        assert_refused(&KINDS, |word| format!("{{apiVersion: cilium.io/v1alpha1, kind: {word}}}"));
        assert_refused(&TYPES, |word| hook("").replace("type: string", &format!("type: {word}")));
        assert_refused(&ARGUMENT_OPERATORS, |word| {
            hook(&format!("selectors: [matchArgs: [{{operator: {word}, values: [a]}}]]"))
        });
        assert_refused(&LIST_TYPES, |word| {
            let list = format!("spec: {{lists: [{{name: l, type: {word}}}], ");
            hook("").replace("spec: {", &list)
        });
        assert_refused(&ACTIONS, |word| hook(&format!("selectors: [matchActions: [action: {word}]]")));
    }
}
