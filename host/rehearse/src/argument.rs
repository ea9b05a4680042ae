//! Filters on arguments and on what is returned.

use std::net::IpAddr;

use serin_event::argument::Argument;
use serin_event::names::BPF_COMMANDS;
use serin_event::network::Tuple;
use serin_event::structure::Structure;
use serin_policy::{ArgumentFilter, COMPAT_BIT, Expression, Part, Test};

use crate::answer::Answer;

/// Bits of a file's mode that are its kind: `S_IFMT`.
const KIND: u16 = 0o170_000;
/// Longer strings are cut when they are reported.
const MAX_TEXT: usize = 4095;

/// Why it can't be told when types do not fit.
const OTHER_TYPE: &str = "the policy reads an argument as another type than it was recorded with";

/// What is known of an argument that a filter compares.
enum Known<'a> {
    /// Its bits as a sign-extended word.
    Number(u64),
    Address(IpAddr),
    /// A text, and whether it goes on.
    Text(&'a [u8], bool),
    /// It has no such part: neither a filter nor its negation holds.
    Absent,
    Untold(&'static str),
}

/// Whether a filter on one of these arguments holds. An enforcing one holds for what could not be read.
pub(crate) fn holds(filter: &ArgumentFilter, arguments: &[&Argument], enforcing: bool) -> Answer {
    let asked: Option<Vec<&Argument>> =
        filter.slots().into_iter().map(|slot| arguments.get(slot).copied()).collect();
    let Some(asked) = asked else {
        return Answer::untold("it was recorded with fewer arguments than the policy reads");
    };
    if asked.iter().any(|argument| matches!(argument, Argument::Unreadable(_))) {
        return enforcing.into();
    }
    if let Test::Expression(expression) = &filter.test {
        return evaluate(expression, arguments);
    }
    let Some(argument) = asked.first() else { return mismatched() };
    let known = match filter.part {
        Part::Value => value(argument),
        part => part_of(argument, part),
    };
    match known {
        Known::Number(bits) => number(&filter.test, bits).negated_if(filter.negated),
        Known::Address(address) => compare_address(&filter.test, address).negated_if(filter.negated),
        Known::Text(text, cut) => compare_text(&filter.test, text, cut).negated_if(filter.negated),
        Known::Absent => Answer::No,
        Known::Untold(why) => Answer::untold(why),
    }
}

fn evaluate(expression: &Expression, arguments: &[&Argument]) -> Answer {
    let mut reason = OTHER_TYPE;
    let holds = expression.holds(|slot| match value(arguments.get(slot)?) {
        Known::Number(bits) => Some(bits),
        Known::Untold(why) => {
            reason = why;
            None
        }
        _ => None,
    });
    holds.map_or_else(|| Answer::untold(reason), Answer::from)
}

fn value(argument: &Argument) -> Known<'_> {
    match argument {
        Argument::Int(number) => Known::Number(i64::from(*number) as u64),
        Argument::Uint(number) => Known::Number((*number).into()),
        Argument::Long(number) => Known::Number(*number as u64),
        Argument::Size(number) => Known::Number(*number),
        Argument::String(text) => string(text),
        Argument::File(file) if file.incomplete => {
            Known::Untold("the recording does not hold the whole path of a file")
        }
        Argument::File(file) => Known::Text(file.path.as_bytes(), false),
        Argument::Bytes { bytes, original } => Known::Text(bytes, *original > bytes.len() as u64),
        Argument::Word("bpf_cmd_arg", word) => {
            let number = BPF_COMMANDS.iter().position(|command| command == word);
            number.map_or(Known::Untold("a command of bpf(2) is not known"), |number| {
                Known::Number(number as u64)
            })
        }
        Argument::Word(..) => Known::Untold("a recording holds sets of capabilities in words"),
        Argument::Structure(structure) => value_of(structure),
        Argument::Unreadable(_) => Known::Absent,
    }
}

fn value_of(structure: &Structure) -> Known<'_> {
    match structure {
        Structure::Capability(number) => Known::Number(i64::from(*number) as u64),
        Structure::Syscall { number, is_compat } => {
            Known::Number((number | if *is_compat { COMPAT_BIT } else { 0 }).into())
        }
        Structure::NetDevice(name) => string(name),
        Structure::UnixAddress(address) => string(&address.path),
        _ => Known::Untold(OTHER_TYPE),
    }
}

/// Strings were decoded for the recording, which lost bytes that are not UTF-8.
fn string(text: &str) -> Known<'_> {
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Known::Untold("a recorded string was not UTF-8");
    }
    Known::Text(text.as_bytes(), text.len() >= MAX_TEXT)
}

