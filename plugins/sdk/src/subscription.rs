//! Which events a plugin is for.

use crate::Kind;
use crate::bindings::serin::plugin::types::{self, ArgumentPredicate};

/// Which events a plugin is for. The agent evaluates it and copies no other event into the sandbox.
///
/// Patterns are texts in which `*` matches any run of characters; at most 256 of them, of 4096 bytes.
///
/// ```
/// # use serin_plugin::{Kind, Subscription};
/// let shadow = Subscription::kinds([Kind::ProcessKprobe, Kind::ProcessLsm])
///     .policies(["file-*"])
///     .binaries(["/tmp/*", "/dev/shm/*"])
///     .argument(0, ["/etc/shadow", "/etc/gshadow"]);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Subscription {
    kinds: Vec<Kind>,
    policies: Vec<String>,
    binaries: Vec<String>,
    namespaces: Vec<String>,
    arguments: Vec<ArgumentPredicate>,
}

impl Subscription {
    /// Events of these kinds.
    pub fn kinds(kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self { kinds: kinds.into_iter().collect(), ..Self::default() }
    }

    /// Restricts the events of policies' hooks to these policies.
    #[must_use]
    pub fn policies(mut self, policies: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.policies.extend(texts(policies));
        self
    }

    /// Restricts the events that have a process to those of these programs, by their paths.
    #[must_use]
    pub fn binaries(mut self, binaries: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.binaries.extend(texts(binaries));
        self
    }

    /// Restricts the events that have a process to those of pods in these namespaces.
    #[must_use]
    pub fn namespaces(mut self, namespaces: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.namespaces.extend(texts(namespaces));
        self
    }

    /// Restricts the events of policies' hooks to those with one of these values as the argument at a position, counted
    /// from 0. Numbers are decimal, files are their paths, bytes are text; what could not be read passes.
    #[must_use]
    pub fn argument(self, index: u32, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.argument_field(index, "", values)
    }

    /// Likewise, for a field of an argument that is a structure, by its key in JSON: `daddr`.
    #[must_use]
    pub fn argument_field(
        mut self,
        index: u32,
        field: &str,
        values: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.arguments.push(ArgumentPredicate {
            index,
            field: field.to_owned(),
            values: texts(values).collect(),
        });
        self
    }

    /// As it crosses.
    pub(crate) fn lower(self) -> types::Subscription {
        let Self { kinds, policies, binaries, namespaces, arguments } = self;
        let kinds = kinds.iter().map(|kind| kind.name().to_owned()).collect();
        types::Subscription { kinds, policies, binaries, namespaces, arguments }
    }
}

fn texts(items: impl IntoIterator<Item = impl Into<String>>) -> impl Iterator<Item = String> {
    items.into_iter().map(Into::into)
}
