//! Durations in configurations, as the pipeline file writes them.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// Reads `20ms`, `5s`, `1m` or `2h`: `#[serde(deserialize_with = "serin_plugin::duration")]`.
///
/// # Errors
/// If it is anything else; the error says what to write.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| {
        let message =
            format!("`{text}` is not a duration: write a whole number with ms, s, m or h, like `5s`");
        serde::de::Error::custom(message)
    })
}

fn parse(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let milliseconds = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(milliseconds).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("20ms", Some(20)),
            ("5s", Some(5_000)),
            ("1 m", Some(60_000)),
            ("2h", Some(7_200_000)),
            ("5", None),
            ("", None),
            ("1.5s", None),
            ("18446744073709551615h", None),
        ] {
            assert_eq!(parse(text).map(|time| time.as_millis()), milliseconds, "{text}");
        }
    }
}
