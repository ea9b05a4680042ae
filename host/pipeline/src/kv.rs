//! What the host keeps for one plugin: a few facts that outlive its instance.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::quantity;
use crate::{MAX_KV_KEY, MAX_KV_VALUE};

/// `grants.kv`: how much may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct KvGrant {
    /// Keys; default 4096, at most 65536.
    #[serde(deserialize_with = "quantity::kv_keys")]
    pub keys: usize,
    /// Bytes of all keys and values; default 1 MiB, at most 64 MiB.
    #[serde(deserialize_with = "quantity::kv_bytes")]
    pub bytes: usize,
    /// They outlive the agent.
    pub persist: bool,
}

impl Default for KvGrant {
    fn default() -> Self {
        Self { keys: 4096, bytes: 1 << 20, persist: false }
    }
}

/// Why nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    TooLarge,
    Full,
}

/// Keys and values of one plugin.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kv {
    values: HashMap<Arc<str>, Value>,
    /// Of all keys and values.
    bytes: usize,
    /// When the next value goes, or earlier.
    next_expiry: Option<Instant>,
    /// Writes that were refused.
    pub(crate) refused: u64,
    /// Since the last [`Kv::changes`].
    changed: bool,
}

/// A key and its value, as they are kept elsewhere.
#[derive(Debug)]
pub(crate) struct Fact {
    pub(crate) key: Arc<str>,
    pub(crate) value: Arc<[u8]>,
    /// How long it is still kept; for good without.
    pub(crate) left: Option<Duration>,
}

#[derive(Debug, Clone)]
struct Value {
    bytes: Arc<[u8]>,
    expiry: Option<Instant>,
}

impl Value {
    fn lives(&self, now: Instant) -> bool {
        self.expiry.is_none_or(|expiry| now < expiry)
    }
}

impl Kv {
    /// These, and how many of them were beyond the grant.
    pub(crate) fn of(facts: Vec<Fact>, grant: KvGrant, now: Instant) -> (Self, usize) {
        let (mut kv, mut left_out) = (Self::default(), 0);
        for Fact { key, value, left } in facts {
            match kv.check(grant, &key, value.len(), now) {
                Ok(()) => kv.insert(&key, value, left.unwrap_or_default(), now),
                Err(_) => left_out += 1,
            }
        }
        (Self { changed: left_out > 0, ..kv }, left_out)
    }

    /// All that is there, if anything has changed since the last time. Keys and values are shared, not copied.
    pub(crate) fn changes(&mut self, now: Instant) -> Option<Vec<Fact>> {
        let fact = |(key, value): (&Arc<str>, &Value)| Fact {
            key: Arc::clone(key),
            value: Arc::clone(&value.bytes),
            left: value.expiry.map(|expiry| expiry.saturating_duration_since(now)),
        };
        let lives = |(_, value): &(&Arc<str>, &Value)| value.lives(now);
        std::mem::take(&mut self.changed).then(|| self.values.iter().filter(lives).map(fact).collect())
    }

    /// Has the next [`Kv::changes`] tell all.
    pub(crate) fn change(&mut self) {
        self.changed = true;
    }

    pub(crate) fn get(&self, key: &str, now: Instant) -> Option<&[u8]> {
        self.values.get(key).filter(|value| value.lives(now)).map(|value| &*value.bytes)
    }

    /// `ttl` of zero: for good.
    pub(crate) fn set(
        &mut self,
        grant: KvGrant,
        key: &str,
        bytes: Vec<u8>,
        ttl: Duration,
        now: Instant,
    ) -> Result<(), Refusal> {
        let result = self.check(grant, key, bytes.len(), now);
        if result.is_err() {
            self.refused += 1;
            return result;
        }
        self.insert(key, bytes.into(), ttl, now);
        Ok(())
    }

    fn insert(&mut self, key: &str, bytes: Arc<[u8]>, ttl: Duration, now: Instant) {
        self.delete(key, now);
        // A time that can't be counted to is for good.
        let expiry = if ttl.is_zero() { None } else { now.checked_add(ttl) };
        self.next_expiry = match (self.next_expiry, expiry) {
            (Some(next), Some(expiry)) => Some(next.min(expiry)),
            (next, expiry) => next.or(expiry),
        };
        self.bytes += key.len() + bytes.len();
        self.values.insert(key.into(), Value { bytes, expiry });
        self.changed = true;
    }

