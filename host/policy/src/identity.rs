//! Reads the filters on who the current process is: its namespaces, capabilities and user ids.

use std::ops::RangeInclusive;

use crate::capability;
use crate::diagnostic::quote;
use crate::fields::{Field, Fields, Shape};
use crate::integer;
use crate::report::Report;
use crate::schema::{
    CAPABILITY_SETS, EFFECTIVE_USER_IDS, MATCH_CAPABILITIES, MATCH_CAPABILITY_CHANGES, MATCH_CURRENT_CRED,
    MATCH_NAMESPACE_CHANGES, MATCH_NAMESPACES, MEMBERSHIP, NAMESPACES, Relation, USER_IDS, USER_OPERATORS,
};
use crate::selector::read_each;
use crate::suggest::nearest;
use crate::{
    ArgumentKind, CapabilitySet, IdentityCondition, IdentityFilter, Namespace, NamespaceValue, Test, UserId,
};

/// All kinds of namespaces.
const ALL_NAMESPACES: u32 = (1 << Namespace::ALL.len()) - 1;

type Filters = Vec<IdentityFilter>;

/// Reads all such filters of a selector; `None` if something was refused.
pub(crate) fn read(selector: &Fields<'_>, report: &mut Report<'_>) -> Option<Filters> {
    let filters = [
        read_list(selector, "matchNamespaces", report, read_namespace),
        read_list(selector, "matchNamespaceChanges", report, read_namespace_change),
        read_list(selector, "matchCapabilities", report, read_capability),
        read_list(selector, "matchCapabilityChanges", report, read_capability_change),
        read_list(selector, "matchCurrentCred", report, read_credentials),
    ];
    let filters: Option<Vec<Filters>> = filters.into_iter().collect();
    Some(filters?.concat())
}

fn read_list(
    selector: &Fields<'_>,
    name: &'static str,
    report: &mut Report<'_>,
    read: fn(Field<'_>, &mut Report<'_>) -> Option<Filters>,
) -> Option<Filters> {
    let Some(list) = selector.get(name) else { return Some(vec![]) };
    Some(read_each(list, report, read)?.concat())
}

fn read_namespace(item: Field<'_>, report: &mut Report<'_>) -> Option<Filters> {
    let fields = Fields::read(item.node, &MATCH_NAMESPACES, report)?;
    let kind = fields.require("namespace", report).and_then(|field| field.word(&NAMESPACES, report));
    let negated = fields.require("operator", report).and_then(|field| field.word(&MEMBERSHIP, report));
    let values = read_each(fields.require("values", report)?, report, |item, report| {
        let text = item.text(report)?;
        let value = match text {
            "host_ns" => Some(NamespaceValue::Host),
            _ => text.parse().ok().map(NamespaceValue::Inode),
        };
        if value.is_none() {
            let message = format!("{} is not a namespace", quote(text));
            let help = "write `host_ns`, or the number that `readlink /proc/PID/ns/…` shows";
            report.error_with_help(item.span(), message, help);
        }
        value
    });
    let condition = IdentityCondition::Namespace(kind?, values?);
    Some(vec![IdentityFilter { negated: negated?, condition }])
}

/// `NotIn` asks for the changes of all other kinds.
fn read_namespace_change(item: Field<'_>, report: &mut Report<'_>) -> Option<Filters> {
    let fields = Fields::read(item.node, &MATCH_NAMESPACE_CHANGES, report)?;
    let inverted = fields.require("operator", report).and_then(|field| field.word(&MEMBERSHIP, report));
    let kinds =
        read_each(fields.require("values", report)?, report, |item, report| item.word(&NAMESPACES, report));
    let kinds = kinds?.into_iter().fold(0, |all, kind| all | 1 << kind as u32);
    let kinds = if inverted? { ALL_NAMESPACES & !kinds } else { kinds };
    Some(vec![IdentityFilter { negated: false, condition: IdentityCondition::NamespaceChanged(kinds) }])
}

fn read_capability(item: Field<'_>, report: &mut Report<'_>) -> Option<Filters> {
    let read = read_capabilities(item, &MATCH_CAPABILITIES, report)?;
    let condition = IdentityCondition::Capability(read.set, read.mask);
    let filter = IdentityFilter { negated: read.negated, condition };
    Some([filter].into_iter().chain(read.within_namespace()).collect())
}

