//! What must hold for a selector, as the programs read it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serin_abi::config::{
    BINARY_OWN, BINARY_PARENT, Filter, PID_ANCESTORS, PID_NAMESPACE, SCOPE_CONTAINERS, SCOPE_HOST,
    TEST_ADDRESS_RANGE, TEST_BINARY_IN, TEST_BINARY_NOT_IN, TEST_BITS_GAINED, TEST_INTEGER_IN,
    TEST_INTEGER_MASK, TEST_INTEGER_RANGE, TEST_NOT, TEST_PID_IN, TEST_PID_NOT_IN, TEST_SCOPE,
    TEST_TEXT_EQUAL, TEST_TEXT_IN, TEST_TEXT_POSTFIX, TEST_TEXT_POSTFIX_SORTED, TEST_TEXT_PREFIX,
    TEST_TEXT_PREFIX_SORTED, TEST_TEXT_SUBSTRING, TEST_TEXT_SUBSTRING_ANY_CASE, WORD_SHIFT,
};
use serin_abi::network;
use serin_abi::record::{
    KIND_BINPRM, KIND_BYTES, KIND_FILE, KIND_NET_DEVICE, KIND_PATH, KIND_SKB, KIND_SOCK, KIND_SOCKADDR,
    KIND_SOCKADDR_UN, KIND_STRING,
};
use serin_abi::text::BUFFER;
use serin_abi::{MAX_STRING, MAX_SUBSTRING, Member, Number, Range};
use serin_policy::{ArgumentFilter, IdentityCondition, IdentityFilter, Membership, Part, SelectorPlan, Test};

use super::{Lowered, limit};
use crate::binaries::Binaries;
use crate::identity;
use crate::scopes::Scopes;

/// Values of a filter on texts that are compared one after the other.
const LISTED: usize = 4;

impl Lowered {
    /// Adds a selector's filters, cheapest first: what needs no argument, integers, strings, paths.
    pub(super) fn filters(
        &mut self,
        selector: &SelectorPlan,
        (binaries, scopes): (&Binaries, &Scopes),
        filters: &mut Vec<Filter>,
    ) -> Result<(), String> {
        for scope in &selector.scopes {
            let set = scope.containers.as_ref().map(|containers| scopes.bit(containers));
            let set = set.map(|bit| bit.ok_or("a scope that was not named before")).transpose()?;
            let slot = (SCOPE_HOST * u32::from(scope.host)) | (SCOPE_CONTAINERS * u32::from(set.is_some()));
            filters.push(Filter { test: TEST_SCOPE, slot, values: set.unwrap_or(0), count: 0 });
        }
        for filter in &selector.pids {
            let values = filter.values.iter().map(|&pid| u64::from(pid));
            let test = by_membership(filter.membership, TEST_PID_IN, TEST_PID_NOT_IN);
            let flags = (PID_ANCESTORS * u32::from(filter.follow_forks))
                | (PID_NAMESPACE * u32::from(filter.in_namespace));
            filters.push(self.set(test, flags, values));
        }
        let own = selector.binaries.iter().map(|filter| (filter, BINARY_OWN));
        let parents = selector.parent_binaries.iter().map(|filter| (filter, BINARY_PARENT));
        for (filter, whose) in own.chain(parents) {
            let test = if filter.negated { TEST_BINARY_NOT_IN } else { TEST_BINARY_IN };
            let set =
                binaries.set(&filter.condition).ok_or("a filter on binaries that was not named before")?;
            filters.push(Filter { test, slot: whose, values: set, count: 0 });
        }
        for filter in &selector.identity {
            let lowered = self.identity(filter)?;
            filters.push(lowered);
        }
        let mut arguments: Vec<&ArgumentFilter> = selector.arguments.iter().collect();
        arguments.sort_by_key(|filter| cost(self.kind(filter)));
        for filter in arguments {
            filters.extend(only_ip(filter));
            let filter = self.argument(filter, self.kind(filter))?;
            filters.push(filter);
        }
        Ok(())
    }

