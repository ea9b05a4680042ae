//! The schema of `TracingPolicy`: every field and word of it, supported or not.
//!
//! It follows Tetragon's [types], with the fields and words of older releases
//! that are still found in policies: `matchCurrentCred`, `FollowFD`, `UnfollowFD`, `CopyFD`.
//!
//! [types]: https://github.com/cilium/tetragon/blob/main/pkg/k8s/apis/cilium.io/v1alpha1/types.go

use crate::fields::{Shape, Vocabulary};

mod actions;
mod comparisons;
mod hooks;
mod scopes;
mod selectors;

pub(crate) use actions::*;
pub(crate) use comparisons::*;
pub(crate) use hooks::*;
pub(crate) use scopes::*;
pub(crate) use selectors::*;

pub(crate) const POLICY: Shape =
    Shape { path: "", in_list: false, supported: &["apiVersion", "kind", "metadata", "spec"], later: &[] };

pub(crate) const API_VERSIONS: Vocabulary<()> =
    Vocabulary { what: "the apiVersion of a policy", supported: &[("cilium.io/v1alpha1", ())], later: &[] };

/// Kinds of policies: whether they can be about a namespace.
pub(crate) const KINDS: Vocabulary<bool> = Vocabulary {
    what: "a kind of policy",
    supported: &[("TracingPolicy", false), ("TracingPolicyNamespaced", true)],
    later: &["PodInfo"],
};

/// Labels, annotations and what a Kubernetes API server writes say nothing about what to trace.
pub(crate) const METADATA: Shape = Shape {
    path: "metadata",
    in_list: false,
    supported: &[
        "name",
        "namespace",
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
    later: &["generateName"],
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
        "usdts",
        "enforcers",
        "lists",
        "options",
        "selectorsMacros",
        "podSelector",
        "containerSelector",
        "hostSelector",
        "nodeSelector",
        "loader",
    ],
    later: &[],
};

pub(crate) const ENFORCER: Shape =
    Shape { path: "spec.enforcers", in_list: true, supported: &["calls"], later: &[] };

pub(crate) const OPTION: Shape =
    Shape { path: "spec.options", in_list: true, supported: &["name", "value"], later: &[] };

/// What options are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PolicyOption {
    /// What the policy does when it is loaded.
    Mode,
    /// Whether the functions of a list are hooked one by one.
    OneByOne,
    /// Whether many hooks in programs are attached in one call, which serin does not do.
    Switch,
    /// How much room something takes, which here takes none.
    Room,
    /// How calls are refused, which serin finds out by trying.
    OverrideMethod,
}

pub(crate) const OPTIONS: Vocabulary<PolicyOption> = Vocabulary {
    what: "an option of a policy",
    supported: &[
        ("policy-mode", PolicyOption::Mode),
        ("override-method", PolicyOption::OverrideMethod),
        ("disable-kprobe-multi", PolicyOption::OneByOne),
        ("disable-uprobe-multi", PolicyOption::Switch),
        ("sleepable-preload-size", PolicyOption::Room),
    ],
    later: &[],
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
    supported: &["name", "type", "values", "pattern", "validated"],
    later: &[],
};

/// What the names in a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListType {
    Functions,
    Syscalls,
    GeneratedSyscalls,
    GeneratedFunctions,
}

pub(crate) const LIST_TYPES: Vocabulary<ListType> = Vocabulary {
    what: "a type of list",
    supported: &[
        ("syscalls", ListType::Syscalls),
        ("generated_syscalls", ListType::GeneratedSyscalls),
        ("generated_ftrace", ListType::GeneratedFunctions),
    ],
    later: &[],
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

    #[test]
    fn every_word_of_the_schema_is_refused_by_name() {
        assert_refused(&KINDS, |word| format!("{{apiVersion: cilium.io/v1alpha1, kind: {word}}}"));
    }
}
