//! Durations and sizes as people write them: `250ms`, `5s`, `1m`, `64KiB`.

use std::fmt::{self, Display};
use std::time::Duration;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Reads a duration: a whole number and `ms`, `s`, `m` or `h`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration: write a whole number with ms, s, m or h, like `5s`");
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(wrong)
}

/// Reads a size in bytes: a whole number, alone or with `B`, `KiB` or `MiB`.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size: write a whole number with B, KiB or MiB, like `64KiB`");
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let bytes = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return Err(wrong()),
    };
    number.checked_mul(bytes).ok_or_else(wrong)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// How long one action may take: 1 ms to 60 s.
pub(crate) fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parsed(deserializer, |text| duration_within(text, Duration::from_millis(1), Duration::from_secs(60)))
}

/// A period to count over: 1 ms to 24 h.
pub(crate) fn period<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parsed(deserializer, |text| {
        duration_within(text, Duration::from_millis(1), Duration::from_secs(24 * 3600))
    })
}

/// A window in which repeats are held back: 0 (off) to 24 h.
pub(crate) fn window<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parsed(deserializer, |text| duration_within(text, Duration::ZERO, Duration::from_secs(24 * 3600)))
}

/// A size up to 1 MiB.
pub(crate) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    parsed(deserializer, |text| within(parse_size(text)?, 0, 1 << 20, "bytes"))
}

/// How many actions run at once: 1 to 256.
pub(crate) fn concurrency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    parsed(deserializer, |text| within(parse_count(text)?, 1, 256, "actions at once"))
}

/// How many actions wait: 1 to 65536.
pub(crate) fn queue<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    parsed(deserializer, |text| within(parse_count(text)?, 1, 65_536, "waiting actions"))
}

fn parse_count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number"))
}

fn duration_within(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    within(duration.as_millis(), least.as_millis(), most.as_millis(), "ms")?;
    Ok(duration)
}

fn within<T: PartialOrd + Display>(value: T, least: T, most: T, unit: &str) -> Result<T, String> {
    if value < least || value > most {
        return Err(format!("{value} {unit} is out of bounds: allowed are {least} to {most}"));
    }
    Ok(value)
}

/// Reads a scalar with `parse`.
///
/// By way of a visitor, because only then does the YAML reader put the
/// scalar's own line and column on the error. A bare number is text too, so
/// that its error can say which units there are.
pub(crate) fn parsed<'de, D, T>(deserializer: D, parse: fn(&str) -> Result<T, String>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    struct Scalar<T>(fn(&str) -> Result<T, String>);

    impl<T> Visitor<'_> for Scalar<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a single value")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.0)(text).map_err(E::custom)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }
    }

    deserializer.deserialize_any(Scalar(parse))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn durations() {
        for (text, milliseconds) in
            [("250ms", Some(250)), ("5s", Some(5_000)), ("1m", Some(60_000)), ("2 h", Some(7_200_000))]
        {
            assert_eq!(parse_duration(text).ok().map(|d| d.as_millis()), milliseconds, "{text}");
        }
        for text in ["", "5", "s", "-1s", "1.5s", "5 sec", "99999999999999999999s", "18446744073709551615h"] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.contains(&format!("`{text}` is not a duration")), "{error}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [("0", 0), ("17B", 17), ("64KiB", 65_536), ("1 MiB", 1_048_576)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "1kb", "1GiB", "-1", "18446744073709551615MiB"] {
            let error = parse_size(text).unwrap_err();
            assert!(error.contains(&format!("`{text}` is not a size")), "{error}");
        }
    }
}
