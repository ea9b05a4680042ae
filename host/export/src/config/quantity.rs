//! The bounds of values in a sink's entry.

use std::time::Duration;

use serde::Deserializer;
use serin_config::{count, duration, scalar, size, within};

use super::kind::Sync;
use crate::queue::Overflow;

/// `overflow`
pub(super) fn overflow<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Overflow>, D::Error> {
    scalar(deserializer, |text| match text {
        "block" => Ok(Some(Overflow::Block)),
        "drop" => Ok(Some(Overflow::Drop)),
        _ => Err(format!("`{text}` is not known: write `block` or `drop`")),
    })
}

/// `queue`: 1 to 1048576 events.
pub(super) fn queue<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    scalar(deserializer, |text| {
        within(count(text)?, 1, 1 << 20, |count| format!("{count} waiting events")).map(Some)
    })
}

/// `rotate.size`: 64 KiB to 1024 GiB.
pub(super) fn file_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    scalar(deserializer, |text| {
        within(size(text)?, 64 << 10, 1 << 40, |size| format!("{} KiB", size >> 10)).map(Some)
    })
}

/// `rotate.age`: 1 s to 365 d.
pub(super) fn age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let year = Duration::from_secs(365 * 86_400);
    scalar(deserializer, move |text| {
        within(duration(text)?, Duration::from_secs(1), year, |age| format!("{} s", age.as_secs())).map(Some)
    })
}

/// `rotate.keep`: 1 to 10000 files.
pub(super) fn keep<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    scalar(deserializer, |text| within(count(text)?, 1, 10_000, |count| format!("{count} files")).map(Some))
}

/// `rotate.compress`
pub(super) fn compress<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    scalar(deserializer, |text| match text {
        "gzip" => Ok(true),
        "none" => Ok(false),
        _ => Err(format!("`{text}` is not known: write `gzip` or `none`")),
    })
}

/// `mode`: four octal digits in quotes, writable by the agent.
pub(super) fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    scalar(deserializer, |text| {
        let wrong = || format!("`{text}` is not a mode: write octal digits in quotes, like \"0640\"");
        let mode = text.starts_with('0').then(|| u32::from_str_radix(text, 8).ok()).flatten();
        let mode = mode.filter(|mode| *mode <= 0o777).ok_or_else(wrong)?;
        if mode & 0o600 != 0o600 || mode & 0o113 != 0 {
            return Err(format!(
                "`{text}`: the agent must read and write the file, nobody may execute it, and others may not write it"
            ));
        }
        Ok(mode)
    })
}

/// `sync`: `never`, `always`, or a duration of 100 ms to 1 h.
pub(super) fn sync<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Sync, D::Error> {
    scalar(deserializer, |text| match text {
        "never" => Ok(Sync::Never),
        "always" => Ok(Sync::Always),
        _ => {
            let interval = duration(text).map_err(|error| format!("{error}, `always` or `never`"))?;
            let (least, most) = (Duration::from_millis(100), Duration::from_secs(3600));
            within(interval, least, most, show).map(Sync::Every)
        }
    })
}

/// `batch`: 1 to 10000 events.
pub(super) fn batch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    scalar(deserializer, |text| {
        within(count(text)?, 1, 10_000, |count| format!("{count} events in a request"))
    })
}

/// `linger`: 0 to 1 m.
pub(super) fn linger<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    scalar(deserializer, |text| milliseconds(text, Duration::ZERO, Duration::from_secs(60)))
}

/// `timeout`: 100 ms to 5 m.
pub(super) fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    scalar(deserializer, |text| milliseconds(text, Duration::from_millis(100), Duration::from_secs(300)))
}

fn milliseconds(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    within(duration(text)?, least, most, show)
}

fn show(time: &Duration) -> String {
    format!("{} ms", time.as_millis())
}
