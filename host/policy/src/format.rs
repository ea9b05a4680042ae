//! Holds the tracepoints of a policy against the formats of the kernel's trace events.

use serin_btf::{FieldKind, Format, FormatField, Tracefs, TypeKind};

use crate::check::{NO_TYPE, describe, is_character, mismatch};
use crate::report::Report;
use crate::source::Span;
use crate::suggest::nearest;
use crate::{ArgumentKind, ArgumentPlan, Diagnostic, Policy, Target, TraceEvent};

/// Bytes at the start of a record that the kernel has overwritten when programs see it.
///
/// `perf_trace_run_bpf_submit` in <https://elixir.bootlin.com/linux/v6.12/source/kernel/events/core.c>.
const OVERWRITTEN: u32 = 8;

impl Policy {
    /// Whether a hook is on a tracepoint whose arguments are the fields of its record.
    #[must_use]
    pub fn has_tracepoints(&self) -> bool {
        self.plan().hooks.iter().any(|hook| matches!(hook.target, Target::Tracepoint(_)))
    }

    /// Checks that the tracepoints exist and have the fields that the policy reads.
    ///
    /// `format` finds the format of an event of a subsystem; `None` if there is no such event. `names` are all events,
    /// as `subsystem/event`.
    ///
    /// # Errors
    /// What `format` gives.
    pub fn check_formats<E>(
        &self,
        format: impl Fn(&str, &str) -> Result<Option<Format>, E>,
        names: impl Fn() -> Vec<String>,
    ) -> Result<Vec<Diagnostic>, E> {
        let mut errors = vec![];
        for (hook, places) in self.plan().hooks.iter().zip(&self.hooks) {
            let Target::Tracepoint(event) = &hook.target else { continue };
            let mut error = |span: Span, message: String, help: String| {
                errors.push(Diagnostic::new(&self.source, span, message, Some(help)));
            };
            let Some(format) = format(&event.subsystem, &event.name)? else {
                error(
                    places.call,
                    format!("this kernel has no tracepoint `{event}`"),
                    suggest(event, &names()),
                );
                continue;
            };
            for (argument, places) in hook.arguments.iter().zip(&places.arguments) {
                if let Err(wrong) = check(argument, event, &format) {
                    let span = if wrong.in_type { places.kind } else { places.index };
                    error(span, wrong.message, wrong.help);
                }
            }
        }
        Ok(errors)
    }
}

/// The type of a field of a tracepoint's record, by the format that the running kernel has.
pub(crate) fn kind_of_field(
    target: &Target,
    index: u8,
    span: Span,
    report: &mut Report<'_>,
) -> Option<ArgumentKind> {
    let Target::Tracepoint(event) = target else {
        let message = "`auto` is the type of fields in records of tracepoints, which the kernel tells";
        report.error_with_help(span, message, "write the type");
        return None;
    };
    let format = match Tracefs::open().and_then(|tracefs| tracefs.format(&event.subsystem, &event.name)) {
        Ok(Some(format)) => format,
        Ok(None) => {
            let help = "the directories in /sys/kernel/tracing/events show which there are";
            report.error_with_help(span, format!("this kernel has no tracepoint `{event}`"), help);
            return None;
        }
        Err(error) => {
            let message = format!("the type of field {index} is not known: {error}");
            report.error_with_help(span, message, "write the type");
            return None;
        }
    };
    let field = match find(index, event, &format) {
        Ok(field) => field,
        Err(wrong) => {
            report.error_with_help(span, wrong.message, wrong.help);
            return None;
        }
    };
    let kind = own_type(field);
    if kind.is_none() {
        let message = format!("field {index} (`{}`) of `{event}` is {}", field.name, told(field));
        report.error_with_help(span, message, "write a type: `auto` reads integers and arrays of characters");
    }
    kind
}

/// The type that reads all of a field, if its format tells that.
fn own_type(field: &FormatField) -> Option<ArgumentKind> {
    use ArgumentKind::{DataLocation, Int, Int8, Int16, Long, Size, String, Uint, Uint8, Uint16};
    match (&field.kind, field.size, field.signed) {
        (FieldKind::Integer, 1, true) => Some(Int8),
        (FieldKind::Integer, 1, false) => Some(Uint8),
        (FieldKind::Integer, 2, true) => Some(Int16),
        (FieldKind::Integer, 2, false) => Some(Uint16),
        (FieldKind::Integer, 4, true) => Some(Int),
        (FieldKind::Integer, 4, false) => Some(Uint),
        (FieldKind::Integer, 8, true) => Some(Long),
        (FieldKind::Integer, 8, false) => Some(Size),
        (FieldKind::Array { element }, ..) if is_character(element) => Some(String),
        (FieldKind::Location { element, .. }, ..) if is_character(element) => Some(DataLocation),
        _ => None,
    }
}

/// What is wrong with an argument.
struct Wrong {
    /// It is its type, and not its index.
    in_type: bool,
    message: String,
    help: String,
}

