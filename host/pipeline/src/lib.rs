//! Runs batches of events through a chain of sandboxed Wasm components.
//!
//! A [`PipelineFile`] names the plugins; [`Pipeline::load`] compiles them, links
//! each with what its entry grants and nothing else, and starts one instance of
//! each. [`Pipeline::process`] then passes batches through them in order. A
//! plugin sees events and says what should become of them; this crate checks
//! what it says and does it. A plugin that traps, loops, takes too much memory
//! or returns nonsense is discarded and started anew; the events go on.

mod action;
pub mod artifact;
mod batch;
mod bindings;
mod cache;
mod canonical;
mod clock;
mod component;
mod config;
mod counters;
mod digest;
mod encode;
mod engine;
mod error;
mod facts;
mod file;
mod grants;
mod hash;
mod inspect;
mod instance;
mod kv;
mod locate;
mod outcome;
mod pipeline;
mod plugin;
mod printable;
mod quantity;
mod redact;
mod rollbacks;
mod rollout;
mod sandbox;
mod signature;
mod source;
mod state;
mod status;
mod step;
mod subscription;
mod url_pattern;
mod version;
mod worker;

use std::num::NonZeroU32;
use std::time::Duration;

pub use batch::FrameEncoder;
pub use cache::{Cache, CacheError};
pub use config::{ConfigError, Limits, OnFailure, OnOverload, PipelineFile, PluginEntry, Spec};
pub use counters::{Counters, Durations, OTHER_REASONS};
pub use digest::Digest;
pub use error::{Failure, InspectError, LoadError, Reason};
pub use facts::Facts;
pub use file::FileGrant;
pub use grants::{Grants, Rate};
pub use hash::HashGrant;
pub use inspect::{About, Inspection};
pub use kv::KvGrant;
pub use locate::Location;
pub use pipeline::{Loader, Pipeline};
pub use redact::MASK;
pub use rollbacks::Rollbacks;
pub use rollout::{HostId, Rollback, Rollout, RolloutStatus, Stage};
pub use serin_config::Glob;
pub use signature::{PublicKey, SignatureError, SigningKey, Trust, signature_file, verify};
pub use source::ComponentSource;
pub use state::StateError;
pub use status::{PluginState, PluginStatus};
pub use step::Step;
pub use subscription::{ArgumentPredicate, EventFilter};
pub use url_pattern::UrlPattern;

/// The version of `wit/` that plugins must have been built with.
pub const WIT_VERSION: &str = "0.1.0";

/// Patterns that an event is compared with before a plugin gets it.
pub const MAX_PATTERNS: usize = 256;
/// Bytes of such a pattern.
pub const MAX_PATTERN: usize = 4096;
/// Events in a batch.
pub const MAX_BATCH: usize = 256;
/// Bytes in a frame; a single event may exceed it.
pub const MAX_FRAME: usize = 1 << 20;

/// Plugins in a pipeline.
pub const MAX_PLUGINS: usize = 64;
/// Workers of a plugin.
pub const MAX_WORKERS: usize = 16;
/// Bytes of a pipeline file.
pub const MAX_FILE: u64 = 1 << 20;
/// Bytes of a plugin's configuration file.
pub const MAX_CONFIG: u64 = 16 << 20;
/// Bytes of a component.
pub const MAX_COMPONENT: u64 = 64 << 20;

/// Memory of a plugin, in bytes, unless `limits.memory` says otherwise.
pub const DEFAULT_MEMORY: usize = 16 << 20;
/// The least `limits.memory`.
pub const MIN_MEMORY: usize = 2 << 20;
/// The most `limits.memory`.
pub const MAX_MEMORY: usize = 512 << 20;
/// Time of a call, unless `limits.time` says otherwise.
pub const DEFAULT_TIME: Duration = Duration::from_millis(100);
/// The least `limits.time`.
pub const MIN_TIME: Duration = Duration::from_millis(1);
/// The most `limits.time`.
pub const MAX_TIME: Duration = Duration::from_secs(10);

/// Alerts of a plugin in a second, unless `limits.alerts` says otherwise.
pub const DEFAULT_ALERTS: NonZeroU32 = NonZeroU32::new(10_000).unwrap();
/// Lines that a worker of a plugin may log in a second, unless `limits.logLines` says otherwise.
pub const DEFAULT_LOG_LINES: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// Bytes that a plugin may return from one call, as the host lays them out.
pub const MAX_OUTCOME: usize = 4 << 20;
/// Bytes of text that one call may add to its events.
pub const MAX_TEXT: usize = 1 << 20;
/// Annotations, and alerts, of one event.
pub const MAX_FINDINGS: usize = 64;
/// Alerts from one call.
pub const MAX_ALERTS: usize = 256;
/// Actions from one call.
pub const MAX_ACTIONS: usize = 64;
/// Bytes of an annotation's or field's key.
pub const MAX_KEY: usize = 64;
/// Bytes of an annotation's or field's value.
pub const MAX_VALUE: usize = 4096;
/// Bytes of the reason for a drop.
pub const MAX_REASON: usize = 64;
/// Bytes of an alert's title.
pub const MAX_TITLE: usize = 256;
/// Bytes of an alert's rule.
pub const MAX_RULE: usize = 128;
/// Techniques of an alert.
pub const MAX_TECHNIQUES: usize = 8;
/// Bytes of an alert's technique.
pub const MAX_TECHNIQUE: usize = 32;
/// Bytes of an alert's key.
pub const MAX_ALERT_KEY: usize = 256;
/// Fields of an alert.
pub const MAX_FIELDS: usize = 32;
/// The most `grants.kv.keys`.
pub const MAX_KV_KEYS: usize = 65_536;
/// The most `grants.kv.bytes`.
pub const MAX_KV_BYTES: usize = 64 << 20;
/// Bytes of a key that the host keeps.
pub const MAX_KV_KEY: usize = 256;
/// Bytes of a value that the host keeps.
pub const MAX_KV_VALUE: usize = 64 << 10;
/// Bytes of a file that a plugin may read.
pub const MAX_GRANTED_FILE: u64 = 1 << 20;
/// Files that are granted to a plugin.
pub const MAX_GRANTED_FILES: usize = 64;
/// The most `grants.hash.wait`.
pub const MAX_HASH_WAIT: Duration = Duration::from_millis(50);
/// The most `grants.hash.maxSize`.
pub const MAX_HASH_SIZE: u64 = 1 << 30;
/// Random bytes that a plugin gets from one call of the host.
pub const MAX_RANDOM: u32 = 4096;
/// Parts of texts that one call may mask.
pub const MAX_MASKS: usize = 65_536;
/// Bytes of a URL.
pub const MAX_URL: usize = 2048;
/// Headers of a request.
pub const MAX_HEADERS: usize = 16;
/// Bytes of a header's value.
pub const MAX_HEADER: usize = 1024;
/// Bytes of a request's body.
pub const MAX_BODY: usize = 64 << 10;
/// Bytes of a line in the agent's log.
pub const MAX_LOG_LINE: usize = 1024;
/// Lines in the agent's log from one call.
pub const MAX_LOG_LINES: u32 = 16;
