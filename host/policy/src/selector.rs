//! Reads `selectors`: what must hold, and what is done then.

use crate::action;
use crate::diagnostic::quote;
use crate::fields::{Field, Fields};
use crate::hook::Context;
use crate::report::Report;
use crate::scalar::parse_integer;
use crate::schema::{
    ARGUMENT_OPERATORS, BINARY_OPERATORS, Comparison, MATCH_ARGS, MATCH_BINARIES, MATCH_PIDS, PID_OPERATORS,
    SELECTOR,
};
use crate::{
    ActionPlan, ArgumentFilter, ArgumentKind, BinaryFilter, MAX_BINARY_PATH, MAX_VALUE, PidFilter,
    SelectorPlan, Test,
};

/// Reads a hook's selectors. Without any, the hook matches always and posts.
pub(crate) fn read_all(
    hook: &Fields<'_>,
    context: &Context,
    report: &mut Report<'_>,
) -> Option<Vec<SelectorPlan>> {
    let Some(selectors) = hook.get("selectors") else {
        return Some(vec![SelectorPlan { actions: vec![ActionPlan::Post], ..SelectorPlan::default() }]);
    };
    read_each(selectors, report, |item, report| read(item, context, report))
}

fn read(item: Field<'_>, context: &Context, report: &mut Report<'_>) -> Option<SelectorPlan> {
    let fields = Fields::read(item.node, &SELECTOR, report)?;
    let pids = read_filters(&fields, "matchPIDs", report, read_pids);
    let binaries = read_filters(&fields, "matchBinaries", report, read_binaries);
    let arguments =
        read_filters(&fields, "matchArgs", report, |item, report| read_argument(item, context, report));
    let actions =
        read_filters(&fields, "matchActions", report, |item, report| action::read(item, context, report));
    let mut actions = actions?;
    if actions.is_empty() {
        actions.push(ActionPlan::Post);
    }
    Some(SelectorPlan { pids: pids?, binaries: binaries?, arguments: arguments?, actions })
}

