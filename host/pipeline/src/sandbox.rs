//! What an instance of a plugin may use up, and the interfaces it is given.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

use crate::bindings::serin::plugin::{kv, log, types};
use crate::config::Limits;
use crate::grants::Grants;
use crate::kv::{Kv, KvGrant, Refusal};
use crate::{MAX_LOG_LINE, MAX_LOG_LINES};

/// Tables and their elements, memories and core instances: enough for what toolchains make of one plugin.
const MAX_ITEMS: usize = 64;
const MAX_TABLE_ELEMENTS: usize = 100_000;

/// What the host keeps for a plugin, from one instance to the next.
pub(crate) type SharedKv = Arc<Mutex<Kv>>;

/// The state of a plugin's store.
#[derive(Debug)]
pub(crate) struct Sandbox {
    /// The plugin's name in the pipeline.
    name: String,
    limits: Limits,
    memory_used: usize,
    grant: KvGrant,
    kv: SharedKv,
    /// Lines that may still be logged in this call.
    log_lines: u32,
    /// Lines that were not logged.
    pub(crate) log_lines_lost: u64,
}

/// A growth of memory that was refused.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("wanted {wanted} bytes of memory, of {limit}")]
pub(crate) struct OutOfMemory {
    pub(crate) wanted: usize,
    pub(crate) limit: usize,
}

impl Sandbox {
    /// A sandbox with a store of its own.
    pub(crate) fn new(name: &str, grants: &Grants, limits: Limits) -> Self {
        Self {
            name: name.to_owned(),
            limits,
            memory_used: 0,
            grant: grants.kv.unwrap_or_default(),
            kv: SharedKv::default(),
            log_lines: 0,
            log_lines_lost: 0,
        }
    }

    /// With what the host has kept for the plugin so far.
    pub(crate) fn with_kv(self, kv: SharedKv) -> Self {
        Self { kv, ..self }
    }

    pub(crate) fn use_kv(&mut self, kv: SharedKv) {
        self.kv = kv;
    }

    /// How long a call may take.
    pub(crate) fn time(&self) -> Duration {
        self.limits.time
    }

    /// Nothing in it is ever half done.
    fn kv(&self) -> MutexGuard<'_, Kv> {
        self.kv.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin_call(&mut self) {
        self.log_lines = MAX_LOG_LINES;
    }
}

impl ResourceLimiter for Sandbox {
    /// All memories together count.
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.memory_used.saturating_sub(current).saturating_add(desired);
        if wanted > self.limits.memory {
            // An error, not a refusal: with a refusal a guest's allocator aborts, and nobody learns why.
            return Err(OutOfMemory { wanted, limit: self.limits.memory }.into());
        }
        self.memory_used = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        MAX_ITEMS
    }

    fn tables(&self) -> usize {
        MAX_ITEMS
    }

    fn memories(&self) -> usize {
        MAX_ITEMS
    }
}

impl types::Host for Sandbox {}

impl kv::Host for Sandbox {
    fn get(&mut self, key: String) -> Option<Vec<u8>> {
        self.kv().get(&key, Instant::now()).map(<[u8]>::to_vec)
    }

    fn set(&mut self, key: String, value: Vec<u8>, ttl: u64) -> Result<(), kv::Refusal> {
        let result = self.kv().set(self.grant, &key, value, Duration::from_millis(ttl), Instant::now());
        result.map_err(|refusal| match refusal {
            Refusal::TooLarge => kv::Refusal::TooLarge,
            Refusal::Full => kv::Refusal::Full,
        })
    }

    fn delete(&mut self, key: String) -> bool {
        self.kv().delete(&key, Instant::now())
    }
}

impl log::Host for Sandbox {
    fn write(&mut self, level: log::Level, message: String) {
        let Some(left) = self.log_lines.checked_sub(1) else {
            self.log_lines_lost += 1;
            return;
        };
        self.log_lines = left;
        let mut end = message.len().min(MAX_LOG_LINE);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        // One line stays one line, and a terminal is not steered: control characters are escaped.
        let message = message.get(..end).unwrap_or_default().escape_debug();
        let plugin = &self.name;
        match level {
            log::Level::Debug => tracing::debug!(plugin, "{message}"),
            log::Level::Info => tracing::info!(plugin, "{message}"),
            log::Level::Warn => tracing::warn!(plugin, "{message}"),
            log::Level::Error => tracing::error!(plugin, "{message}"),
        }
    }
}
