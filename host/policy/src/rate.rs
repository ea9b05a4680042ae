//! Reads `rateLimit` and `rateLimitScope`.

use crate::diagnostic::quote;
use crate::fields::{Field, Fields, is_default};
use crate::report::Report;
use crate::schema::RATE_SCOPES;
use crate::{RateLimit, RateScope};

const SECOND: u64 = 1_000_000_000;

/// What a number can be followed by, and how many seconds it then counts.
const UNITS: [(char, u64); 3] = [('s', 1), ('m', 60), ('h', 3600)];

/// Reads the limit of an action `Post`, if it has one; `None` if something was refused.
pub(crate) fn read(post: &Fields<'_>, report: &mut Report<'_>) -> Option<Option<RateLimit>> {
    let given = |name| post.get(name).filter(|field| !is_default(field.node));
    let (limit, scope) = (given("rateLimit"), given("rateLimitScope"));
    let words = scope.map_or(Some(RateScope::Thread), |scope| scope.word(&RATE_SCOPES, report));
    match (limit, scope) {
        (Some(limit), _) => {
            let period = read_period(limit, report);
            Some(Some(RateLimit { period: period?, scope: words? }))
        }
        (None, Some(scope)) => {
            report.error_with_help(
                scope.span(),
                "`rateLimitScope` without `rateLimit`",
                "add `rateLimit: 1m`",
            );
            None
        }
        (None, None) => Some(None),
    }
}

/// Nanoseconds.
fn read_period(limit: Field<'_>, report: &mut Report<'_>) -> Option<u64> {
    let text = limit.text(report)?;
    let period = parse(text);
    if period.is_none() {
        let message = format!("{} is not a period", quote(text));
        let help = "write a whole number of seconds, minutes or hours from 1 on, such as `30s`, `5m` or `1h`";
        report.error_with_help(limit.span(), message, help);
    }
    period
}

/// Nanoseconds of `5`, `5s`, `5m` or `5h`; not of 0, nor of more than 64 bits hold.
fn parse(text: &str) -> Option<u64> {
    let unit = UNITS.iter().find_map(|&(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
    let (number, seconds) = unit.unwrap_or((text, 1));
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok().filter(|&number| number > 0)?;
    number.checked_mul(seconds)?.checked_mul(SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_numbers_with_units() {
        for (text, seconds) in
            [("1", 1), ("5s", 5), ("30m", 1800), ("2h", 7200), ("18446744073", 18_446_744_073)]
        {
            assert_eq!(parse(text), Some(seconds * SECOND), "{text}");
        }
        for text in
            ["", "0", "0s", "s", "-1", "+1", "1.5s", "1 s", "1ms", "1d", "5S", "18446744074", "99999999999h"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