/// `NotIn` asks for changes of others while these stay as they are.
fn read_capability_change(item: Field<'_>, report: &mut Report<'_>) -> Option<Filters> {
    let read = read_capabilities(item, &MATCH_CAPABILITY_CHANGES, report)?;
    let changed = |negated, mask| IdentityFilter {
        negated,
        condition: IdentityCondition::CapabilityChanged(read.set, mask),
    };
    let mut filters = vec![changed(read.negated, read.mask)];
    if read.negated {
        filters.push(changed(false, !read.mask));
    }
    filters.extend(read.within_namespace());
    Some(filters)
}

struct Capabilities {
    set: CapabilitySet,
    negated: bool,
    mask: u64,
    in_namespace: bool,
}

impl Capabilities {
    /// `isNamespaceCapability`: the process is not in the host's user namespace.
    fn within_namespace(&self) -> Option<IdentityFilter> {
        let condition = IdentityCondition::Namespace(Namespace::User, vec![NamespaceValue::Host]);
        self.in_namespace.then_some(IdentityFilter { negated: true, condition })
    }
}

fn read_capabilities(
    item: Field<'_>,
    shape: &'static Shape,
    report: &mut Report<'_>,
) -> Option<Capabilities> {
    let fields = Fields::read(item.node, shape, report)?;
    let set = fields
        .get("type")
        .map_or(Some(CapabilitySet::Effective), |field| field.word(&CAPABILITY_SETS, report));
    let negated = fields.require("operator", report).and_then(|field| field.word(&MEMBERSHIP, report));
    let in_namespace = fields.get("isNamespaceCapability").map_or(Some(false), |field| field.boolean(report));
    let values = read_each(fields.require("values", report)?, report, |item, report| {
        let name = item.string(report)?;
        let bit = capability::bit(name);
        if bit.is_none() {
            let help = nearest(name, capability::names()).map_or_else(
                || "write a name of capabilities(7), such as `CAP_SYS_ADMIN`".into(),
                |suggestion| format!("did you mean `{suggestion}`?"),
            );
            report.error_with_help(item.span(), format!("{} is not a capability", quote(name)), help);
        }
        bit
    });
    let mask = values?.into_iter().fold(0, |all, bit| all | bit);
    Some(Capabilities { set: set?, negated: negated?, mask, in_namespace: in_namespace? })
}

fn read_credentials(item: Field<'_>, report: &mut Report<'_>) -> Option<Filters> {
    let fields = Fields::read(item.node, &MATCH_CURRENT_CRED, report)?;
    let mut read = |name, which, shape| {
        let Some(list) = fields.get(name) else { return Some(vec![]) };
        read_each(list, report, |item, report| read_users(item, which, shape, report))
    };
    let real = read("uid", UserId::Real, &USER_IDS);
    let effective = read("euid", UserId::Effective, &EFFECTIVE_USER_IDS);
    let (real, effective) = (real?, effective?);
    if real.is_empty() && effective.is_empty() {
        report.error_with_help(
            item.span(),
            "this entry of `matchCurrentCred` asks for nothing",
            "add `uid: …`",
        );
        return None;
    }
    Some([real, effective].concat())
}

fn read_users(
    item: Field<'_>,
    which: UserId,
    shape: &'static Shape,
    report: &mut Report<'_>,
) -> Option<IdentityFilter> {
    let fields = Fields::read(item.node, shape, report)?;
    let negated = fields.require("operator", report).and_then(|field| field.word(&USER_OPERATORS, report));
    let values = fields.require("values", report)?;
    let ranges = ranges(integer::read(values, Relation::InMap, ArgumentKind::Uint, None, report)?);
    Some(IdentityFilter { negated: negated?, condition: IdentityCondition::User(which, ranges) })
}

/// Numbers and ranges, as ranges.
fn ranges(test: Test) -> Vec<RangeInclusive<u64>> {
    match test {
        Test::IntRanges(ranges) => ranges,
        Test::IntEqual(values) => {
            let mut numbers: Vec<_> = values.into_iter().map(|value| value as u64).collect();
            numbers.sort_unstable();
            numbers.dedup();
            numbers.into_iter().map(|number| number..=number).collect()
        }
        // What reads numbers gives nothing else.
        _ => vec![],
    }
}
