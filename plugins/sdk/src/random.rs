//! Random bytes, which nobody can foretell. A plugin that calls this needs `grants: { random: true }`.
//!
//! Where recorded events are played (`serin plugin test`, `serin replay`), they are the same each time.

#[cfg(target_arch = "wasm32")]
use crate::bindings::serin::plugin::random as host;

#[cfg(not(target_arch = "wasm32"))]
use self::native as host;

/// So many bytes, at most 4096: to ask for more is a failure of the plugin.
pub fn bytes(count: u32) -> Vec<u8> {
    host::bytes(count)
}

/// Stands in for the agent in a plugin's own unit tests: bytes that count up.
#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::cell::Cell;

    std::thread_local! {
        static NEXT: Cell<u8> = const { Cell::new(0) };
    }

    pub(super) fn bytes(count: u32) -> Vec<u8> {
        (0..count).map(|_| NEXT.replace(NEXT.get().wrapping_add(1))).collect()
    }
}
