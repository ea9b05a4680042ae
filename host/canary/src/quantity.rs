//! The bounds of durations, sizes and counts in `spec.canary`.

use std::time::Duration;

use serde::Deserializer;
use serin_config::{count, scalar, within};

/// How long one action may take: 1 ms to 60 s.
pub(crate) fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    scalar(deserializer, |text| duration(text, Duration::from_millis(1), Duration::from_secs(60)))
}

/// A period to count over: 1 ms to 24 h.
pub(crate) fn period<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    scalar(deserializer, |text| duration(text, Duration::from_millis(1), Duration::from_secs(24 * 3600)))
}

/// A window in which repeats are held back: 0 (off) to 24 h.
pub(crate) fn window<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    scalar(deserializer, |text| duration(text, Duration::ZERO, Duration::from_secs(24 * 3600)))
}

/// A size up to 1 MiB.
pub(crate) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    scalar(deserializer, |text| within(serin_config::size(text)?, 0, 1 << 20, |size| format!("{size} bytes")))
}

/// How often an action is done again: 0 to 10.
pub(crate) fn retries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    scalar(deserializer, |text| {
        let times = u32::try_from(count(text)?).unwrap_or(u32::MAX);
        within(times, 0, 10, |count| format!("{count} retries"))
    })
}

/// How many actions run at once: 1 to 256.
pub(crate) fn concurrency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    scalar(deserializer, |text| within(count(text)?, 1, 256, |count| format!("{count} actions at once")))
}

/// How many actions wait: 1 to 65536.
pub(crate) fn queue<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    scalar(deserializer, |text| within(count(text)?, 1, 65_536, |count| format!("{count} waiting actions")))
}

/// A share of what there is: 1% to 100%.
pub(crate) fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    scalar(deserializer, |text| {
        let number = text.strip_suffix('%').and_then(|number| count(number.trim_end()).ok());
        let number =
            number.ok_or_else(|| format!("`{text}` is not a share: write a percentage like `25%`"))?;
        within(u8::try_from(number).unwrap_or(u8::MAX), 1, 100, |share| format!("{share} %"))
    })
}

fn duration(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    within(serin_config::duration(text)?, least, most, |duration| format!("{} ms", duration.as_millis()))
}
