//! Reads `args`: what of a hook is read.

use crate::fields::{Field, Fields, is_default};
use crate::format;
use crate::report::Report;
use crate::resolve::{self, ResolvePlaces};
use crate::schema::{ARGUMENT, Section, TYPES, TypeName};
use crate::source::Span;
use crate::{
    ArgumentKind, ArgumentPlan, ArgumentSource, MAX_ARGUMENT_INDEX, MAX_FIELD_INDEX, MAX_PROBE_INDEX, Target,
};

/// Where the parts of an argument stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArgumentPlaces {
    pub(crate) index: Span,
    pub(crate) kind: Span,
    pub(crate) resolve: Option<ResolvePlaces>,
    /// Which entry of the list it is, from 0.
    pub(crate) position: usize,
}

/// What arguments are counted from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Parameters,
    /// Those of a raw tracepoint.
    Tracepoint,
    /// Fields of a tracepoint's record.
    Record,
    /// Parameters of a program's function.
    Program,
    /// Arguments of a USDT probe.
    Probe,
}

impl Origin {
    /// `target` is missing if it was refused.
    fn of(section: &Section, target: Option<&Target>) -> Self {
        match target {
            Some(Target::RawTracepoint(_)) => Origin::Tracepoint,
            _ if section.name == "tracepoints" => Origin::Record,
            _ if section.name == "uprobes" => Origin::Program,
            _ if section.name == "usdts" => Origin::Probe,
            _ => Origin::Parameters,
        }
    }

    fn last(self) -> u8 {
        match self {
            Origin::Record => MAX_FIELD_INDEX,
            Origin::Probe => MAX_PROBE_INDEX,
            _ => MAX_ARGUMENT_INDEX,
        }
    }
}

/// Reads the arguments of a hook.
pub(crate) fn read_all(
    args: Field<'_>,
    section: &Section,
    target: Option<&Target>,
    report: &mut Report<'_>,
) -> Option<Vec<(ArgumentPlan, ArgumentPlaces)>> {
    let origin = Origin::of(section, target);
    let mut arguments: Vec<(ArgumentPlan, ArgumentPlaces)> = vec![];
    let mut complete = true;
    for (position, item) in args.items(report)?.enumerate() {
        let (plan, places) = match read(item, (origin, target), report) {
            Some(Some((plan, places))) => (plan, ArgumentPlaces { position, ..places }),
            Some(None) => continue,
            None => {
                complete = false;
                continue;
            }
        };
        if let Some((_, first)) = arguments.iter().find(|(other, _)| reads_the_same(other, &plan)) {
            let message =
                format!("parameter {} is read twice, first on line {}", plan.index, first.index.line);
            report.error_with_help(places.index, message, "keep one of them");
            complete = false;
        }
        arguments.push((plan, places));
    }
    complete.then_some(arguments)
}

/// Whether two arguments have the same value.
fn reads_the_same(one: &ArgumentPlan, other: &ArgumentPlan) -> bool {
    one.index == other.index && one.kind == other.kind && one.resolve == other.resolve
}

/// Reads an argument; `Some(None)` for one of type `nop`, which only holds a place.
fn read(
    item: Field<'_>,
    (origin, target): (Origin, Option<&Target>),
    report: &mut Report<'_>,
) -> Option<Option<(ArgumentPlan, ArgumentPlaces)>> {
    let fields = Fields::read(item.node, &ARGUMENT, report)?;
    let index_field = fields.require("index", report);
    let index = index_field.and_then(|index| index.integer("a whole number", 0..=origin.last(), report));
    let kind_field = fields.get("type").filter(|kind| !is_default(kind.node));
    let kind = match kind_field {
        Some(kind) => kind.word(&TYPES, report),
        None if origin == Origin::Record => Some(TypeName::Field),
        None => fields.require("type", report).and_then(|kind| kind.word(&TYPES, report)),
    };
    let kind_span = kind_field.map_or(fields.span(), |kind| kind.span());
    let label = fields.get("label").map_or(Some(""), |label| label.optional_string(report));
    if let Some(source) = fields.get("source").filter(|source| !is_default(source.node)) {
        report.error_with_help(source.span(), "`source` belongs to entries of `data`", "write them there");
        return None;
    }
    let (resolve, resolve_places) = resolve::read(&fields, report)?.unzip();
    if let (Origin::Program | Origin::Probe, Some(module)) =
        (origin, resolve_places.as_ref().and_then(ResolvePlaces::module))
    {
        let message = "`btfTypeModule` is about the kernel's types; those of a program are in `btfPath`";
        report.error_with_help(module, message, "leave it out");
        return None;
    }
    let places =
        ArgumentPlaces { index: index_field?.span(), kind: kind_span, resolve: resolve_places, position: 0 };
    let (index, label) = (index?, label?.into());
    let kind = match kind? {
        TypeName::Of(kind) => kind,
        TypeName::Nothing => return Some(None),
        TypeName::Field => format::kind_of_field(target?, index, kind_span, report)?,
    };
    check_origin(kind, origin, places.kind, report)?;
    let kind = read_size(&fields, kind, origin, places.kind, report)?;
    Some(Some((ArgumentPlan { index, kind, label, source: ArgumentSource::Parameter, resolve }, places)))
}

