//! Reads filters on values: `matchArgs`, `matchData` and `matchReturnArgs`.

use super::read_each;
use crate::expression;
use crate::fields::{Field, Fields, is_default};
use crate::hook::{Context, Known};
use crate::integer;
use crate::lists::Lists;
use crate::part;
use crate::report::Report;
use crate::schema::{ARGUMENT_OPERATORS, Comparison, MATCH_ARGS, MATCH_DATA, MATCH_RETURN_ARGS, Relation};
use crate::source::Span;
use crate::tree::Value;
use crate::{ArgumentFilter, ArgumentKind, MAX_SUBSTRING, MAX_VALUE, Part, Target, Test};

pub(super) fn read_argument(
    item: Field<'_>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<ArgumentFilter> {
    let fields = Fields::read(item.node, &MATCH_ARGS, report)?;
    let operator = fields.require("operator", report);
    let comparison = operator.and_then(|operator| operator.word(&ARGUMENT_OPERATORS, report));
    match (operator, comparison) {
        (Some(operator), Some(Comparison { relation: Relation::Gained, .. })) => {
            return read_gained(&fields, operator, context, report);
        }
        (_, Some(Comparison { relation: Relation::Expression, .. })) => {
            return read_expression(&fields, context, report);
        }
        _ => {}
    }
    let argument = find_argument(&fields, context, report);
    read_comparison(&fields, comparison, argument, context.lists, report)
}

/// Reads a filter on an entry of `data`, which are counted from 0.
pub(super) fn read_data(
    item: Field<'_>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<ArgumentFilter> {
    let fields = Fields::read(item.node, &MATCH_DATA, report)?;
    let operator = fields.require("operator", report);
    let comparison = operator.and_then(|operator| operator.word(&ARGUMENT_OPERATORS, report));
    refuse_of_arguments(operator, comparison, "write it below `matchArgs`", report)?;
    let index = fields.get("index");
    let field = match fields.get("args") {
        Some(args) => Some(only_argument(index, args, report)?),
        None => index,
    };
    let number = field.map_or(Some(0), |field| field.integer("a whole number", 0..=u32::MAX, report))?;
    let (arguments, data) = (context.arguments.as_ref()?, context.data.as_ref()?);
    let Some((slot, known)) = data.iter().enumerate().find(|(slot, _)| u32::try_from(*slot) == Ok(number))
    else {
        let span = field.map_or(fields.span(), |field| field.span());
        let message = format!("`data` of the hook has no entry {number}");
        report.error_with_help(span, message, "entries are counted from 0");
        return None;
    };
    let argument = Some((arguments.len() + slot, known.kind));
    read_comparison(&fields, comparison, argument, context.lists, report)
}

/// Reads a filter on what the function returns: argument 0, and the only one.
pub(super) fn read_returned(
    item: Field<'_>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<ArgumentFilter> {
    let fields = Fields::read(item.node, &MATCH_RETURN_ARGS, report)?;
    if let Some(index) = fields.get("index").or(fields.get("args")).filter(|field| !is_default(field.node)) {
        let message = "a function returns one value, argument 0";
        report.error_with_help(index.span(), message, format!("leave `{}` out", index.name));
        return None;
    }
    if context.returns.is_none() {
        let (message, help) = if is_tracepoint(context) {
            ("a tracepoint returns nothing", "leave `matchReturnArgs` out")
        } else {
            (
                "the hook does not wait for the function's return",
                "add `return: true` and `returnArg: {type: …}` to the hook",
            )
        };
        report.error_with_help(fields.span(), message, help);
    }
    let argument = context.returns.flatten().map(|kind| (0, kind));
    let operator = fields.require("operator", report);
    let comparison = operator.and_then(|operator| operator.word(&ARGUMENT_OPERATORS, report));
    let help = "write `Equal`, `InRange` or another operator of integers";
    refuse_of_arguments(operator, comparison, help, report)?;
    read_comparison(&fields, comparison, argument, context.lists, report)
}

fn read_comparison(
    fields: &Fields<'_>,
    comparison: Option<Comparison>,
    argument: Option<(usize, ArgumentKind)>,
    lists: Option<&Lists>,
    report: &mut Report<'_>,
) -> Option<ArgumentFilter> {
    let operator = fields.get("operator");
    let values = read_values(fields, comparison.map(|comparison| comparison.relation), report);
    let ((slot, kind), comparison, values) = (argument?, comparison?, values?);
    check_operator(operator?, comparison.relation, kind, report)?;
    let (part, test) = match (comparison.relation, values) {
        (Relation::Part(part), Some(values)) => (part, part::read(values, part, report)?),
        (Relation::Privileged(part), _) => (part, part::privileged()),
        (relation, Some(values)) if kind.is_text() => {
            (Part::Value, read_texts(values, relation, kind, report)?)
        }
        (relation, Some(values)) => (Part::Value, integer::read(values, relation, kind, lists, report)?),
        (_, None) => return None,
    };
    Some(ArgumentFilter { slot, part, negated: comparison.negated, test })
}

