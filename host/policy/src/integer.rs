//! Reads the values of `matchArgs` on integers.

use std::ops::RangeInclusive;

use serin_event::names::{BPF_COMMANDS, CAPABILITIES, Words};

use crate::diagnostic::quote;
use crate::fields::Field;
use crate::lists::{self, Lists};
use crate::report::Report;
use crate::scalar::parse_integer;
use crate::schema::Relation;
use crate::selector::read_each;
use crate::{ArgumentKind, Test};

type Range = RangeInclusive<i128>;

/// What a filter's values mean for an argument of an integer type; not for relations of texts.
pub(crate) fn read(
    values: Field<'_>,
    relation: Relation,
    kind: ArgumentKind,
    lists: Option<&Lists>,
    report: &mut Report<'_>,
) -> Option<Test> {
    let all = domain(kind);
    let may_be_ranges = matches!(relation, Relation::InMap | Relation::InRange);
    let may_be_lists = matches!(relation, Relation::InMap | Relation::Equal);
    let ranges = read_each(values, report, |item, report| {
        let text = item.text(report)?;
        if let Some(name) = text.strip_prefix("list:").filter(|_| may_be_lists) {
            let numbers = lists::numbers(name, item.span(), kind, lists?, report)?;
            return Some(numbers.into_iter().map(|number| number..=number).collect());
        }
        let (first, last) = match text.split_once(':').filter(|_| may_be_ranges) {
            Some((first, last)) => {
                (number(item, first, kind, &all, report)?, number(item, last, kind, &all, report)?)
            }
            None if relation == Relation::InRange => {
                let message = format!("{} is not a range", quote(text));
                report.error_with_help(item.span(), message, "write it as `min:max`");
                return None;
            }
            None => {
                let number = number(item, text, kind, &all, report)?;
                (number, number)
            }
        };
        if first > last {
            report.error(item.span(), format!("{} is empty: it ends before it starts", quote(text)));
            return None;
        }
        Some(vec![first..=last])
    })?;
    Some(test(relation, &ranges.concat(), &all))
}

fn test(relation: Relation, ranges: &[Range], all: &Range) -> Test {
    let starts = || ranges.iter().map(|range| *range.start());
    match relation {
        // Of several bounds, any may hold: the weakest decides.
        Relation::Greater => {
            Test::IntRanges(as_bits(&[starts().min().unwrap_or(*all.end()) + 1..=*all.end()]))
        }
        Relation::Less => {
            Test::IntRanges(as_bits(&[*all.start()..=starts().max().unwrap_or(*all.start()) - 1]))
        }
        // Values are whole masks; bits above the argument's width meet the copies of a sign bit.
        Relation::Mask => {
            let width_mask = (*all.end() - *all.start()) as u64;
            Test::IntMask(starts().fold(0, |mask, value| mask | value as u64) & width_mask)
        }
        _ if ranges.iter().all(|range| range.start() == range.end()) => {
            // Above i64::MAX only the bits matter: the kernel compares them.
            Test::IntEqual(starts().map(|value| value as i64).collect())
        }
        _ => Test::IntRanges(as_bits(ranges)),
    }
}

/// The values of a type.
fn domain(kind: ArgumentKind) -> Range {
    let signed = |bits: u32| -(1 << (bits - 1))..=(1 << (bits - 1)) - 1;
    let unsigned = |bits: u32| 0..=(1 << bits) - 1;
    match kind {
        ArgumentKind::Int8 => signed(8),
        ArgumentKind::Int16 => signed(16),
        ArgumentKind::Int | ArgumentKind::Capability | ArgumentKind::BpfCmd => signed(32),
        ArgumentKind::Long => signed(64),
        ArgumentKind::Uint8 => unsigned(8),
        ArgumentKind::Uint16 => unsigned(16),
        ArgumentKind::Uint => unsigned(32),
        _ => unsigned(64),
    }
}

fn number(
    item: Field<'_>,
    text: &str,
    kind: ArgumentKind,
    all: &Range,
    report: &mut Report<'_>,
) -> Option<i128> {
    let number =
        parse_integer(text.trim()).or_else(|| named(text, kind)).filter(|number| all.contains(number));
    if number.is_none() {
        let message = format!("{} is not a whole number from {} to {}", quote(text), all.start(), all.end());
        let help = match kind {
            ArgumentKind::Capability => "or write the name of a capability, such as `CAP_SYS_ADMIN`",
            ArgumentKind::BpfCmd => "or write the name of a command, such as `BPF_PROG_LOAD`",
            _ if kind.is_capability_set() => {
                "or write the names of capabilities with commas, such as `CAP_BPF,CAP_SYS_ADMIN`"
            }
            _ => "that is the range of the argument's type",
        };
        report.error_with_help(item.span(), message, help);
    }
    number
}