    fn identity(&mut self, filter: &IdentityFilter) -> Result<Filter, String> {
        let mut lowered = identity::filter(&filter.condition);
        match &filter.condition {
            IdentityCondition::Namespace(kind, values) => {
                lowered = self.set(lowered.test, lowered.slot, identity::inodes(*kind, values)?.into_iter());
            }
            IdentityCondition::User(_, ranges) => {
                lowered = self.ranges(lowered.test, lowered.slot, ranges);
            }
            _ => {}
        }
        lowered.test |= TEST_NOT * u32::from(filter.negated);
        Ok(lowered)
    }

    fn kind(&self, filter: &ArgumentFilter) -> u32 {
        self.config.arguments.get(filter.slot).map_or(0, |argument| argument.kind)
    }

    /// A filter on an argument of this kind.
    pub(super) fn argument(&mut self, filter: &ArgumentFilter, kind: u32) -> Result<Filter, String> {
        let slot = filter.slot as u32 | word(filter, kind) << WORD_SHIFT;
        let mut lowered = match &filter.test {
            Test::IntEqual(values) => {
                self.set(TEST_INTEGER_IN, slot, values.iter().map(|&value| value as u64))
            }
            Test::Gained(after) => Filter { test: TEST_BITS_GAINED, slot, values: *after as u32, count: 0 },
            Test::Expression(expression) => self.expression(expression)?,
            Test::IntRanges(ranges) => self.ranges(TEST_INTEGER_RANGE, slot, ranges),
            Test::Addresses(ranges) => self.ranges(TEST_ADDRESS_RANGE, slot, ranges),
            Test::IntMask(mask) => {
                let (values, count) = (*mask as u32, (*mask >> 32) as u32);
                Filter { test: TEST_INTEGER_MASK, slot, values, count }
            }
            Test::Equal(values) => self.equal(slot, values)?,
            Test::Prefix(values) => self.edges(slot, values, TEST_TEXT_PREFIX)?,
            Test::Postfix(values) => self.edges(slot, values, TEST_TEXT_POSTFIX)?,
            Test::SubString(values) => self.list(TEST_TEXT_SUBSTRING, slot, values)?,
            Test::SubStringAnyCase(values) => self.list(TEST_TEXT_SUBSTRING_ANY_CASE, slot, values)?,
        };
        lowered.test |= TEST_NOT * u32::from(filter.negated);
        Ok(lowered)
    }

    fn ranges<T: Copy + Into<Number>>(
        &mut self,
        test: u32,
        slot: u32,
        ranges: &[RangeInclusive<T>],
    ) -> Filter {
        let first = self.ranges.len() as u32;
        let range =
            |range: &RangeInclusive<T>| Range { first: (*range.start()).into(), last: (*range.end()).into() };
        self.ranges.extend(ranges.iter().map(range));
        Filter { test, slot, values: first, count: ranges.len() as u32 }
    }

    fn set(&mut self, test: u32, slot: u32, values: impl Iterator<Item = u64>) -> Filter {
        let set = self.next_set();
        let before = self.members.len();
        self.members.extend(values.map(|value| (Member { value, set, reserved: 0 }, 0)));
        Filter { test, slot, values: set, count: (self.members.len() - before) as u32 }
    }

    fn next_set(&self) -> u32 {
        self.members.last().map_or(0, |(last, _)| last.set + 1)
    }

    /// Few values are compared one after the other; of many, the one with the text's digest is looked up.
    fn equal(&mut self, slot: u32, values: &[Vec<u8>]) -> Result<Filter, String> {
        let listed = self.list(TEST_TEXT_EQUAL, slot, values)?;
        if values.len() <= LISTED {
            return Ok(listed);
        }
        let digests: Vec<u64> = values.iter().map(|value| digest(self.config.seed, value)).collect();
        let known: BTreeMap<_, _> = digests.iter().zip(values).collect();
        if digests.iter().zip(values).any(|(digest, value)| known.get(digest) != Some(&value)) {
            return Ok(listed);
        }
        let set = self.next_set();
        let member = |(value, text)| (Member { value, set, reserved: 0 }, text);
        self.members.extend(digests.into_iter().zip(listed.values..).map(member));
        Ok(Filter { test: TEST_TEXT_IN, values: set, ..listed })
    }