    fn check(&mut self, grant: KvGrant, key: &str, length: usize, now: Instant) -> Result<(), Refusal> {
        if key.is_empty() || key.len() > MAX_KV_KEY || length > MAX_KV_VALUE {
            return Err(Refusal::TooLarge);
        }
        if self.fits(grant, key, length) {
            return Ok(());
        }
        self.forget_expired(now);
        if self.fits(grant, key, length) { Ok(()) } else { Err(Refusal::Full) }
    }

    fn fits(&self, grant: KvGrant, key: &str, length: usize) -> bool {
        let replaced = self.values.get(key).map(|value| key.len() + value.bytes.len());
        let keys = self.values.len() + usize::from(replaced.is_none());
        keys <= grant.keys && self.bytes - replaced.unwrap_or(0) + key.len() + length <= grant.bytes
    }

    /// Whether it was there.
    pub(crate) fn delete(&mut self, key: &str, now: Instant) -> bool {
        let Some(value) = self.values.remove(key) else { return false };
        self.bytes -= key.len() + value.bytes.len();
        self.changed = true;
        value.lives(now)
    }

    /// Looks at every key, but only if there is one to go: a plugin that writes beyond its grant must not make each
    /// write dear.
    fn forget_expired(&mut self, now: Instant) {
        if self.next_expiry.is_none_or(|next| now < next) {
            return;
        }
        self.values.retain(|key, value| {
            let lives = value.lives(now);
            if !lives {
                self.bytes -= key.len() + value.bytes.len();
            }
            lives
        });
        self.next_expiry = self.values.values().filter_map(|value| value.expiry).min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOR_GOOD: Duration = Duration::ZERO;

    #[test]
    fn keys_bytes_and_sizes_are_bounded() {
        let (mut kv, now) = (Kv::default(), Instant::now());
        let grant = KvGrant { keys: 2, bytes: 10, persist: false };
        let mut set = |key: &str, length| kv.set(grant, key, vec![0; length], FOR_GOOD, now);
        assert_eq!(set("", 1), Err(Refusal::TooLarge));
        assert_eq!(set(&"k".repeat(MAX_KV_KEY + 1), 1), Err(Refusal::TooLarge));
        assert_eq!(set("a", MAX_KV_VALUE + 1), Err(Refusal::TooLarge));
        assert_eq!(set("a", 10), Err(Refusal::Full));
        assert_eq!(set("a", 9), Ok(()));
        assert_eq!(set("b", 1), Err(Refusal::Full));
        assert_eq!(set("a", 4), Ok(()));
        assert_eq!(set("b", 4), Ok(()));
        assert_eq!(set("c", 0), Err(Refusal::Full));
        assert_eq!(kv.refused, 6);
        assert!(kv.delete("a", now) && !kv.delete("a", now));
        assert_eq!((kv.bytes, kv.get("b", now)), (5, Some(&[0; 4][..])));
    }

    #[test]
    fn values_go_when_their_time_has_passed() {
        let (mut kv, start) = (Kv::default(), Instant::now());
        let grant = KvGrant { keys: 2, bytes: 100, persist: false };
        let second = Duration::from_secs(1);
        for key in ["short", "long"] {
            let ttl = if key == "short" { second } else { 3 * second };
            assert_eq!(kv.set(grant, key, vec![1], ttl, start), Ok(()));
        }
        assert_eq!(kv.set(grant, "more", vec![1], FOR_GOOD, start), Err(Refusal::Full));
        let later = start + 2 * second;
        assert_eq!((kv.get("short", later), kv.get("long", later)), (None, Some(&[1][..])));
        assert_eq!(kv.set(grant, "more", vec![1], FOR_GOOD, later), Ok(()));
        assert!(kv.delete("long", later));
        assert_eq!(kv.get("more", start + 1000 * second), Some(&[1][..]));
    }
}