fn part_of(argument: &Argument, part: Part) -> Known<'_> {
    let unlike = Known::Untold(OTHER_TYPE);
    match (argument, part) {
        (Argument::File(file), Part::FileType) if file.mode == 0 => {
            Known::Untold("the recording does not hold the kind of a file")
        }
        (Argument::File(file), Part::FileType) => Known::Number((file.mode & KIND).into()),
        (Argument::Structure(structure), part) => match (&**structure, part) {
            (Structure::Sock(sock), Part::State) => Known::Number(sock.state.into()),
            (Structure::Sock(sock), part) => part_of_tuple(&sock.tuple, part),
            (Structure::Packet(packet), part) => part_of_tuple(&packet.tuple, part),
            (Structure::Address(address), part) => {
                let (family, saddr, sport) = (address.family, address.addr, address.port);
                part_of_tuple(&Tuple { family, saddr, sport, ..Tuple::default() }, part)
            }
            (Structure::UnixAddress(address), Part::Family) => Known::Number(address.family.into()),
            _ => unlike,
        },
        _ => unlike,
    }
}

fn part_of_tuple(tuple: &Tuple, part: Part) -> Known<'static> {
    let port =
        |port: u16, address: Option<IpAddr>| address.map_or(Known::Absent, |_| Known::Number(port.into()));
    match part {
        Part::SAddr => tuple.saddr.map_or(Known::Absent, Known::Address),
        Part::DAddr => tuple.daddr.map_or(Known::Absent, Known::Address),
        Part::SPort => port(tuple.sport, tuple.saddr),
        Part::DPort => port(tuple.dport, tuple.daddr),
        Part::Protocol => Known::Number(tuple.protocol.into()),
        Part::Family => Known::Number(tuple.family.into()),
        Part::Value | Part::State | Part::FileType => Known::Absent,
    }
}

fn number(test: &Test, bits: u64) -> Answer {
    match test {
        Test::IntEqual(values) => values.contains(&(bits as i64)).into(),
        Test::IntRanges(ranges) => ranges.iter().any(|range| range.contains(&bits)).into(),
        Test::IntMask(mask) => (bits & mask != 0).into(),
        _ => mismatched(),
    }
}

fn compare_address(test: &Test, address: IpAddr) -> Answer {
    let bits = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    };
    match test {
        Test::Addresses(ranges) => ranges.iter().any(|range| range.contains(&bits)).into(),
        _ => mismatched(),
    }
}

fn open() -> Answer {
    Answer::untold("the recording holds only the start of an argument")
}

/// Compares a text of which perhaps only the start is known.
fn compare_text(test: &Test, text: &[u8], cut: bool) -> Answer {
    match test {
        Test::Prefix(values) => Answer::any(values.iter().map(|value| {
            let reaches = cut && value.len() > text.len() && value.starts_with(text);
            if reaches { open() } else { text.starts_with(value).into() }
        })),
        Test::Equal(values) if cut => {
            if values.iter().any(|value| value.len() > text.len() && value.starts_with(text)) {
                open()
            } else {
                Answer::No
            }
        }
        Test::Equal(values) => values.iter().any(|value| value == text).into(),
        Test::Postfix(_) if cut => open(),
        Test::Postfix(values) => values.iter().any(|value| text.ends_with(value)).into(),
        Test::SubString(values) => within(values, text, cut),
        Test::SubStringAnyCase(values) => within(values, &text.to_ascii_lowercase(), cut),
        _ => mismatched(),
    }
}

/// Whether one of the values is in a text of which perhaps only the start is known.
fn within(values: &[Vec<u8>], text: &[u8], cut: bool) -> Answer {
    match values.iter().any(|value| contains(text, value)) {
        // What the rest could still make true is open.
        false if cut => open(),
        found => found.into(),
    }
}

fn contains(text: &[u8], value: &[u8]) -> bool {
    value.is_empty() || text.windows(value.len()).any(|window| window == value)
}

fn mismatched() -> Answer {
    Answer::untold(OTHER_TYPE)
}

#[cfg(test)]
mod tests {
    use serin_event::argument::{File, FileRole};
    use serin_event::network::Sock;

    use super::*;

    const UNTOLD: Option<bool> = None;

    fn told(answer: &Answer) -> Option<bool> {
        match answer {
            Answer::Yes => Some(true),
            Answer::No => Some(false),
            Answer::Untold(_) => UNTOLD,
        }
    }

    fn filter(part: Part, negated: bool, test: Test) -> ArgumentFilter {
        ArgumentFilter { slot: 0, part, negated, test }
    }

    fn texts(of: fn(Vec<Vec<u8>>) -> Test, value: &str) -> Test {
        of(vec![value.as_bytes().to_vec()])
    }

