//! What plugins say, fit for a terminal and for one line of a log.

use crate::MAX_LOG_LINE;

/// A text in which nothing moves a cursor or begins a line, cut after 1024 bytes.
pub(crate) fn printable(text: &str) -> String {
    let text = text.get(..text.floor_char_boundary(MAX_LOG_LINE)).unwrap_or_default();
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // Which do nothing to a terminal.
            '\'' | '"' => printable.push(character),
            _ => printable.extend(character.escape_debug()),
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_nothing_else() {
        for (text, expected) in [
            ("can't be read: \"x\"", "can't be read: \"x\""),
            ("two\nlines\r", "two\\nlines\\r"),
            ("\u{1b}[31m red", "\\u{1b}[31m red"),
            ("a\\b", "a\\\\b"),
            ("über", "über"),
        ] {
            assert_eq!(printable(text), expected);
        }
        assert_eq!(printable(&"ä".repeat(1_000)), "ä".repeat(512));
    }
}