fn read_filters<T>(
    selector: &Fields<'_>,
    name: &'static str,
    report: &mut Report<'_>,
    read: impl FnMut(Field<'_>, &mut Report<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    selector.get(name).map_or(Some(vec![]), |list| read_each(list, report, read))
}

/// Reads every item of a list; `None` if one was refused.
fn read_each<T>(
    list: Field<'_>,
    report: &mut Report<'_>,
    mut read: impl FnMut(Field<'_>, &mut Report<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let read: Vec<Option<T>> = list.items(report)?.map(|item| read(item, report)).collect();
    read.into_iter().collect()
}

fn read_pids(item: Field<'_>, report: &mut Report<'_>) -> Option<PidFilter> {
    let fields = Fields::read(item.node, &MATCH_PIDS, report)?;
    let membership = fields.require("operator", report).and_then(|field| field.word(&PID_OPERATORS, report));
    let values = fields.require("values", report)?;
    let values =
        read_each(values, report, |item, report| item.integer("a whole number", 0..=u32::MAX, report));
    Some(PidFilter { membership: membership?, values: values? })
}

fn read_binaries(item: Field<'_>, report: &mut Report<'_>) -> Option<BinaryFilter> {
    let fields = Fields::read(item.node, &MATCH_BINARIES, report)?;
    let membership =
        fields.require("operator", report).and_then(|field| field.word(&BINARY_OPERATORS, report));
    let values = fields.require("values", report)?;
    let values = read_each(values, report, read_binary);
    Some(BinaryFilter { membership: membership?, values: values? })
}

fn read_binary(item: Field<'_>, report: &mut Report<'_>) -> Option<String> {
    let path = item.string(report)?;
    if !path.starts_with('/') || path.contains('\0') {
        let message = format!("{} is not an absolute path", quote(path));
        report.error_with_help(
            item.span(),
            message,
            "write the path of the executable, such as `/usr/bin/ln`",
        );
        return None;
    }
    if path.len() > MAX_BINARY_PATH {
        let length = path.len();
        report.error(
            item.span(),
            format!("this path has {length} bytes; matchBinaries compares at most {MAX_BINARY_PATH}"),
        );
        return None;
    }
    Some(path.into())
}

fn read_argument(item: Field<'_>, context: &Context, report: &mut Report<'_>) -> Option<ArgumentFilter> {
    let fields = Fields::read(item.node, &MATCH_ARGS, report)?;
    let argument = find_argument(&fields, context, report);
    let operator = fields.require("operator", report);
    let comparison = operator.and_then(|operator| operator.word(&ARGUMENT_OPERATORS, report));
    let values = fields.require("values", report)?;
    let ((slot, kind), comparison) = (argument?, comparison?);
    let test = match kind {
        _ if kind.is_text() => read_texts(values, comparison, report)?,
        _ if comparison == Comparison::Equal => read_integers(values, kind, report)?,
        _ => {
            let message =
                "`Prefix` and `Postfix` compare strings and paths; this argument is read as an integer";
            report.error_with_help(operator?.span(), message, "write `Equal`");
            return None;
        }
    };
    Some(ArgumentFilter { slot, test })
}

/// The argument that a filter's `index` means: its slot and type.
fn find_argument(
    fields: &Fields<'_>,
    context: &Context,
    report: &mut Report<'_>,
) -> Option<(usize, ArgumentKind)> {
    let field = fields.get("index");
    let index = field.map_or(Some(0), |index| index.integer("a whole number", 0..=u32::MAX, report))?;
    let arguments = context.arguments.as_ref()?;
    let slot = arguments.iter().position(|&(parameter, _)| u32::from(parameter) == index);
    if slot.is_none() {
        let span = field.map_or(fields.span(), |field| field.span());
        let message = format!("no entry of `args` reads parameter {index}");
        report.error_with_help(span, message, format!("add `- index: {index}` with its type to `args`"));
    }
    slot.and_then(|slot| Some((slot, arguments.get(slot)?.1)))
}

fn read_integers(values: Field<'_>, kind: ArgumentKind, report: &mut Report<'_>) -> Option<Test> {
    let (min, max) = match kind {
        ArgumentKind::Int => (i128::from(i32::MIN), i128::from(i32::MAX)),
        ArgumentKind::Uint => (0, i128::from(u32::MAX)),
        ArgumentKind::Long => (i128::from(i64::MIN), i128::from(i64::MAX)),
        _ => (0, i128::from(u64::MAX)),
    };
    let integers = read_each(values, report, |item, report| {
        let text = item.text(report)?;
        let number = parse_integer(text).filter(|number| (min..=max).contains(number));
        if number.is_none() {
            let message = format!("{} is not a whole number from {min} to {max}", quote(text));
            report.error_with_help(item.span(), message, "that is the range of the argument's type");
        }
        // Above i64::MAX only the bits matter: the kernel compares them.
        number.map(|number| number as i64)
    })?;
    Some(Test::IntEqual(integers))
}

fn read_texts(values: Field<'_>, comparison: Comparison, report: &mut Report<'_>) -> Option<Test> {
    let texts = read_each(values, report, read_text)?;
    Some(match comparison {
        Comparison::Equal => Test::Equal(texts),
        Comparison::Prefix => Test::Prefix(texts),
        Comparison::Postfix => Test::Postfix(texts),
    })
}

fn read_text(item: Field<'_>, report: &mut Report<'_>) -> Option<Vec<u8>> {
    // Older policies end values with the NUL that ends strings in the kernel.
    let text = item.text(report)?.trim_end_matches('\0');
    let message = if text.is_empty() {
        "an empty value cannot be compared with".into()
    } else if text.contains('\0') {
        "a value cannot contain a NUL: strings and paths end there".into()
    } else if text.len() > MAX_VALUE {
        format!("this value has {} bytes; at most {MAX_VALUE} are compared", text.len())
    } else {
        return Some(text.into());
    };
    report.error(item.span(), message);
    None
}
