//! Durations and sizes as people write them: `20ms`, `1m`, `16MiB`.

use std::fmt::{self, Display};
use std::time::Duration;

use serde::Deserializer;
use serde::de::{Error, Visitor};

use crate::{MAX_MEMORY, MAX_TIME, MIN_MEMORY, MIN_TIME};

/// A whole number and `ms`, `s`, `m` or `h`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("`{text}` is not a duration: write a whole number with ms, s, m or h, like `20ms`");
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

/// A whole number and `KiB` or `MiB`.
fn parse_size(text: &str) -> Result<usize, String> {
    let wrong = || format!("`{text}` is not a size: write a whole number with KiB or MiB, like `16MiB`");
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let unit = match unit {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).and_then(|bytes| usize::try_from(bytes).ok()).ok_or_else(wrong)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// `limits.memory`
pub(crate) fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    scalar(deserializer, |text| {
        within(parse_size(text)?, MIN_MEMORY, MAX_MEMORY, |size| format!("{} KiB", size >> 10))
    })
}

/// `limits.time`
pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    scalar(deserializer, |text| within(parse_duration(text)?, MIN_TIME, MAX_TIME, |time| format!("{time:?}")))
}

/// `rate.per`
pub(crate) fn period<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let day = Duration::from_secs(24 * 3600);
    scalar(deserializer, move |text| within(parse_duration(text)?, MIN_TIME, day, |time| format!("{time:?}")))
}

fn within<T: PartialOrd>(value: T, least: T, most: T, show: fn(&T) -> String) -> Result<T, String> {
    if value < least || value > most {
        let (value, least, most) = (show(&value), show(&least), show(&most));
        return Err(format!("{value} is out of bounds: allowed are {least} to {most}"));
    }
    Ok(value)
}

/// Reads a scalar with `parse`.
///
/// By way of a visitor, because only then does the YAML reader put the
/// scalar's own line and column on the error. A bare number is text too, so
/// that its error can say which units there are.
pub(crate) fn scalar<'de, D, T, E>(
    deserializer: D,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: Display,
{
    struct Scalar<F>(F);

    impl<T, E: Display, F: FnOnce(&str) -> Result<T, E>> Visitor<'_> for Scalar<F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a single value")
        }

        fn visit_str<E2: Error>(self, text: &str) -> Result<T, E2> {
            (self.0)(text).map_err(E2::custom)
        }

        fn visit_u64<E2: Error>(self, number: u64) -> Result<T, E2> {
            self.visit_str(&number.to_string())
        }

        fn visit_i64<E2: Error>(self, number: i64) -> Result<T, E2> {
            self.visit_str(&number.to_string())
        }

        fn visit_f64<E2: Error>(self, number: f64) -> Result<T, E2> {
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
    fn durations_and_sizes() {
        assert_eq!(parse_duration("20ms").unwrap(), Duration::from_millis(20));
        assert_eq!(parse_duration("2 h").unwrap(), Duration::from_secs(7200));
        assert_eq!(parse_size("16MiB").unwrap(), 16 << 20);
        for text in ["", "5", "s", "-1s", "1.5s", "18446744073709551615h"] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.starts_with(&format!("`{text}` is not a duration")), "{error}");
        }
        for text in ["", "16", "16M", "-1KiB", "18446744073709551615MiB"] {
            let error = parse_size(text).unwrap_err();
            assert!(error.starts_with(&format!("`{text}` is not a size")), "{error}");
        }
    }
}
