//! Why a pipeline can't be started, and why a call into a plugin failed.

use std::path::PathBuf;

use crate::artifact::ArtifactError;
use crate::config::{ConfigError, place};
use crate::digest::Digest;
use crate::locate::Location;
use crate::signature::SignatureError;
use crate::source::ComponentSource;
use crate::{MAX_COMPONENT, WIT_VERSION};

/// Why a pipeline can't be started.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The engine can't be started.
    #[error("the WebAssembly engine can't be started: {0:#}")]
    Engine(wasmtime::Error),
    /// There can be no threads for workers of plugins.
    #[error("the threads for workers of plugins can't be started: {0}")]
    Threads(rayon::ThreadPoolBuildError),
    /// A plugin can't be started.
    #[error("{}: plugin `{name}` ({}): {reason}", place(.path, *.location), .component)]
    Plugin {
        /// The pipeline file.
        path: PathBuf,
        /// The place in it that has to do with the error.
        location: Option<Location>,
        /// Name of the plugin.
        name: String,
        /// Its component.
        component: ComponentSource,
        /// What is wrong.
        reason: Box<Reason>,
    },
}

/// Why a component can't be looked at.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", .path.display())]
pub struct InspectError {
    /// The component.
    pub path: PathBuf,
    /// What is wrong.
    pub reason: Box<Reason>,
}

/// What is wrong with a plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The file can't be read.
    #[error("cannot be read: {0}")]
    Read(std::io::Error),
    /// There can be no thread for it.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// The file is too large.
    #[error("larger than {} MiB", MAX_COMPONENT >> 20)]
    TooLarge,
    /// The file holds something else.
    #[error("not a WebAssembly component")]
    NotWasm,
    /// The file holds a core module.
    #[error(
        "a core WebAssembly module, not a component: make it one, for example with `wasm-tools component new` \
         (docs/plugin-guide.md)"
    )]
    CoreModule,
    /// The file holds machine code.
    #[error("compiled machine code: give the .wasm component instead, serin compiles and caches it itself")]
    Precompiled,
    /// It is not the component that the entry names.
    #[error(
        "its digest is {found}, but the entry says {pinned}: it was replaced, or `digest` is out of date"
    )]
    Digest {
        /// What the entry says.
        pinned: Digest,
        /// What the file has.
        found: Digest,
    },
    /// The registry's artifact that it is of is not usable.
    #[error("{0}")]
    Artifact(#[from] ArtifactError),
    /// Nobody vouches for it.
    #[error("`spec.trust` asks for a signature, and {0}")]
    Signature(#[from] SignatureError),
    /// Its configuration file can't be read.
    #[error("its configuration: {0}")]
    ConfigFile(ConfigError),
    /// The component is not valid or can't be compiled.
    #[error("not a valid component: {0:#}")]
    Compile(wasmtime::Error),
    /// It exports something else.
    #[error(
        "built for another world: it does not export serin:plugin/frames@{WIT_VERSION}, but {}",
        if .exports.is_empty() { "nothing" } else { .exports.as_str() }
    )]
    World {
        /// What it exports.
        exports: String,
    },
    /// It was built with another version of the interface.
    #[error(
        "built for serin:plugin@{found}, but this serin has serin:plugin@{WIT_VERSION}: build it with that version's SDK"
    )]
    Version {
        /// Its version.
        found: String,
    },
    /// It was built with a newer frame.
    #[error(
        "built for frame schema {found}, but this serin writes {}: use a newer serin or an older plugin",
        serin_frame::SCHEMA
    )]
    Schema {
        /// Its schema.
        found: u32,
    },
    /// It imports something that the entry doesn't grant.
    #[error(
        "imports {interface}, which is not granted: write `grants: {{ {grant} }}` in its entry to grant it"
    )]
    Ungranted {
        /// The interface.
        interface: String,
        /// What to write below `grants`.
        grant: &'static str,
    },
    /// It imports something that serin doesn't offer.
    #[error(
        "imports {interface}, which serin does not offer and no grant gives: plugins get log, clock, random, \
         kv, file, hash and redact of serin:plugin@{WIT_VERSION} at most; a Rust plugin without WASI is built for wasm32-unknown-unknown (docs/plugin-guide.md)"
    )]
    UnknownImport {
        /// The interface.
        interface: String,
    },
    /// Its functions have other types.
    #[error("its functions do not have the types of serin:plugin@{WIT_VERSION}: {0:#}")]
    Types(wasmtime::Error),
    /// It failed before it was ready.
    #[error("failed while starting: {0}")]
    Start(#[from] Failure),
    /// It doesn't take its configuration.
    #[error("refuses its configuration: {0}")]
    Configuration(String),
    /// It subscribes to something that doesn't exist.
    #[error("subscribes to what does not exist: {0}")]
    Subscription(String),
}

/// Why a call into a plugin failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It ran longer than `limits.time`.
    #[error("took longer than {} ms", .0.as_millis())]
    TimeOut(std::time::Duration),
    /// It wanted more memory than `limits.memory`.
    #[error("wanted {wanted} KiB of memory, of {limit} KiB", wanted = .wanted >> 10, limit = .limit >> 10)]
    Memory {
        /// Bytes it wanted.
        wanted: usize,
        /// Bytes it may have.
        limit: usize,
    },
    /// It trapped: a panic, an overflow of the stack, …
    #[error("trapped: {0}")]
    Trap(String),
    /// It returned what is no outcome, or too much.
    #[error("returned nonsense: {0}")]
    Outcome(String),
}