fn suggest(event: &TraceEvent, names: &[String]) -> String {
    nearest(&event.to_string(), names.iter().map(String::as_str)).map_or_else(
        || "the directories in /sys/kernel/tracing/events show which there are".into(),
        |suggestion| format!("did you mean `{suggestion}`?"),
    )
}

fn check(argument: &ArgumentPlan, event: &TraceEvent, format: &Format) -> Result<(), Wrong> {
    let field = find(argument.index, event, format)?;
    if argument.resolve.is_some() {
        return check_pointer(argument, event, field);
    }
    if let ArgumentKind::Bytes { size } = argument.kind {
        let size = find(size, event, format)?;
        if size.kind != FieldKind::Integer || !matches!(size.size, 4 | 8) {
            let message = format!("field `{}` of `{event}` is not a number of bytes", size.name);
            let help = "`sizeArgIndex` counts the fields from 1".into();
            return Err(Wrong { in_type: true, message, help });
        }
    }
    let Some(help) = misfit(argument.kind, field) else { return Ok(()) };
    let message = format!("field {} (`{}`) of `{event}` is {}", argument.index, field.name, told(field));
    Err(Wrong { in_type: true, message, help: help.into() })
}

/// Whether a field can hold where something else lies.
fn check_pointer(argument: &ArgumentPlan, event: &TraceEvent, field: &FormatField) -> Result<(), Wrong> {
    if matches!(field.kind, FieldKind::Pointer { .. } | FieldKind::Integer) && field.size == 8 {
        return Ok(());
    }
    let message = format!(
        "field {} (`{}`) of `{event}` is {}, where `resolve` needs a pointer",
        argument.index,
        field.name,
        told(field)
    );
    Err(Wrong { in_type: false, message, help: "leave `resolve` out".into() })
}

/// The field with this number, if programs see it.
fn find<'f>(index: u8, event: &TraceEvent, format: &'f Format) -> Result<&'f FormatField, Wrong> {
    let Some(field) = format.fields.get(usize::from(index)) else {
        let count = format.fields.len();
        let message = format!("`{event}` has {count} fields, so there is no field {index}");
        let help = "fields are counted from 0, those that all events have included".into();
        return Err(Wrong { in_type: false, message, help });
    };
    if field.offset < OVERWRITTEN {
        let message = format!("field {index} (`{}`) of `{event}` cannot be read", field.name);
        let help = "leave it out: the event tells the process and the thread anyway".into();
        return Err(Wrong { in_type: false, message, help });
    }
    Ok(field)
}

/// What to write instead if a type does not fit a field.
fn misfit(kind: ArgumentKind, field: &FormatField) -> Option<&'static str> {
    use ArgumentKind::{DataLocation, String, Syscall};
    match (&field.kind, kind) {
        (FieldKind::Integer, Syscall) if field.size == 8 => None,
        (FieldKind::Integer, _) if kind.is_integer() || kind == ArgumentKind::Descriptor => {
            (width(kind) > field.size).then(|| integer(field))
        }
        (FieldKind::Integer, _) => Some(integer(field)),
        // The kernel hides the types of structures from its formats.
        (FieldKind::Pointer { target }, _) if target == "void" && is_structure(kind) => None,
        (FieldKind::Pointer { .. }, DataLocation) => Some("write `string`"),
        (FieldKind::Pointer { target }, _) => mismatch(kind, &TypeKind::Pointer { target: target.clone() }),
        (FieldKind::Array { element }, String) if is_character(element) => None,
        (FieldKind::Location { element, .. }, String | DataLocation) if is_character(element) => None,
        (FieldKind::Array { element } | FieldKind::Location { element, .. }, _) if is_character(element) => {
            Some("write `string`")
        }
        _ => Some(NO_TYPE),
    }
}

/// Bytes that an integer type reads.
fn width(kind: ArgumentKind) -> u32 {
    use ArgumentKind::{BpfCmd, Capability, Descriptor, Int, Int8, Int16, Uint, Uint8, Uint16};
    match kind {
        Int8 | Uint8 => 1,
        Int16 | Uint16 => 2,
        Int | Uint | Capability | BpfCmd | Descriptor => 4,
        _ => 8,
    }
}

/// The type that reads all of an integer field.
fn integer(field: &FormatField) -> &'static str {
    match (field.size, field.signed) {
        (1, true) => "write `int8`",
        (1, false) => "write `uint8`",
        (2, true) => "write `int16`",
        (2, false) => "write `uint16`",
        (4, true) => "write `int`",
        (4, false) => "write `uint32`",
        (_, true) => "write `int64`",
        (_, false) => "write `uint64`",
    }
}

/// Whether a type reads what a pointer to a structure leads to.
fn is_structure(kind: ArgumentKind) -> bool {
    use ArgumentKind::{Bytes, DataLocation, Descriptor, String};
    let is_scalar = kind.is_integer() && !kind.is_capability_set();
    !is_scalar && !matches!(kind, Bytes { .. } | DataLocation | Descriptor | String)
}