/// Refuses operators that say themselves which arguments they are about.
fn refuse_of_arguments(
    operator: Option<Field<'_>>,
    comparison: Option<Comparison>,
    help: &str,
    report: &mut Report<'_>,
) -> Option<()> {
    let message = match comparison.map(|comparison| comparison.relation) {
        Some(Relation::Gained) => "this operator compares two arguments",
        Some(Relation::Expression) => "this operator is about entries of `args`",
        _ => return Some(()),
    };
    report.error_with_help(operator?.span(), message, help);
    None
}

/// Reads `CelExpr`, which names its arguments itself.
fn read_expression(
    fields: &Fields<'_>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<ArgumentFilter> {
    let values = fields.require("values", report);
    for name in ["index", "args"] {
        if let Some(field) = fields.get(name).filter(|field| !is_default(field.node)) {
            let message = "an expression says itself which arguments it is about";
            report.error_with_help(field.span(), message, format!("leave `{name}` out"));
            return None;
        }
    }
    expression::read(values?, context.arguments.as_ref()?, report)
}

/// Reads `CapabilitiesGained`, which compares two arguments.
fn read_gained(
    fields: &Fields<'_>,
    operator: Field<'_>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<ArgumentFilter> {
    read_values(fields, Some(Relation::Gained), report)?;
    let items: Vec<_> = match fields.get("args") {
        Some(args) => args.items(report)?.collect(),
        None => vec![],
    };
    let [before, after] = items.as_slice() else {
        let message = "this operator compares two arguments";
        report.error_with_help(
            operator.span(),
            message,
            "write the one before, then the one after: `args: [0, 1]`",
        );
        return None;
    };
    let mut sets = [before, after].map(|item| {
        let (slot, kind) = slot_at(*item, context, report)?;
        if !kind.is_capability_set() {
            let message =
                "this operator compares sets of capabilities; this argument is read as something else";
            report.error_with_help(
                item.span(),
                message,
                "read it as `kernel_cap_t`, `cap_effective` or another set",
            );
            return None;
        }
        Some(slot)
    });
    let (slot, after) = (sets[0].take()?, sets[1].take()?);
    Some(ArgumentFilter { slot, part: Part::Value, negated: false, test: Test::Gained(after) })
}

/// The values of a filter; `Some(None)` for operators that have none.
fn read_values<'n>(
    fields: &Fields<'n>,
    relation: Option<Relation>,
    report: &mut Report<'_>,
) -> Option<Option<Field<'n>>> {
    let Some(Relation::Privileged(_) | Relation::Gained) = relation else {
        return fields.require("values", report).map(Some);
    };
    if let Some(values) = fields.get("values").filter(|values| !is_default(values.node)) {
        report.error_with_help(values.span(), "this operator takes no values", "leave `values` out");
        return None;
    }
    Some(None)
}

/// Refuses operators that make no sense for the argument's type.
fn check_operator(
    operator: Field<'_>,
    relation: Relation,
    kind: ArgumentKind,
    report: &mut Report<'_>,
) -> Option<()> {
    let compares_texts = matches!(
        relation,
        Relation::Prefix | Relation::Postfix | Relation::SubString | Relation::SubStringAnyCase
    );
    let (message, help) = match relation {
        Relation::Part(part) | Relation::Privileged(part) if kind.parts().contains(&part) => return Some(()),
        Relation::Part(_) | Relation::Privileged(_) if kind.parts().is_empty() => (
            "this operator compares parts of sockets, packets, addresses or files; this argument has none",
            "read the argument as `sock`, `skb`, `sockaddr`, `file` or the like",
        ),
        Relation::Part(_) | Relation::Privileged(_) | Relation::Gained | Relation::Expression => {
            ("arguments of this type have nothing that this operator compares", part::operators(kind))
        }
        Relation::Equal if kind.is_text() => return Some(()),
        _ if kind.is_text() && compares_texts => return Some(()),
        _ if kind.is_text() => (
            "this operator compares integers; this argument is read as a string or path",
            "write `Equal`, `Prefix`, `Postfix`, `SubString` or one of their negations",
        ),
        _ if !kind.parts().is_empty() => (
            "this operator compares integers, strings and paths; this argument is read as more than one value",
            part::operators(kind),
        ),
        _ if !kind.is_integer() => {
            ("arguments of this type are reported, but cannot be compared", "leave this filter out")
        }
        _ if compares_texts => (
            "`Prefix`, `Postfix` and `SubString` compare strings and paths; this argument is read as an integer",
            "write `Equal`, `InRange` or another operator of integers",
        ),
        _ => return Some(()),
    };
    report.error_with_help(operator.span(), message, help);
    None
}

