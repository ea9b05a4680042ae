//! What an instance of a plugin may use up, and the interfaces it is given.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

use crate::MAX_LOG_LINES;
use crate::bindings::serin::plugin::{clock, file, hash, kv, log, random, redact, types};
use crate::clock::{Clock, Random, Source};
use crate::config::Limits;
use crate::file::{self as files, FileGrant};
use crate::grants::{Grants, Meter};
use crate::hash::{Answer, Digest, Hashes};
use crate::kv::{Kv, KvGrant, Refusal};
use crate::printable::printable;
use crate::redact::{Mask, Masks, Place};

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
    files: Vec<FileGrant>,
    hashes: Option<Arc<Hashes>>,
    /// How long a call may wait for digests, and this one may still wait.
    hash_wait: Duration,
    hash_wait_left: Duration,
    clock: Clock,
    random: Random,
    /// What this call has masked.
    pub(crate) masks: Masks,
    /// Lines that may still be logged in this call, and at all for now.
    log_lines: u32,
    log_meter: Meter,
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
            files: grants.file.clone(),
            hashes: None,
            hash_wait: grants.hash.unwrap_or_default().wait,
            hash_wait_left: Duration::ZERO,
            clock: Clock::new(Source::Host),
            random: Random::new(Source::Host),
            masks: Masks::default(),
            log_lines: 0,
            log_meter: Meter::new(limits.log_lines, Instant::now()),
            log_lines_lost: 0,
        }
    }

    /// With what the host has kept for the plugin so far.
    pub(crate) fn with_kv(self, kv: SharedKv) -> Self {
        Self { kv, ..self }
    }

    /// With where its time and random bytes come from.
    pub(crate) fn with_source(self, source: &Source) -> Self {
        Self { clock: Clock::new(source.clone()), random: Random::new(source.clone()), ..self }
    }

    /// With where digests of programs come from, if they are granted.
    pub(crate) fn with_hashes(self, hashes: Option<Arc<Hashes>>) -> Self {
        Self { hashes, ..self }
    }

    pub(crate) fn use_kv(&mut self, kv: SharedKv) {
        self.kv = kv;
    }

    /// Bytes of linear memory that the instance has; they never become less.
    pub(crate) fn memory_used(&self) -> usize {
        self.memory_used
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
        self.hash_wait_left = self.hash_wait;
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

impl file::Host for Sandbox {
    fn read(&mut self, path: String) -> Result<Vec<u8>, file::Refusal> {
        files::read(&self.files, &path).map_err(|refusal| match refusal {
            files::Refusal::NotGranted => file::Refusal::NotGranted,
            files::Refusal::Missing => file::Refusal::Missing,
            files::Refusal::NotRegular => file::Refusal::NotRegular,
            files::Refusal::TooLarge => file::Refusal::TooLarge,
            files::Refusal::Unreadable => file::Refusal::Unreadable,
        })
    }
}

impl hash::Host for Sandbox {
    fn program(&mut self, pid: u32, path: String) -> hash::Answer {
        let Some(hashes) = &self.hashes else { return hash::Answer::Pending };
        match hashes.program(pid, path, &mut self.hash_wait_left) {
            Answer::Known(Digest { sha256, of_process }) => {
                hash::Answer::Known(hash::Digest { sha256, of_process })
            }
            Answer::Pending => hash::Answer::Pending,
            Answer::Refused(refusal) => hash::Answer::Refused(match refusal {
                files::Refusal::Missing => hash::Refusal::Missing,
                files::Refusal::NotRegular => hash::Refusal::NotRegular,
                files::Refusal::TooLarge => hash::Refusal::TooLarge,
                files::Refusal::NotGranted | files::Refusal::Unreadable => hash::Refusal::Unreadable,
            }),
        }
    }
}

impl clock::Host for Sandbox {
    fn wall(&mut self) -> u64 {
        self.clock.wall()
    }

    fn monotonic(&mut self) -> u64 {
        self.clock.monotonic()
    }
}

impl random::Host for Sandbox {
    fn bytes(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        Ok(self.random.bytes(count)?)
    }
}

impl redact::Host for Sandbox {
    fn mask(&mut self, event: u32, place: redact::Place, start: u32, end: u32) {
        let place = match place {
            redact::Place::ProcessArgument(index) => Place::Process(index),
            redact::Place::ParentArgument(index) => Place::Parent(index),
            redact::Place::HookArgument(index) => Place::Hook(index),
        };
        self.masks.push(Mask { event, place, start, end });
    }
}

impl log::Host for Sandbox {
    fn write(&mut self, level: log::Level, message: String) {
        let left = self.log_lines.checked_sub(1);
        let Some(left) = left.filter(|_| self.log_meter.take(Instant::now())) else {
            self.log_lines_lost += 1;
            return;
        };
        self.log_lines = left;
        // One line stays one line, and a terminal is not steered: control characters are escaped.
        let message = printable(&message);
        let plugin = &self.name;
        match level {
            log::Level::Debug => tracing::debug!(plugin, "{message}"),
            log::Level::Info => tracing::info!(plugin, "{message}"),
            log::Level::Warn => tracing::warn!(plugin, "{message}"),
            log::Level::Error => tracing::error!(plugin, "{message}"),
        }
    }
}