fn told(field: &FormatField) -> String {
    match &field.kind {
        FieldKind::Integer => describe(&TypeKind::Int { size: field.size, signed: field.signed }),
        FieldKind::Pointer { target } => describe(&TypeKind::Pointer { target: target.clone() }),
        FieldKind::Array { element } => format!("an array of `{element}`"),
        FieldKind::Location { element, .. } => {
            format!("an array of `{element}`, as long as it happens to be")
        }
        FieldKind::Other(name) => format!("`{name}`"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use super::*;

    const FORMAT: &str = "name: e
ID: 7
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:long id;\toffset:8;\tsize:8;\tsigned:1;
\tfield:unsigned long args[6];\toffset:16;\tsize:48;\tsigned:0;
\tfield:char comm[16];\toffset:64;\tsize:16;\tsigned:0;
\tfield:__data_loc char[] name;\toffset:80;\tsize:4;\tsigned:0;
\tfield:void * skbaddr;\toffset:88;\tsize:8;\tsigned:0;
\tfield:const char * filename;\toffset:96;\tsize:8;\tsigned:0;
\tfield:short adj;\toffset:104;\tsize:2;\tsigned:1;
";

    fn errors(event: &str, index: u8, kind: &str) -> Vec<String> {
        let text = format!(
            "{{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {{name: p}}, spec: {{tracepoints: [{{\
             subsystem: s, event: {event}, args: [{{index: {index}, type: {kind}, sizeArgIndex: {}}}]}}]}}}}",
            if kind == "char_buf" { 3 } else { 0 }
        );
        let policies = Policy::parse(&text, Path::new("p.yaml")).unwrap();
        let format =
            |_: &str, name: &str| Ok::<_, ()>((name == "e").then(|| Format::parse(FORMAT)).flatten());
        let errors = policies[0].check_formats(format, || vec!["s/e".into()]).unwrap();
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn fields_have_a_type_of_their_own() {
        let field = |kind, size, signed| FormatField { name: "a".into(), kind, offset: 8, size, signed };
        let characters = || "char".to_owned();
        for (field, expected) in [
            (field(FieldKind::Integer, 1, true), Some(ArgumentKind::Int8)),
            (field(FieldKind::Integer, 2, false), Some(ArgumentKind::Uint16)),
            (field(FieldKind::Integer, 4, true), Some(ArgumentKind::Int)),
            (field(FieldKind::Integer, 8, false), Some(ArgumentKind::Size)),
            (field(FieldKind::Integer, 3, false), None),
            (field(FieldKind::Array { element: characters() }, 16, false), Some(ArgumentKind::String)),
            (
                field(FieldKind::Location { element: characters(), relative: true }, 4, false),
                Some(ArgumentKind::DataLocation),
            ),
            (field(FieldKind::Array { element: "__u8".into() }, 16, false), None),
            (field(FieldKind::Pointer { target: characters() }, 8, false), None),
        ] {
            assert_eq!(own_type(&field), expected, "{field:?}");
        }
    }

    #[test]
    fn types_that_fit_their_fields_are_taken() {
        for (index, kind) in [
            (2, "int64"),
            (2, "uint32"),
            (2, "syscall64"),
            (2, "fd"),
            (4, "string"),
            (5, "string"),
            (5, "data_loc"),
            (6, "skb"),
            (6, "sock"),
            (6, "uint64"),
            (7, "string"),
            (7, "char_buf"),
            (8, "int16"),
        ] {
            assert_eq!(errors("e", index, kind), [] as [&str; 0], "{index}: {kind}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_what_to_write() {
        for (event, index, kind, expected) in [
            ("f", 2, "int", ["no tracepoint `s/f`", "did you mean `s/e`?"]),
            ("e", 9, "int", ["`s/e` has 9 fields, so there is no field 9", "counted from 0"]),
            ("e", 1, "int", ["field 1 (`common_pid`) of `s/e` cannot be read", "leave it out"]),
            ("e", 2, "string", ["field 2 (`id`) of `s/e` is a signed integer of 8 bytes", "write `int64`"]),
            ("e", 8, "int", ["is a signed integer of 2 bytes", "write `int16`"]),
            ("e", 3, "uint64", ["is an array of `unsigned long`", "no supported type can read it"]),
            ("e", 4, "data_loc", ["is an array of `char`", "write `string`"]),
            ("e", 5, "int", ["as long as it happens to be", "write `string`"]),
            ("e", 7, "sock", ["is a pointer to `char`", "write `string`"]),
            ("e", 6, "int", ["is a pointer to `void`", "write `uint64`"]),
        ] {
            let errors = errors(event, index, kind);
            let [error] = errors.as_slice() else { panic!("{index} {kind}: {errors:?}") };
            assert!(expected.iter().all(|text| error.contains(text)), "{index} {kind}: {error}");
        }
    }
}