/// The argument that a filter's `index`, or the only number in its `args`, means: its slot and type.
fn find_argument(
    fields: &Fields<'_>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<(usize, ArgumentKind)> {
    let index = fields.get("index");
    if let Some(args) = fields.get("args") {
        return slot_at(only_argument(index, args, report)?, context, report);
    }
    slot_of(index, index.map_or(fields.span(), |field| field.span()), context, report)
}

/// The slot and type of the argument that is this entry of `args`, counted from 0.
fn slot_at(
    field: Field<'_>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<(usize, ArgumentKind)> {
    let position = field.integer("a whole number", 0..=u32::MAX, report)?;
    let arguments = context.arguments.as_ref()?;
    let is_wanted = |known: &Known| u32::try_from(known.position) == Ok(position);
    let found = arguments.iter().position(is_wanted);
    if found.is_none() {
        let message = format!("`args` of the hook has no entry {position} that is read");
        report.error_with_help(field.span(), message, "entries are counted from 0");
    }
    found.and_then(|slot| Some((slot, arguments.get(slot)?.kind)))
}

/// The slot and type of the first argument that reads the parameter with a number, 0 if it is left out.
pub(crate) fn slot_of(
    field: Option<Field<'_>>,
    span: Span,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<(usize, ArgumentKind)> {
    let index = field.map_or(Some(0), |index| index.integer("a whole number", 0..=u32::MAX, report))?;
    let arguments = context.arguments.as_ref()?;
    let slot = arguments.iter().position(|known| u32::from(known.index) == index);
    // Filters of tracepoints may count the entries of `args` as well, as Tetragon reads them.
    let by_position = usize::try_from(index).ok().filter(|&slot| slot < arguments.len());
    let slot = slot.or(by_position.filter(|_| is_tracepoint(context)));
    if slot.is_none() {
        let message = format!("no entry of `args` reads parameter {index}");
        report.error_with_help(span, message, format!("add `- index: {index}` with its type to `args`"));
    }
    slot.and_then(|slot| Some((slot, arguments.get(slot)?.kind)))
}

fn is_tracepoint(context: &Context<'_>) -> bool {
    matches!(context.targets.first(), Some(Target::Tracepoint(_) | Target::RawTracepoint(_)))
}

/// No operator that is supported compares two arguments.
fn only_argument<'n>(
    index: Option<Field<'n>>,
    args: Field<'n>,
    report: &mut Report<'_>,
) -> Option<Field<'n>> {
    if index.is_some_and(|index| !is_default(index.node)) {
        report.error(args.span(), "`index` and `args` both say which argument: leave one out");
        return None;
    }
    let items: Vec<_> = args.items(report)?.collect();
    if items.len() != 1 {
        report.error_with_help(args.span(), "this operator compares one argument", "write `args: [0]`");
    }
    items.into_iter().next()
}

fn read_texts(
    values: Field<'_>,
    relation: Relation,
    kind: ArgumentKind,
    report: &mut Report<'_>,
) -> Option<Test> {
    let bytes = kind.is_bytes();
    let (test, longest): (fn(_) -> _, _) = match relation {
        Relation::Prefix => (Test::Prefix, MAX_VALUE),
        Relation::Postfix => (Test::Postfix, MAX_VALUE),
        Relation::SubString => (Test::SubString, MAX_SUBSTRING),
        Relation::SubStringAnyCase => (without_capitals, MAX_SUBSTRING),
        _ => (Test::Equal, MAX_VALUE),
    };
    // Every text starts, ends and goes on with nothing, and few are nothing.
    let may_be_empty = relation == Relation::Equal;
    let texts =
        read_each(values, report, |item, report| read_text(item, longest, (bytes, may_be_empty), report))?;
    Some(test(texts))
}

fn without_capitals(values: Vec<Vec<u8>>) -> Test {
    Test::SubStringAnyCase(values.iter().map(|value| value.to_ascii_lowercase()).collect())
}

fn read_text(
    item: Field<'_>,
    longest: usize,
    (bytes, may_be_empty): (bool, bool),
    report: &mut Report<'_>,
) -> Option<Vec<u8>> {
    let is_quoted = matches!(&item.node.value, Value::Scalar { plain: false, .. });
    let text = if may_be_empty && is_quoted { item.optional_string(report)? } else { item.text(report)? };
    // Older policies end values with the NUL that ends strings in the kernel; in bytes it counts.
    let text = if bytes { text } else { text.trim_end_matches('\0') };
    let message = if text.is_empty() && !may_be_empty {
        "an empty value cannot be compared with".into()
    } else if text.contains('\0') && !bytes {
        "a value cannot contain a NUL: strings and paths end there".into()
    } else if text.len() > longest {
        format!("this value has {} bytes; at most {longest} are compared", text.len())
    } else {
        return Some(text.into());
    };
    report.error(item.span(), message);
    None
}
