//! RFC 3339 times, in UTC: <https://www.rfc-editor.org/rfc/rfc3339>.

/// Nanoseconds since the Unix epoch of a time like `2023-11-14T22:13:20.5Z`; nothing if it is none, or before 1970.
pub(super) fn parse(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z')?;
    let (date, time) = text.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [hour, minute, second] = numbers(whole, ':')?;
    let valid = (1970..=2554).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !valid || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds(fraction)?)
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let mut parts = text
        .split(separator)
        .map(|part| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

fn nanoseconds(fraction: &str) -> Option<u64> {
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{fraction:0<9}").parse().ok()
}

/// Days since the Unix epoch. <https://howardhinnant.github.io/date_algorithms.html#days_from_civil>, after 1970 only.
fn days(year: u64, month: u64, day: u64) -> u64 {
    // Years that begin in March end with the leap day.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn times_are_read_as_they_are_written() {
        for nanoseconds in [
            0,
            1_696_629_837_700_327_580,
            1_696_629_837_700_000_000,
            951_782_400_000_000_000,
            4_107_542_399_999_999_999,
            4_107_542_400_000_000_000,
            u64::MAX,
        ] {
            let mut text = Vec::new();
            crate::json::encode::timestamp(nanoseconds, &mut text);
            let text = String::from_utf8(text).unwrap_or_default();
            assert_eq!(parse(&text), Some(nanoseconds), "{text}");
        }
        for text in [
            "",
            "2023-11-14",
            "2023-13-14T00:00:00Z",
            "2023-11-14T22:13:20",
            "2023-11-14T22:13:20.x5Z",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
