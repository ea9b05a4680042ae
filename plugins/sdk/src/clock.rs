//! The time, in whole milliseconds. A plugin that calls this needs `grants: { clock: true }`.
//!
//! Where recorded events are played (`serin plugin test`, `serin replay`), it is that of the last tick.

use std::time::Duration;

#[cfg(target_arch = "wasm32")]
use crate::bindings::serin::plugin::clock as host;

#[cfg(not(target_arch = "wasm32"))]
use self::native as host;

/// Nanoseconds since the Unix epoch, like `event.time()`. It goes back when the host's clock is set back.
pub fn wall() -> u64 {
    host::wall()
}

/// The time since a moment before the instance was first called. It never goes back.
pub fn monotonic() -> Duration {
    Duration::from_nanos(host::monotonic())
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use self::native::set;

/// Stands in for the agent in a plugin's own unit tests: it is whenever a test has said.
#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::cell::Cell;

    std::thread_local! {
        static NOW: Cell<u64> = const { Cell::new(0) };
    }

    pub(crate) fn set(now: u64) {
        NOW.set(now);
    }

    pub(super) fn wall() -> u64 {
        NOW.get()
    }

    pub(super) fn monotonic() -> u64 {
        NOW.get()
    }
}
