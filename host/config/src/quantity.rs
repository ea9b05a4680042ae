//! Durations, sizes and counts: `250ms`, `5s`, `24h`, `64KiB`, `100`.

use std::fmt::Display;
use std::time::Duration;

/// Reads a duration: a whole number and `ms`, `s`, `m`, `h` or `d`.
///
/// # Errors
/// It is none.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("`{text}` is not a duration: write a whole number with ms, s, m, h or d, like `5s`");
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(wrong)
}

/// Reads a size in bytes: a whole number, alone or with `B`, `KiB`, `MiB` or `GiB`.
///
/// # Errors
/// It is none.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("`{text}` is not a size: write a whole number with B, KiB, MiB or GiB, like `16MiB`");
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let bytes = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(bytes).ok_or_else(wrong)
}

/// Reads a whole number.
///
/// # Errors
/// It is none.
pub fn count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number"))
}

/// Hands a value on if it is within bounds, which `show` writes for the message.
///
/// # Errors
/// It is not.
pub fn within<T: PartialOrd, S: Display>(
    value: T,
    least: T,
    most: T,
    show: impl Fn(&T) -> S,
) -> Result<T, String> {
    if value < least || value > most {
        let (value, least, most) = (show(&value), show(&least), show(&most));
        return Err(format!("{value} is out of bounds: allowed are {least} to {most}"));
    }
    Ok(value)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn durations() {
        for (text, milliseconds) in
            [("250ms", 250), ("5s", 5_000), ("1m", 60_000), ("2 h", 7_200_000), ("7d", 604_800_000)]
        {
            assert_eq!(duration(text).unwrap().as_millis(), milliseconds, "{text}");
        }
        for text in ["", "5", "s", "-1s", "1.5s", "5 sec", "99999999999999999999s", "18446744073709551615h"] {
            let error = duration(text).unwrap_err();
            assert!(error.starts_with(&format!("`{text}` is not a duration")), "{error}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("0", 0), ("17B", 17), ("64KiB", 65_536), ("1 MiB", 1_048_576), ("2GiB", 2 << 30)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "1kb", "16M", "1TiB", "-1", "18446744073709551615MiB"] {
            let error = size(text).unwrap_err();
            assert!(error.starts_with(&format!("`{text}` is not a size")), "{error}");
        }
    }

    #[test]
    fn bounds_are_part_of_what_they_bound() {
        let check = |value| within(value, 2, 4, |number| format!("{number} apples"));
        assert_eq!([2, 3, 4].map(check), [Ok(2), Ok(3), Ok(4)]);
        assert_eq!(check(5).unwrap_err(), "5 apples is out of bounds: allowed are 2 apples to 4 apples");
        assert!(check(1).is_err());
    }
}
