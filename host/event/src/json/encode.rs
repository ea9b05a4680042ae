//! Writing JSON: objects, strings, numbers and times.

use base64::Engine;

/// An object that is being written. Keys are literals of serin's own and need no escaping.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    /// Opens an object.
    pub(super) fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Writes a key; the caller writes its value to what is returned.
    pub(super) fn key(&mut self, key: &'static str) -> &mut Vec<u8> {
        self.out.extend_from_slice(if self.empty { b"\"" } else { b",\"" });
        self.empty = false;
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Writes a string.
    pub(super) fn string(&mut self, key: &'static str, value: &str) {
        string(value, self.key(key));
    }

    /// Writes a string unless it is empty, like a protobuf field.
    pub(super) fn text(&mut self, key: &'static str, value: &str) {
        if !value.is_empty() {
            self.string(key, value);
        }
    }

    /// Writes a number.
    pub(super) fn number(&mut self, key: &'static str, value: impl itoa::Integer) {
        number(value, self.key(key));
    }

    /// Writes a 64-bit number: a string, as JavaScript would round it.
    pub(super) fn long(&mut self, key: &'static str, value: impl itoa::Integer) {
        let out = self.key(key);
        out.push(b'"');
        number(value, out);
        out.push(b'"');
    }

    /// Writes bytes: a string in base64.
    pub(super) fn bytes(&mut self, key: &'static str, value: &[u8]) {
        let out = self.key(key);
        out.push(b'"');
        out.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(value).as_bytes());
        out.push(b'"');
    }

    /// Writes a point in time, given in nanoseconds since the Unix epoch.
    pub(super) fn time(&mut self, key: &'static str, nanoseconds: u64) {
        let out = self.key(key);
        out.push(b'"');
        timestamp(nanoseconds, out);
        out.push(b'"');
    }

    /// Writes an array with one element for each item; nothing if there are none.
    pub(super) fn array<T>(
        &mut self,
        key: &'static str,
        items: impl IntoIterator<Item = T>,
        mut element: impl FnMut(T, &mut Vec<u8>),
    ) {
        let mut items = items.into_iter();
        let Some(first) = items.next() else { return };
        let out = self.key(key);
        out.push(b'[');
        element(first, out);
        for item in items {
            out.push(b',');
            element(item, out);
        }
        out.push(b']');
    }

    /// Closes the object.
    pub(super) fn close(self) {
        self.out.push(b'}');
    }
}

/// Appends a string in quotes.
pub(super) fn string(value: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escaped(value, out);
    out.push(b'"');
}

/// Appends a string, escaped as protojson and serde_json do: quotes, backslashes and control characters only.
pub(super) fn escaped(value: &str, out: &mut Vec<u8>) {
    let bytes = value.as_bytes();
    // Nearly no string needs escapes. Without an early exit the compiler checks 16 bytes at once.
    if !bytes.iter().fold(false, |found, byte| found | needs_escape(*byte)) {
        return out.extend_from_slice(bytes);
    }
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0x00..0x20 => {
                let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
}

const fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// Appends a number.
pub(super) fn number(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends nanoseconds since the Unix epoch as RFC 3339 in UTC, with 0, 3, 6 or 9 digits after the point, whichever
/// suffices: <https://protobuf.dev/reference/protobuf/google.protobuf/#timestamp>.
pub fn timestamp(nanoseconds: u64, out: &mut Vec<u8>) {
    let (seconds, fraction) = (nanoseconds / 1_000_000_000, (nanoseconds % 1_000_000_000) as u32);
    let (year, month, day) = date((seconds / 86_400) as u32);
    let second = (seconds % 86_400) as u32;
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    digits(year, &mut text[0..4]);
    digits(month, &mut text[5..7]);
    digits(day, &mut text[8..10]);
    digits(second / 3_600, &mut text[11..13]);
    digits(second / 60 % 60, &mut text[14..16]);
    digits(second % 60, &mut text[17..19]);
    digits(fraction, &mut text[20..29]);
    let end = match fraction {
        0 => 19,
        f if f.is_multiple_of(1_000_000) => 23,
        f if f.is_multiple_of(1_000) => 26,
        _ => 29,
    };
    text[end] = b'Z';
    out.extend_from_slice(&text[..=end]);
}

/// Year, month and day of a day since the Unix epoch.
/// <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>, for days after 1970 only.
fn date(days: u32) -> (u32, u32, u32) {
    // Years that begin in March end with the leap day, which makes months regular.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u32::from(month <= 2), month, day)
}

/// Fills the places with the number's last digits.
fn digits(mut value: u32, places: &mut [u8]) {
    for place in places.iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn timestamps_are_rfc3339_with_as_many_digits_as_needed() {
        for (nanoseconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_696_629_837_700_327_580, "2023-10-06T22:03:57.700327580Z"),
            (1_696_629_837_700_000_000, "2023-10-06T22:03:57.700Z"),
            (1_696_629_837_000_001_000, "2023-10-06T22:03:57.000001Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00Z"),
            (4_107_542_399_999_999_999, "2100-02-28T23:59:59.999999999Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ] {
            assert_eq!(written(|out| timestamp(nanoseconds, out)), expected);
        }
    }

    #[test]
    fn every_character_survives() {
        let all: String = ('\0'..='\u{2100}').chain(['\u{fffd}', '\u{10ffff}', '🐤']).collect();
        let json = written(|out| string(&all, out));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), all);
        assert_eq!(json, serde_json::to_string(&all).unwrap(), "escapes differ from serde_json's");
    }

    #[test]
    fn arrays_without_elements_are_left_out() {
        let json = written(|out| {
            let mut object = Object::open(out);
            object.array("none", [] as [u8; 0], number);
            object.array("some", [1, 2], number);
            object.long("long", u64::MAX);
            object.close();
        });
        assert_eq!(json, r#"{"some":[1,2],"long":"18446744073709551615"}"#);
    }
}