    #[test]
    fn values_are_compared_as_the_kernel_compares_them() {
        let text = |text: &str| Argument::String(text.into());
        let cut = Argument::Bytes { bytes: b"GET /etc".to_vec(), original: 100 };
        let passwd = text("/etc/passwd");
        for (argument, test, expected) in [
            (&Argument::Int(-1), Test::IntEqual(vec![-1]), Some(true)),
            (&Argument::Size(u64::MAX), Test::IntEqual(vec![-1]), Some(true)),
            (&Argument::Uint(7), Test::IntRanges(vec![0..=3, 8..=9]), Some(false)),
            (&Argument::Int(6), Test::IntMask(2), Some(true)),
            (&Argument::Word("bpf_cmd_arg", "BPF_PROG_LOAD".into()), Test::IntEqual(vec![5]), Some(true)),
            (&Argument::Word("kernel_cap_t_arg", "CAP_CHOWN".into()), Test::IntMask(1), UNTOLD),
            (&passwd, texts(Test::Equal, "/etc/passwd"), Some(true)),
            (&passwd, texts(Test::Equal, "/etc/passwd0"), Some(false)),
            (&passwd, texts(Test::Postfix, "passwd"), Some(true)),
            (&passwd, texts(Test::SubString, "c/p"), Some(true)),
            (&text("/etc/PASSWD"), texts(Test::SubStringAnyCase, "/passwd"), Some(true)),
            (&text("/etc/\u{fffd}"), texts(Test::Prefix, "/etc/"), UNTOLD),
            (&passwd, Test::IntEqual(vec![1]), UNTOLD),
            (&cut, texts(Test::Prefix, "GET "), Some(true)),
            (&cut, texts(Test::Prefix, "GET /etc/"), UNTOLD),
            (&cut, texts(Test::Prefix, "PUT"), Some(false)),
            (&cut, texts(Test::Equal, "GET /etc"), Some(false)),
            (&cut, texts(Test::Equal, "GET /etc/x"), UNTOLD),
            (&cut, texts(Test::Postfix, "/etc"), UNTOLD),
            (&cut, texts(Test::SubString, "/etc"), Some(true)),
            (&cut, texts(Test::SubString, "passwd"), UNTOLD),
        ] {
            let name = format!("{argument:?} {test:?}");
            let negated = holds(&filter(Part::Value, true, test.clone()), &[argument], false);
            let found = holds(&filter(Part::Value, false, test), &[argument], false);
            assert_eq!(told(&found), expected, "{name}");
            assert_eq!(told(&negated), expected.map(|holds| !holds), "not {name}");
        }
    }

    #[test]
    fn parts_of_what_is_not_ip_match_neither_way() {
        let sock = |family, saddr: Option<&str>| {
            let saddr = saddr.and_then(|address| address.parse().ok());
            let tuple = Tuple { family, saddr, daddr: saddr, dport: 80, ..Tuple::default() };
            Argument::Structure(Box::new(Structure::Sock(Sock { tuple, state: 10, ..Sock::default() })))
        };
        let (ip, unix) = (sock(2, Some("127.0.0.1")), sock(1, None));
        let local = Test::Addresses(vec![0xffff_7f00_0000..=0xffff_7fff_ffff]);
        let file = |mode| Argument::File(File { role: FileRole::Open, mode, ..File::default() });
        for (argument, part, test, expected, negated) in [
            (&ip, Part::DAddr, local.clone(), Some(true), Some(false)),
            (&unix, Part::DAddr, local, Some(false), Some(false)),
            (&ip, Part::DPort, Test::IntEqual(vec![80]), Some(true), Some(false)),
            (&unix, Part::DPort, Test::IntEqual(vec![80]), Some(false), Some(false)),
            (&ip, Part::State, Test::IntEqual(vec![10]), Some(true), Some(false)),
            (&unix, Part::Family, Test::IntEqual(vec![1]), Some(true), Some(false)),
            (&file(0o100_644), Part::FileType, Test::IntEqual(vec![0o100_000]), Some(true), Some(false)),
            (&file(0), Part::FileType, Test::IntEqual(vec![0o100_000]), UNTOLD, UNTOLD),
        ] {
            let found = holds(&filter(part, false, test.clone()), &[argument], false);
            let other = holds(&filter(part, true, test), &[argument], false);
            assert_eq!((told(&found), told(&other)), (expected, negated), "{part:?} of {argument:?}");
        }
    }

    #[test]
    fn expressions_are_evaluated_over_the_arguments_that_they_name() {
        use serin_policy::{ExpressionOperator, ExpressionStep, IntegerType};
        let less = |left, right| {
            let operator = ExpressionStep::Operator(ExpressionOperator::Less, IntegerType::S64);
            let steps = vec![ExpressionStep::Argument(left), ExpressionStep::Argument(right), operator];
            filter(Part::Value, false, Test::Expression(Expression { steps }))
        };
        let arguments = [Argument::Long(-1), Argument::String("x".into()), Argument::Int(0)];
        let unreadable = Argument::Unreadable("why");
        let all: Vec<_> = arguments.iter().chain([&unreadable]).collect();
        for (left, right, expected) in
            [(0, 2, Some(true)), (2, 0, Some(false)), (0, 1, UNTOLD), (0, 3, Some(false)), (0, 4, UNTOLD)]
        {
            assert_eq!(told(&holds(&less(left, right), &all, false)), expected, "{left} < {right}");
        }
        assert_eq!(told(&holds(&less(0, 3), &all, true)), Some(true), "it enforces");
    }

    #[test]
    fn enforcing_filters_hold_for_what_could_not_be_read() {
        let filter = filter(Part::Value, false, texts(Test::Equal, "x"));
        let argument = Argument::Unreadable("why");
        assert_eq!(holds(&filter, &[&argument], true), Answer::Yes);
        assert_eq!(holds(&filter, &[&argument], false), Answer::No);
        assert_eq!(told(&holds(&filter, &[], true)), UNTOLD);
    }
}