    /// Few values are compared one after the other; of many, the one to compare is found by bisection, for which they are
    /// sorted, and those that start (or end) with another left out: what passes them passes that.
    fn edges(&mut self, slot: u32, values: &[Vec<u8>], test: u32) -> Result<Filter, String> {
        if values.len() <= LISTED {
            return self.list(test, slot, values);
        }
        let is_end = test == TEST_TEXT_POSTFIX;
        let turned = |value: &Vec<u8>| -> Vec<u8> {
            if is_end { value.iter().rev().copied().collect() } else { value.clone() }
        };
        let mut sorted: Vec<Vec<u8>> = values.iter().map(turned).collect();
        sorted.sort_unstable();
        sorted.dedup_by(|later, kept| later.starts_with(kept));
        let sorted: Vec<Vec<u8>> = sorted.iter().map(turned).collect();
        let test = if is_end { TEST_TEXT_POSTFIX_SORTED } else { TEST_TEXT_PREFIX_SORTED };
        self.list(test, slot, &sorted)
    }

    fn list(&mut self, test: u32, slot: u32, values: &[Vec<u8>]) -> Result<Filter, String> {
        let first = self.texts.len() as u32;
        let longest = match test {
            TEST_TEXT_SUBSTRING | TEST_TEXT_SUBSTRING_ANY_CASE => MAX_SUBSTRING,
            _ => MAX_STRING,
        };
        for value in values {
            limit("bytes of a value", value.len(), longest)?;
            self.texts.push(value.clone());
        }
        Ok(Filter { test, slot, values: first, count: values.len() as u32 })
    }
}

/// The digest of a text, as the programs compute it.
fn digest(seed: u64, text: &[u8]) -> u64 {
    let mut buffer = Box::new([0; BUFFER]);
    buffer[..text.len()].copy_from_slice(text);
    serin_abi::digest::of(seed, &buffer, text.len() as u32)
}

fn cost(kind: u32) -> u32 {
    match kind {
        KIND_SOCK | KIND_SKB | KIND_SOCKADDR => 1,
        KIND_STRING | KIND_SOCKADDR_UN | KIND_NET_DEVICE | KIND_BYTES => 2,
        KIND_FILE | KIND_PATH | KIND_BINPRM => 3,
        _ => 0,
    }
}

/// The word of an argument that holds the part to compare; 0 for its own value.
fn word(filter: &ArgumentFilter, kind: u32) -> u32 {
    match filter.part {
        Part::Value | Part::FileType => 0,
        Part::SAddr => network::SADDR,
        Part::DAddr => network::DADDR,
        Part::SPort => network::SPORT,
        Part::DPort => network::DPORT,
        Part::Protocol => network::PROTOCOL,
        // Its words are its text.
        Part::Family if kind == KIND_SOCKADDR_UN => 0,
        Part::Family => network::FAMILY,
        Part::State => network::STATE,
    }
}

/// Addresses and ports match only where there are some, negated or not: the filter that sees to it.
pub(super) fn only_ip(filter: &ArgumentFilter) -> Option<Filter> {
    let slot = filter.slot as u32 | network::HAS_IP << WORD_SHIFT;
    let needed = matches!(filter.part, Part::SAddr | Part::DAddr | Part::SPort | Part::DPort);
    needed.then_some(Filter { test: TEST_INTEGER_MASK, slot, values: network::IP as u32, count: 0 })
}

fn by_membership(membership: Membership, is_in: u32, is_not_in: u32) -> u32 {
    match membership {
        Membership::In => is_in,
        Membership::NotIn => is_not_in,
    }
}
