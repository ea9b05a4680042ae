//! Reads `data`: what of the current task, or of the processor's registers, is read beside the arguments.

use crate::argument::ArgumentPlaces;
use crate::fields::{Field, Fields};
use crate::report::Report;
use crate::schema::{DATA, DataSource, SOURCES, TYPES, TypeName};
use crate::{ArgumentKind, ArgumentPlan, ArgumentSource, register, resolve};

/// Reads the entries of a hook's `data`.
pub(crate) fn read_all(
    data: Field<'_>,
    report: &mut Report<'_>,
) -> Option<Vec<(ArgumentPlan, ArgumentPlaces)>> {
    let entries: Vec<_> = data.items(report)?.enumerate().collect();
    let read: Vec<_> = entries.into_iter().map(|(position, item)| read(item, position, report)).collect();
    read.into_iter().collect()
}

fn read(item: Field<'_>, position: usize, report: &mut Report<'_>) -> Option<(ArgumentPlan, ArgumentPlaces)> {
    let fields = Fields::read(item.node, &DATA, report)?;
    // Filters count the entries, and nothing else asks for it.
    if let Some(index) = fields.get("index") {
        index.integer("a whole number", 0..=u32::MAX, report)?;
    }
    let source = fields.require("source", report).and_then(|source| source.word(&SOURCES, report));
    let kind_field = fields.require("type", report);
    let kind = kind_field.and_then(|kind| kind.word(&TYPES, report));
    let label = fields.get("label").map_or(Some(""), |label| label.optional_string(report));
    let what = fields.require("resolve", report)?;
    let (source, kind, label) = (source?, kind?, label?.into());
    let kind_span = kind_field?.span();
    let kind = match kind {
        TypeName::Of(kind) if can_be_read(kind) => Some(kind),
        _ => None,
    };
    let Some(kind) = kind else {
        let message = "entries of `data` are not of this type, which belongs to arguments";
        report.error_with_help(
            kind_span,
            message,
            "write `string`, or the type of an integer or a structure",
        );
        return None;
    };
    let places = |resolve| ArgumentPlaces { index: item.span(), kind: kind_span, resolve, position };
    let plan = |source, resolve| ArgumentPlan { index: 0, kind, label, source, resolve };
    match source {
        DataSource::CurrentTask => {
            let (resolve, resolve_places) = resolve::read_in_task(what, report)?;
            Some((plan(ArgumentSource::CurrentTask, Some(resolve)), places(Some(resolve_places))))
        }
        DataSource::Registers => {
            let register = register::read(what.string(report)?, what.span(), report)?;
            if !kind.is_integer() && kind != ArgumentKind::String || kind.is_capability_set() {
                let message = "a register is read as an integer, or as the address of a string";
                report.error_with_help(kind_span, message, "write `uint64`, `int` or `string`");
                return None;
            }
            Some((plan(ArgumentSource::Register(register), None), places(None)))
        }
    }
}

/// Whether a type is that of a value, and not of how a parameter is passed.
fn can_be_read(kind: ArgumentKind) -> bool {
    use ArgumentKind::{Bytes, DataLocation, RecordBytes, ReturnedBytes, Segments, Syscall};
    !matches!(kind, Bytes { .. } | Segments { .. } | ReturnedBytes | DataLocation | RecordBytes | Syscall)
}
