//! What an instance of a plugin may use up, and the interfaces it is given.

use wasmtime::ResourceLimiter;

use crate::bindings::serin::plugin::{log, types};
use crate::{MAX_LOG_LINE, MAX_LOG_LINES};

/// Tables and their elements, memories and core instances: enough for what toolchains make of one plugin.
const MAX_ITEMS: usize = 64;
const MAX_TABLE_ELEMENTS: usize = 100_000;

/// The state of a plugin's store.
#[derive(Debug)]
pub(crate) struct Sandbox {
    /// The plugin's name in the pipeline.
    name: String,
    memory_limit: usize,
    memory_used: usize,
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
    pub(crate) fn new(name: &str, memory_limit: usize) -> Self {
        Self { name: name.to_owned(), memory_limit, memory_used: 0, log_lines: 0, log_lines_lost: 0 }
    }

    pub(crate) fn begin_call(&mut self) {
        self.log_lines = MAX_LOG_LINES;
    }
}

impl ResourceLimiter for Sandbox {
    /// All memories together count.
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.memory_used.saturating_sub(current).saturating_add(desired);
        if wanted > self.memory_limit {
            // An error, not a refusal: with a refusal a guest's allocator aborts, and nobody learns why.
            return Err(OutOfMemory { wanted, limit: self.memory_limit }.into());
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
