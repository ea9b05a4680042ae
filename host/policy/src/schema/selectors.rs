//! Selectors, and what they ask of processes.

use crate::fields::{Shape, Vocabulary};
use crate::{BinaryComparison, CapabilitySet, Membership, Namespace};

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
        "matchWorkloads",
        "matchArgs",
        "matchData",
        "matchReturnArgs",
        "matchActions",
        "matchReturnActions",
        "label",
        "macros",
    ],
    later: &[],
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
