//! The bounds of durations and sizes in the pipeline file.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Deserializer;
use serin_config::{count, duration, scalar, size, within};

use crate::{
    MAX_HASH_SIZE, MAX_HASH_WAIT, MAX_KV_BYTES, MAX_KV_KEYS, MAX_MEMORY, MAX_TIME, MAX_WORKERS, MIN_MEMORY,
    MIN_TIME,
};

/// `limits.memory`
pub(crate) fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    scalar(deserializer, |text| {
        // What does not fit is far out of bounds.
        let bytes = usize::try_from(size(text)?).unwrap_or(usize::MAX);
        within(bytes, MIN_MEMORY, MAX_MEMORY, |size| format!("{} KiB", size >> 10))
    })
}

/// `grants.kv.keys`
pub(crate) fn kv_keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    scalar(deserializer, |text| within(count(text)?, 1, MAX_KV_KEYS, |count| format!("{count} keys")))
}

/// `grants.kv.bytes`
pub(crate) fn kv_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    scalar(deserializer, |text| {
        let bytes = usize::try_from(size(text)?).unwrap_or(usize::MAX);
        within(bytes, 1 << 10, MAX_KV_BYTES, |size| format!("{} KiB", size >> 10))
    })
}

/// `grants.hash.wait`
pub(crate) fn hash_wait<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    scalar(deserializer, |text| {
        within(duration(text)?, Duration::ZERO, MAX_HASH_WAIT, |time| format!("{time:?}"))
    })
}

/// `grants.hash.maxSize`
pub(crate) fn hash_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    scalar(deserializer, |text| {
        within(size(text)?, 1 << 10, MAX_HASH_SIZE, |size| format!("{} KiB", size >> 10))
    })
}

/// `limits.time`
pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    scalar(deserializer, |text| within(duration(text)?, MIN_TIME, MAX_TIME, |time| format!("{time:?}")))
}

/// `workers`
pub(crate) fn workers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NonZeroUsize, D::Error> {
    scalar(deserializer, |text| {
        let workers = within(count(text)?, 1, MAX_WORKERS, |count| format!("{count} workers"));
        workers.map(|workers| NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN))
    })
}

/// `rollout.percent`
pub(crate) fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    scalar(deserializer, |text| {
        let percent = u8::try_from(count(text)?).unwrap_or(u8::MAX);
        within(percent, 0, 100, |percent| format!("{percent} of 100 hosts"))
    })
}

/// `rollout.rollback.failures`
pub(crate) fn rollback_failures<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    scalar(deserializer, |text| {
        let failures = u32::try_from(count(text)?).unwrap_or(u32::MAX);
        within(failures, 1, 1000, |failures| format!("{failures} failures"))
    })
}

/// `rate.per`, `rollout.rollback.per`
pub(crate) fn period<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let day = Duration::from_secs(24 * 3600);
    scalar(deserializer, move |text| within(duration(text)?, MIN_TIME, day, |time| format!("{time:?}")))
}
