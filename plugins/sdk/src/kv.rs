//! A few facts that the agent keeps for the plugin. A plugin that calls these needs `grants: { kv: {} }`.
//!
//! They outlive the instance, which a failure costs the plugin, and are there for a new version of it; they end with
//! the agent. State that may be lost with the instance belongs in the plugin's own fields: a call costs a hundred
//! nanoseconds and more.

use std::time::Duration;

#[cfg(target_arch = "wasm32")]
use crate::bindings::serin::plugin::kv as host;

#[cfg(not(target_arch = "wasm32"))]
use self::native as host;

/// Why nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The key is empty or has more than 256 bytes, or the value more than 64 KiB.
    TooLarge,
    /// There are as many keys or bytes as are granted.
    Full,
}

/// The value of a key, if it is there and its time has not passed.
pub fn get(key: &str) -> Option<Vec<u8>> {
    host::get(key)
}

/// Writes a value for good.
///
/// # Errors
/// If it is too large, or there is no room.
pub fn set(key: &str, value: &[u8]) -> Result<(), Refusal> {
    host::set(key, value, 0).map_err(refusal)
}

/// Writes a value that goes after this time, at least a millisecond.
///
/// # Errors
/// If it is too large, or there is no room.
pub fn set_for(key: &str, value: &[u8], time: Duration) -> Result<(), Refusal> {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    host::set(key, value, milliseconds).map_err(refusal)
}

/// Removes a key; whether it was there.
pub fn delete(key: &str) -> bool {
    host::delete(key)
}

fn refusal(refusal: host::Refusal) -> Refusal {
    match refusal {
        host::Refusal::TooLarge => Refusal::TooLarge,
        host::Refusal::Full => Refusal::Full,
    }
}

/// Stands in for the agent in a plugin's own unit tests: a store for each thread, in which time does not pass.
#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::cell::RefCell;
    use std::collections::HashMap;

    /// As in the bindings.
    #[derive(Debug)]
    pub(super) enum Refusal {
        TooLarge,
        Full,
    }

    const MAX_KEYS: usize = 4096;

    std::thread_local! {
        static STORE: RefCell<HashMap<String, Vec<u8>>> = RefCell::default();
    }

    pub(super) fn get(key: &str) -> Option<Vec<u8>> {
        STORE.with_borrow(|store| store.get(key).cloned())
    }

    pub(super) fn set(key: &str, value: &[u8], _: u64) -> Result<(), Refusal> {
        if key.is_empty() || key.len() > 256 || value.len() > 64 << 10 {
            return Err(Refusal::TooLarge);
        }
        STORE.with_borrow_mut(|store| {
            if store.len() >= MAX_KEYS && !store.contains_key(key) {
                return Err(Refusal::Full);
            }
            store.insert(key.to_owned(), value.to_owned());
            Ok(())
        })
    }

    pub(super) fn delete(key: &str) -> bool {
        STORE.with_borrow_mut(|store| store.remove(key).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stand_in_keeps_what_is_written() {
        assert_eq!(get("a"), None);
        assert_eq!(set("a", b"1"), Ok(()));
        assert_eq!(set_for("b", b"2", Duration::from_secs(1)), Ok(()));
        assert_eq!((get("a"), get("b")), (Some(b"1".to_vec()), Some(b"2".to_vec())));
        assert_eq!((delete("a"), delete("a")), (true, false));
        assert_eq!(
            (set("", b""), set("a", &[0; (64 << 10) + 1])),
            (Err(Refusal::TooLarge), Err(Refusal::TooLarge))
        );
    }
}
