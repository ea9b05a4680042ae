//! How the types of policies fit the fields of trace events' records.

use serin_btf::{FieldKind, FormatField, TypeKind, UNTOLD};

use crate::check::{NO_TYPE, describe, is_character, mismatch};
use crate::{ArgumentKind, ArgumentPlan, TraceEvent};

/// Bytes at the start of a record that the kernel has overwritten when programs see it.
///
/// `perf_trace_run_bpf_submit` in <https://elixir.bootlin.com/linux/v6.12/source/kernel/events/core.c>.
const OVERWRITTEN: u32 = 8;

/// The type that reads all of a field, if its format tells that.
pub(crate) fn own_type(field: &FormatField) -> Option<ArgumentKind> {
    use ArgumentKind::{
        DataLocation, Int, Int8, Int16, Long, RecordBytes, Size, String, Uint, Uint8, Uint16,
    };
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
        (FieldKind::Location { element, .. }, ..) if element == UNTOLD => None,
        (FieldKind::Array { .. } | FieldKind::Location { .. }, ..) => Some(RecordBytes),
        _ => None,
    }
}

/// What is wrong with an argument.
pub(crate) struct Wrong {
    /// It is its type, and not its index.
    pub(crate) in_type: bool,
    pub(crate) message: String,
    pub(crate) help: String,
}

/// Holds an argument against its field: what about it cannot be told, or what is wrong with it.
pub(crate) fn check(
    argument: &ArgumentPlan,
    event: &TraceEvent,
    fields: &[FormatField],
) -> Result<Option<String>, Wrong> {
    let field = find(argument.index, event, fields)?;
    if argument.resolve.is_some() {
        return check_pointer(argument, event, field).map(|()| None);
    }
    if let ArgumentKind::Bytes { size } = argument.kind {
        let size = find(size, event, fields)?;
        if size.kind != FieldKind::Integer || !matches!(size.size, 4 | 8) {
            let message = format!("field `{}` of `{event}` is not a number of bytes", size.name);
            let help = "`sizeArgIndex` counts the fields from 1".into();
            return Err(Wrong { in_type: true, message, help });
        }
    }
    let Some(help) = misfit(argument.kind, field) else {
        return Ok(is_untold(field).then(|| untold_elements(argument.index, event, field)));
    };
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
pub(crate) fn find<'f>(
    index: u8,
    event: &TraceEvent,
    fields: &'f [FormatField],
) -> Result<&'f FormatField, Wrong> {
    let Some(field) = fields.get(usize::from(index)) else {
        let count = fields.len();
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
    use ArgumentKind::{DataLocation, RecordBytes, String, Syscall};
    match (&field.kind, kind) {
        (FieldKind::Integer, Syscall) if field.size == 8 => None,
        (FieldKind::Integer, _) if kind.is_integer() || kind == ArgumentKind::Descriptor => {
            (width(kind) > field.size).then(|| integer(field))
        }
        (FieldKind::Integer, _) => Some(integer(field)),
        // The kernel hides the types of structures from its formats.
        (FieldKind::Pointer { target }, _) if target == "void" && is_structure(kind) => None,
        (FieldKind::Pointer { .. }, DataLocation) => Some("write `string`"),
        (FieldKind::Pointer { .. }, RecordBytes) => Some("write `string`, or `char_buf` with `sizeArgIndex`"),
        (FieldKind::Array { .. } | FieldKind::Location { .. }, RecordBytes) => None,
        (FieldKind::Pointer { target }, _) => mismatch(kind, &TypeKind::Pointer { target: target.clone() }),
        (FieldKind::Array { element }, String) if is_character(element) => None,
        (FieldKind::Location { element, .. }, String | DataLocation) if is_character(element) => None,
        (FieldKind::Location { element, .. }, String | DataLocation) if element == UNTOLD => None,
        (FieldKind::Array { element } | FieldKind::Location { element, .. }, _)
            if is_character(element) || element == UNTOLD =>
        {
            Some("write `string`")
        }
        (FieldKind::Array { .. } | FieldKind::Location { .. }, _) => Some("write `const_buf`"),
        _ => Some(NO_TYPE),
    }
}

/// Whether it is an array of elements that the types do not tell.
pub(crate) fn is_untold(field: &FormatField) -> bool {
    matches!(&field.kind, FieldKind::Location { element, .. } if element == UNTOLD)
}

/// That nobody knows what to write for such a field.
pub(crate) fn untold_elements(index: u8, event: &TraceEvent, field: &FormatField) -> String {
    format!("what field {index} (`{}`) of `{event}` is an array of, the BTF does not tell", field.name)
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
    use ArgumentKind::{Bytes, DataLocation, Descriptor, RecordBytes, String};
    let is_scalar = kind.is_integer() && !kind.is_capability_set();
    !is_scalar && !matches!(kind, Bytes { .. } | DataLocation | Descriptor | RecordBytes | String)
}

/// What a field is.
pub(crate) fn told(field: &FormatField) -> String {
    match &field.kind {
        FieldKind::Integer => describe(&TypeKind::Int { size: field.size, signed: field.signed }),
        FieldKind::Pointer { target } => describe(&TypeKind::Pointer { target: target.clone() }),
        FieldKind::Array { element } => format!("an array of `{element}`"),
        FieldKind::Location { element, .. } if element == UNTOLD => {
            "an array, as long as it happens to be".to_owned()
        }
        FieldKind::Location { element, .. } => {
            format!("an array of `{element}`, as long as it happens to be")
        }
        FieldKind::Other(name) => format!("`{name}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (field(FieldKind::Array { element: "__u8".into() }, 16, false), Some(ArgumentKind::RecordBytes)),
            (
                field(FieldKind::Location { element: "u32".into(), relative: false }, 4, false),
                Some(ArgumentKind::RecordBytes),
            ),
            (field(FieldKind::Location { element: UNTOLD.into(), relative: false }, 4, false), None),
            (field(FieldKind::Pointer { target: characters() }, 8, false), None),
        ] {
            assert_eq!(own_type(&field), expected, "{field:?}");
        }
    }
}