/// The number that a name stands for; that of a set of capabilities for names with commas.
fn named(text: &str, kind: ArgumentKind) -> Option<i128> {
    let position = |words: Words, text: &str| words.iter().position(|&word| word == text);
    // Tetragon calls one of them without CAP_.
    let capability = |text: &str| {
        let text = text.trim().to_ascii_uppercase();
        position(CAPABILITIES, if text == "CAP_DAC_OVERRIDE" { "DAC_OVERRIDE" } else { &text })
    };
    match kind {
        ArgumentKind::Capability => capability(text).map(|number| number as i128),
        ArgumentKind::BpfCmd => position(BPF_COMMANDS, text).map(|number| number as i128),
        _ if kind.is_capability_set() => {
            text.split(',').try_fold(0, |set, name| Some(set | 1 << capability(name)?))
        }
        _ => None,
    }
}

/// The ranges of 64-bit patterns, sign-extended, that stand for ranges of numbers: ascending and disjoint.
fn as_bits(ranges: &[Range]) -> Vec<RangeInclusive<u64>> {
    let mut bits: Vec<(u64, u64)> = vec![];
    for range in ranges.iter().filter(|range| !range.is_empty()) {
        let (first, last) = (*range.start(), *range.end());
        // Negative numbers are the upper half of all patterns.
        if first < 0 {
            bits.push((first as u64, last.min(-1) as u64));
        }
        if last >= 0 {
            bits.push((first.max(0) as u64, last as u64));
        }
    }
    merge_bits(bits)
}

/// [`merge`] of numbers of 64 bits.
pub(crate) fn merge_bits(ranges: Vec<(u64, u64)>) -> Vec<RangeInclusive<u64>> {
    let ranges = ranges.into_iter().map(|(first, last)| (first.into(), last.into())).collect();
    merge(ranges).into_iter().map(|range| *range.start() as u64..=*range.end() as u64).collect()
}

/// Ranges in ascending order, those that touch made one.
pub(crate) fn merge(mut ranges: Vec<(u128, u128)>) -> Vec<RangeInclusive<u128>> {
    ranges.sort_unstable();
    let mut merged: Vec<(u128, u128)> = vec![];
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    merged.into_iter().map(|(first, last)| first..=last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_become_ascending_patterns() {
        let minus = |number: i64| -number as u64;
        for (ranges, expected) in [
            (vec![], vec![]),
            (vec![5..=9, 1..=3], vec![1..=3, 5..=9]),
            (vec![5..=9, 1..=4, 7..=20], vec![1..=20]),
            (vec![-5..=-2], vec![minus(5)..=minus(2)]),
            (vec![-5..=3], vec![0..=3, minus(5)..=u64::MAX]),
            (vec![0..=i128::from(u64::MAX)], vec![0..=u64::MAX]),
            #[allow(clippy::reversed_empty_ranges, reason = "an empty range is a case")]
            (vec![3..=2], vec![]),
        ] {
            assert_eq!(as_bits(&ranges), expected, "{ranges:?}");
        }
    }

    #[test]
    fn relations_become_tests_at_the_width_of_the_type() {
        let minus = |number: i64| -number as u64;
        let one = |value: i128| vec![value..=value];
        for (relation, ranges, kind, expected) in [
            (Relation::Greater, vec![3..=3, 1..=1], ArgumentKind::Uint8, Test::IntRanges(vec![2..=255])),
            (Relation::Greater, one(255), ArgumentKind::Uint8, Test::IntRanges(vec![])),
            (Relation::Greater, one(-1), ArgumentKind::Int16, Test::IntRanges(vec![0..=0x7fff])),
            (Relation::Less, one(-1), ArgumentKind::Int8, Test::IntRanges(vec![minus(128)..=minus(2)])),
            (Relation::Less, one(0), ArgumentKind::Size, Test::IntRanges(vec![])),
            (Relation::Mask, vec![1..=1, 4..=4], ArgumentKind::Int, Test::IntMask(5)),
            (Relation::Mask, one(-1), ArgumentKind::Int8, Test::IntMask(0xff)),
            (Relation::InMap, one(-1), ArgumentKind::Long, Test::IntEqual(vec![-1])),
            (Relation::InMap, vec![1..=1, 3..=4], ArgumentKind::Long, Test::IntRanges(vec![1..=1, 3..=4])),
        ] {
            assert_eq!(test(relation, &ranges, &domain(kind)), expected, "{relation:?} {ranges:?} {kind:?}");
        }
    }
}
