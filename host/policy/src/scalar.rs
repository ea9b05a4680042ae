//! What the text of a scalar means.

/// What a scalar means by YAML 1.2's core schema; quoted ones are always strings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    Null,
    Boolean(bool),
    Number,
    String,
}

pub(crate) fn plain_kind(text: &str, plain: bool) -> Plain {
    match text {
        _ if !plain => Plain::String,
        "" | "~" | "null" | "Null" | "NULL" => Plain::Null,
        "true" | "True" | "TRUE" => Plain::Boolean(true),
        "false" | "False" | "FALSE" => Plain::Boolean(false),
        text if parse_integer(text).is_some() => Plain::Number,
        text if text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
            && text.contains(|character: char| character.is_ascii_digit())
            && text.parse::<f64>().is_ok() =>
        {
            Plain::Number
        }
        _ => Plain::String,
    }
}

/// Reads an integer as Tetragon does: decimal, `0x`, `0o` or leading `0` for octal, `0b`.
pub(crate) fn parse_integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(digits) = lower.strip_prefix("0x") {
        (16, digits)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (2, digits)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (8, digits)
    } else if let Some(digits) = lower.strip_prefix('0').filter(|digits| !digits.is_empty()) {
        (8, digits)
    } else {
        (10, lower.as_str())
    };
    // from_str_radix would take a second sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_tetragon_reads_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("0x1F", Some(31)),
            ("017", Some(15)),
            ("0o17", Some(15)),
            ("0b11", Some(3)),
            ("-0x1", Some(-1)),
            ("", None),
            ("--1", None),
            ("0x-1", None),
            ("08", None),
            ("1.0", None),
            ("99999999999999999999999999999999999999999999", None),
        ] {
            assert_eq!(parse_integer(text), expected, "{text:?}");
        }
    }

    #[test]
    fn unquoted_words_mean_what_yaml_1_2_says() {
        for (text, expected) in [
            ("~", Plain::Null),
            ("True", Plain::Boolean(true)),
            ("yes", Plain::String),
            ("12", Plain::Number),
            ("-1.5e3", Plain::Number),
            ("1.2.3", Plain::String),
            ("inf", Plain::String),
            ("-", Plain::String),
        ] {
            assert_eq!(plain_kind(text, true), expected, "{text:?}");
        }
        assert_eq!(plain_kind("12", false), Plain::String);
    }
}
