//! What a plugin of a running pipeline is, and how it does.

use std::sync::Arc;

use crate::digest::Digest;

/// How a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginState {
    /// It takes events; of its workers at least one does.
    Running,
    /// It has failed, and is started again in a while.
    Waiting,
    /// It has failed, and its entry says `onFailure: disable`.
    Disabled,
}

impl PluginState {
    /// In lower case: `running`, `waiting`, `disabled`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Disabled => "disabled",
        }
    }
}

/// What runs under a plugin's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginStatus {
    /// Name of its entry.
    pub name: Arc<str>,
    /// What the component calls itself.
    pub component: Arc<str>,
    /// The component's version, as it says itself.
    pub version: Arc<str>,
    /// The component's digest.
    pub digest: Digest,
    /// How it is.
    pub state: PluginState,
    /// Instances that work at once.
    pub workers: usize,
    /// Those of them that take events.
    pub running_workers: usize,
}
