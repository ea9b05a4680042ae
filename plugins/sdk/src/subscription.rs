//! Which events a plugin is for.

use crate::Kind;

/// Which events a plugin is for. The agent evaluates it and copies no other event into the sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscription {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) policies: Vec<String>,
}

impl Subscription {
    /// Events of these kinds.
    pub fn kinds(kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self { kinds: kinds.into_iter().collect(), policies: Vec::new() }
    }

    /// Restricts the events of policies' hooks to these policies; `*` matches any run of characters.
    #[must_use]
    pub fn policies(mut self, policies: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.policies.extend(policies.into_iter().map(Into::into));
        self
    }
}
