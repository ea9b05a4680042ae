//! A version of a plugin: what has to be there so that it can be started.

use std::sync::{Arc, OnceLock};

use wasmtime::Engine;

use crate::bindings::PluginPre;
use crate::bindings::exports::serin::plugin::frames::Info;
use crate::config::PluginEntry;
use crate::digest::Digest;
use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::printable::printable;
use crate::sandbox::Sandbox;

/// A component that is linked, with its entry and its configuration.
pub(crate) struct Version {
    pub(crate) component: PluginPre<Sandbox>,
    pub(crate) digest: Digest,
    /// With the configuration in it, wherever that was.
    pub(crate) entry: PluginEntry,
    /// What it calls itself and its version, once it has been started.
    about: OnceLock<(Arc<str>, Arc<str>)>,
}

impl std::fmt::Debug for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Version").field("digest", &self.digest).finish_non_exhaustive()
    }
}

/// What tells one version from another.
pub(crate) type Identity = (Digest, PluginEntry);

impl Version {
    pub(crate) fn new(component: PluginPre<Sandbox>, digest: Digest, entry: PluginEntry) -> Self {
        Self { component, digest, entry, about: OnceLock::new() }
    }

    /// What it calls itself and its version; empty if it has never been started.
    pub(crate) fn about(&self) -> (Arc<str>, Arc<str>) {
        self.about.get().cloned().unwrap_or_default()
    }

    pub(crate) fn identity(&self) -> Identity {
        (self.digest, self.entry.clone())
    }

    /// An instance and what it says about itself.
    pub(crate) fn start(&self, engine: &Engine, sandbox: Sandbox) -> Result<(Instance, Info), Reason> {
        let mut instance = Instance::new(engine, &self.component, sandbox)?;
        let info = instance.init(&self.entry.config.to_string())?;
        let info = info.map_err(|message| Reason::Configuration(printable(&message)))?;
        let _ = self.about.set((printable(&info.name).into(), printable(&info.version).into()));
        Ok((instance, info))
    }

    /// Another instance, in place of one that has failed.
    pub(crate) fn restart(&self, engine: &Engine, sandbox: Sandbox) -> Result<(Instance, Info), Failure> {
        self.start(engine, sandbox).map_err(|reason| match reason {
            Reason::Start(failure) => failure,
            other => Failure::Outcome(other.to_string()),
        })
    }
}
