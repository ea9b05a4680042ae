//! Reads the values of `matchArgs` on parts of arguments: of sockets, packets, addresses and files.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use serin_event::network::{FAMILIES, Names, PROTOCOLS, STATES};

use crate::diagnostic::quote;
use crate::fields::Field;
use crate::integer::{merge, merge_bits};
use crate::report::Report;
use crate::scalar::parse_integer;
use crate::selector::read_each;
use crate::suggest::nearest;
use crate::{ArgumentKind, Part, Test};

/// Ports that only the superuser may bind.
const PRIVILEGED: RangeInclusive<u64> = 0..=1023;

/// What a filter's values mean for a part of an argument.
pub(crate) fn read(values: Field<'_>, part: Part, report: &mut Report<'_>) -> Option<Test> {
    let (what, names, last): (_, Names, _) = match part {
        Part::SAddr | Part::DAddr => return read_addresses(values, report),
        Part::Family => ("an address family", FAMILIES, u16::MAX),
        Part::Protocol => ("a protocol", PROTOCOLS, u16::MAX),
        Part::State => ("a state of a socket", STATES, u8::MAX.into()),
        Part::FileType => return read_file_types(values, report),
        Part::SPort | Part::DPort | Part::Value => ("a port", &[], u16::MAX),
    };
    let ranges = read_each(values, report, |item, report| read_numbers(item, what, names, last, report))?;
    if ranges.iter().all(|(first, last)| first == last) {
        return Some(Test::IntEqual(ranges.into_iter().map(|(number, _)| number.into()).collect()));
    }
    let ranges = ranges.into_iter().map(|(first, last)| (first.into(), last.into())).collect();
    Some(Test::IntRanges(merge_bits(ranges)))
}

/// What `SPortPriv` and its like compare with.
pub(crate) fn privileged() -> Test {
    Test::IntRanges(vec![PRIVILEGED])
}

/// The operators that compare an argument of this type, for messages.
pub(crate) fn operators(kind: ArgumentKind) -> &'static str {
    match kind {
        ArgumentKind::Sock | ArgumentKind::Socket => {
            "write `SAddr`, `DAddr`, `SPort`, `DPort`, one of their negations, `Protocol`, `Family` or `State`"
        }
        ArgumentKind::Skb => {
            "write `SAddr`, `DAddr`, `SPort`, `DPort`, one of their negations, `Protocol` or `Family`"
        }
        _ if kind.parts() == [Part::FileType] => {
            "write `Equal`, `Prefix`, `Postfix`, `SubString`, one of their negations, `FileType` or `NotFileType`"
        }
        ArgumentKind::Sockaddr => "write `SAddr`, `SPort`, one of their negations, or `Family`",
        _ => "write `Equal`, `Prefix`, `Postfix`, `SubString`, one of their negations, or `Family`",
    }
}

/// A number, its name, or a range of numbers.
fn read_numbers(
    item: Field<'_>,
    what: &str,
    names: Names,
    max: u16,
    report: &mut Report<'_>,
) -> Option<(u16, u16)> {
    let text = item.text(report)?;
    if let Some(&(number, _)) = names.iter().find(|(_, name)| *name == text) {
        return Some((number, number));
    }
    let number = |text: &str| {
        let number = u16::try_from(parse_integer(text.trim())?).ok()?;
        (number <= max).then_some(number)
    };
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => {
            report.error(item.span(), format!("{} is empty: it ends before it starts", quote(text)));
            None
        }
        (Some(first), Some(last)) => Some((first, last)),
        _ => {
            let help = match nearest(text, names.iter().map(|(_, name)| *name)) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("write a number from 0 to {max}, or a range of them as `min:max`"),
            };
            report.error_with_help(item.span(), format!("{} is not {what}", quote(text)), help);
            None
        }
    }
}

/// `FileType`: what Tetragon calls the kinds of files, and their bits of `S_IFMT`.
const FILE_TYPES: &[(&str, i64)] = &[
    ("fifo", 0o010_000),
    ("pipe", 0o010_000),
    ("chr", 0o020_000),
    ("char", 0o020_000),
    ("dir", 0o040_000),
    ("blk", 0o060_000),
    ("block", 0o060_000),
    ("reg", 0o100_000),
    ("regular", 0o100_000),
    ("lnk", 0o120_000),
    ("link", 0o120_000),
    ("sock", 0o140_000),
    ("socket", 0o140_000),
];

fn read_file_types(values: Field<'_>, report: &mut Report<'_>) -> Option<Test> {
    let types = read_each(values, report, |item, report| {
        let text = item.string(report)?;
        let known = FILE_TYPES.iter().find(|(name, _)| *name == text);
        if known.is_none() {
            let message = format!("{} is not a kind of file", quote(text));
            let help = "write `reg`, `dir`, `lnk`, `chr`, `blk`, `fifo` or `sock`";
            report.error_with_help(item.span(), message, help);
        }
        known.map(|(_, bits)| *bits)
    })?;
    Some(Test::IntEqual(types))
}

fn read_addresses(values: Field<'_>, report: &mut Report<'_>) -> Option<Test> {
    let ranges = read_each(values, report, |item, report| {
        let text = item.text(report)?;
        let range = network(text);
        if range.is_none() {
            let message = format!("{} is not an IP address or network", quote(text));
            report.error_with_help(
                item.span(),
                message,
                "write it as `10.1.2.3`, `10.0.0.0/8` or `fd00::/8`",
            );
        }
        range
    })?;
    Some(Test::Addresses(merge(ranges)))
}

/// First and last address of a network, those of IPv4 within `::ffff:0:0/96`. Bits behind the prefix do not matter.
fn network(text: &str) -> Option<(u128, u128)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let (address, bits) = match address.parse().ok()? {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped(), 32),
        IpAddr::V6(v6) => (v6, 128),
    };
    let prefix = match prefix {
        Some(prefix) if !prefix.bytes().all(|byte| byte.is_ascii_digit()) => return None,
        Some(prefix) => prefix.parse().ok().filter(|&prefix: &u32| prefix <= bits)?,
        None => bits,
    };
    let rest = u128::MAX.checked_shr(prefix + 128 - bits).unwrap_or(0);
    Some((u128::from(address) & !rest, u128::from(address) | rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_ranges() {
        const MAPPED: u128 = 0xffff << 32;
        for (text, expected) in [
            ("127.0.0.1", Some((MAPPED | 0x7f00_0001, MAPPED | 0x7f00_0001))),
            ("127.0.0.1/8", Some((MAPPED | 0x7f00_0000, MAPPED | 0x7fff_ffff))),
            ("0.0.0.0/0", Some((MAPPED, MAPPED | 0xffff_ffff))),
            ("::/0", Some((0, u128::MAX))),
            ("::1", Some((1, 1))),
            ("fe80::1/64", Some((0xfe80 << 112, (0xfe80 << 112) | u128::from(u64::MAX)))),
            ("::1/128", Some((1, 1))),
            ("127.0.0.1/33", None),
            ("127.0.0.1/", None),
            ("127.0.0.1/+8", None),
            ("127.1", None),
            ("fe80::1%eth0", None),
            ("localhost", None),
        ] {
            assert_eq!(network(text), expected, "{text}");
        }
    }
}
