//! Reads where an entry of `spec.usdts` hooks, and what it sets there.

use crate::diagnostic::quote;
use crate::fields::{Field, Fields};
use crate::hook::Context;
use crate::report::Report;
use crate::uprobe::{read_path, read_types};
use crate::{ActionPlan, MAX_PROBE_INDEX, Target, Usdt};

/// Longest name of a provider or probe, in bytes.
const MAX_NAME: usize = 255;

/// The probe that an entry names.
pub(crate) fn read(name: Field<'_>, fields: &Fields<'_>, report: &mut Report<'_>) -> Option<Target> {
    let path = fields.require("path", report).and_then(|path| read_path(path, report));
    let provider = fields.require("provider", report).and_then(|provider| read_name(provider, report));
    let name = read_name(name, report);
    let types = read_types(fields, report)?;
    let (path, provider, name) = (path?.into(), provider?.into(), name?.into());
    Some(Target::Usdt(Usdt { path, provider, name, types }))
}

fn read_name<'n>(field: Field<'n>, report: &mut Report<'_>) -> Option<&'n str> {
    let name = field.string(report)?;
    if name.len() > MAX_NAME
        || name.contains(|character: char| character.is_whitespace() || character.is_control())
    {
        let message = format!("{} is not the name of a probe or of its provider", quote(name));
        report.error_with_help(
            field.span(),
            message,
            "`readelf --notes` lists those of a program: `stapsdt`",
        );
        return None;
    }
    Some(name)
}

/// Reads the action `Set`.
pub(crate) fn read_set(
    action: Field<'_>,
    fields: &Fields<'_>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<ActionPlan> {
    if !matches!(context.targets.first(), None | Some(Target::Usdt(_))) {
        let message = "`Set` is possible on probes of programs only";
        report.error_with_help(action.span(), message, "hook a probe with `usdts`");
        return None;
    }
    let argument = fields.get("argIndex");
    let argument =
        argument.map_or(Some(0), |field| field.integer("a whole number", 0..=MAX_PROBE_INDEX, report));
    let value = fields.require("argValue", report)?.integer("a whole number", 0..=u32::MAX, report);
    Some(ActionPlan::Set { argument: argument?, value: value? })
}