/// Refuses types that what is hooked does not have.
fn check_origin(kind: ArgumentKind, origin: Origin, span: Span, report: &mut Report<'_>) -> Option<()> {
    let (message, help) = match (kind, origin) {
        (ArgumentKind::DataLocation, origin) if origin != Origin::Record => {
            ("`data_loc` is a type of fields in records of tracepoints", "write `string`")
        }
        (ArgumentKind::RecordBytes, origin) if origin != Origin::Record => (
            "`const_buf` is a type of arrays in records of tracepoints",
            "write `char_buf`, with `sizeArgIndex`",
        ),
        (ArgumentKind::Segments { .. }, Origin::Record) => {
            ("no field of a tracepoint's record is read as `char_iovec`", "leave it out")
        }
        (ArgumentKind::Syscall, Origin::Parameters | Origin::Program | Origin::Probe) => {
            ("`syscall64` is a type of what tracepoints tell of system calls", "write `uint64`")
        }
        (kind, Origin::Program | Origin::Probe) if !is_of_programs(kind) => (
            "this type is one of the kernel's, which programs do not have",
            "write `string`, `char_buf` or an integer",
        ),
        _ => return Some(()),
    };
    report.error_with_help(span, message, help);
    None
}

/// Whether programs pass it to their functions.
fn is_of_programs(kind: ArgumentKind) -> bool {
    let is_number = kind.is_integer() && !kind.is_capability_set();
    is_number
        || matches!(
            kind,
            ArgumentKind::String
                | ArgumentKind::Bytes { .. }
                | ArgumentKind::Segments { .. }
                | ArgumentKind::ReturnedBytes
                | ArgumentKind::Descriptor
        )
}

/// Completes the type of bytes by the parameter that has their number, which the file counts from 1.
fn read_size(
    fields: &Fields<'_>,
    kind: ArgumentKind,
    origin: Origin,
    span: Span,
    report: &mut Report<'_>,
) -> Option<ArgumentKind> {
    if let Some(more) = fields.get("maxData")
        && more.boolean(report)?
        && !matches!(kind, ArgumentKind::Bytes { .. })
    {
        report.error_with_help(more.span(), "`maxData` belongs to the type `char_buf`", "leave it out");
        return None;
    }
    if let Some(copy) = fields.get("returnCopy")
        && copy.boolean(report)?
    {
        return read_return_copy(fields, copy, kind, report);
    }
    let size = fields.get("sizeArgIndex").filter(|size| !is_default(size.node));
    match (kind, size) {
        (ArgumentKind::Bytes { .. }, Some(size)) => {
            let number = size.integer("a whole number", 1..=origin.last() + 1, report)?;
            Some(ArgumentKind::Bytes { size: number - 1 })
        }
        (ArgumentKind::Segments { .. }, Some(size)) => {
            let number = size.integer("a whole number", 1..=origin.last() + 1, report)?;
            Some(ArgumentKind::Segments { size: number - 1 })
        }
        (ArgumentKind::Segments { .. }, None) => {
            let help = "add `sizeArgIndex: …`, the number of that parameter, counted from 1";
            let message = "`char_iovec` needs a parameter that says how many segments there are";
            report.error_with_help(span, message, help);
            None
        }
        (ArgumentKind::Bytes { .. }, None) => {
            let help =
                "add `sizeArgIndex: …`, the number of that parameter, counted from 1; or `returnCopy: true`";
            report.error_with_help(
                span,
                "`char_buf` needs a parameter that says how many bytes there are",
                help,
            );
            None
        }
        (kind, None) => Some(kind),
        (_, Some(size)) => {
            report.error_with_help(
                size.span(),
                "`sizeArgIndex` belongs to the types `char_buf` and `char_iovec`",
                "leave it out",
            );
            None
        }
    }
}

/// A buffer that is read when the call has returned.
fn read_return_copy(
    fields: &Fields<'_>,
    copy: Field<'_>,
    kind: ArgumentKind,
    report: &mut Report<'_>,
) -> Option<ArgumentKind> {
    if !matches!(kind, ArgumentKind::Bytes { .. }) {
        report.error_with_help(copy.span(), "`returnCopy` belongs to the type `char_buf`", "leave it out");
        return None;
    }
    if let Some(size) = fields.get("sizeArgIndex").filter(|size| !is_default(size.node)) {
        let message = "with `returnCopy`, what the call returns says how many bytes there are";
        report.error_with_help(size.span(), message, "leave `sizeArgIndex` out");
        return None;
    }
    Some(ArgumentKind::ReturnedBytes)
}

/// Refuses buffers that wait for a return that the hook does not wait for, and more than one of them.
pub(crate) fn check_return_copies(
    arguments: &[(ArgumentPlan, ArgumentPlaces)],
    returned: Option<ArgumentKind>,
    report: &mut Report<'_>,
) -> Option<()> {
    let mut copies = arguments.iter().filter(|(plan, _)| plan.kind == ArgumentKind::ReturnedBytes);
    let Some((_, first)) = copies.next() else { return Some(()) };
    if let Some((_, second)) = copies.next() {
        report.error_with_help(second.kind, "a hook can have one `returnCopy`", "keep one of them");
        return None;
    }
    if !returned.is_some_and(ArgumentKind::is_integer) {
        let message = "`returnCopy` needs what the call returns, which says how many bytes there are";
        let help = "add `return: true` and `returnArg: {index: 0, type: int64}` to the hook";
        report.error_with_help(first.kind, message, help);
        return None;
    }
    Some(())
}
