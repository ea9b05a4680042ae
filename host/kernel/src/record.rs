//! Arguments that are fields of a tracepoint's record.

use serin_abi::config::{
    ArgumentConfig, READ_ARRAY, READ_BUFFER, READ_LOCATION, READ_RELATIVE_LOCATION, SIZE_IS_INT,
};
use serin_btf::{FieldKind, Format, FormatField};
use serin_policy::{ArgumentKind, ArgumentPlan};

/// Replaces the number of an argument's field by where it stands in the record, and how it is to be read by how it
/// stands there.
///
/// # Errors
/// If there is no such field: the kernel's format is not the one that the policy was checked against.
pub(crate) fn place(
    config: &mut ArgumentConfig,
    argument: &ArgumentPlan,
    format: &Format,
) -> Result<(), String> {
    let field = find(argument.index, format)?;
    config.index = field.offset;
    if argument.resolve.is_some() {
        return Ok(());
    }
    match &field.kind {
        FieldKind::Array { .. } => (config.read, config.size) = (READ_ARRAY, field.size),
        FieldKind::Location { relative: true, .. } => config.read = READ_RELATIVE_LOCATION,
        FieldKind::Location { relative: false, .. } => config.read = READ_LOCATION,
        _ => {}
    }
    if let (ArgumentKind::Bytes { size }, READ_BUFFER) = (argument.kind, config.read) {
        let size = find(size, format)?;
        config.size = size.offset | (SIZE_IS_INT * u32::from(size.size == 4));
    }
    Ok(())
}

fn find(index: u8, format: &Format) -> Result<&FormatField, String> {
    format.fields.get(usize::from(index)).ok_or_else(|| format!("the record has no field {index}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serin_abi::config::READ_VALUE;
    use serin_policy::ArgumentSource;

    use super::*;

    fn placed(index: u8, kind: ArgumentKind, read: u32) -> Result<(u32, u32, u32), String> {
        let field = |name: &str, kind, offset, size| FormatField {
            name: name.into(),
            kind,
            offset,
            size,
            signed: false,
        };
        let text = || "char".to_owned();
        let fields = vec![
            field("id", FieldKind::Integer, 8, 8),
            field("comm", FieldKind::Array { element: text() }, 16, 12),
            field("name", FieldKind::Location { element: text(), relative: false }, 28, 4),
            field("near", FieldKind::Location { element: text(), relative: true }, 32, 4),
            field("data", FieldKind::Pointer { target: text() }, 40, 8),
            field("length", FieldKind::Integer, 300, 4),
        ];
        let mut config = ArgumentConfig {
            index: 99,
            kind: 0,
            read,
            first_field: 0,
            field_count: 0,
            size: 0,
            first_step: 0,
            step_count: 0,
            origin: 0,
            width: 0,
        };
        let argument = ArgumentPlan {
            index,
            kind,
            label: String::new(),
            source: ArgumentSource::Parameter,
            resolve: None,
        };
        place(&mut config, &argument, &Format { id: 1, fields })?;
        Ok((config.index, config.read, config.size))
    }

    #[test]
    fn fields_are_read_by_what_they_are() {
        let bytes = |size| ArgumentKind::Bytes { size };
        for (index, kind, read, expected) in [
            (0, ArgumentKind::Long, READ_VALUE, (8, READ_VALUE, 0)),
            (1, ArgumentKind::String, READ_VALUE, (16, READ_ARRAY, 12)),
            (2, ArgumentKind::String, READ_VALUE, (28, READ_LOCATION, 0)),
            (3, ArgumentKind::DataLocation, READ_LOCATION, (32, READ_RELATIVE_LOCATION, 0)),
            (1, ArgumentKind::RecordBytes, READ_ARRAY, (16, READ_ARRAY, 12)),
            (2, ArgumentKind::RecordBytes, READ_ARRAY, (28, READ_LOCATION, 0)),
            (4, ArgumentKind::String, READ_VALUE, (40, READ_VALUE, 0)),
            (4, bytes(0), READ_BUFFER, (40, READ_BUFFER, 8)),
            (4, bytes(5), READ_BUFFER, (40, READ_BUFFER, 300 | SIZE_IS_INT)),
        ] {
            assert_eq!(placed(index, kind, read), Ok(expected), "{index} as {kind:?}");
        }
        assert_eq!(placed(9, ArgumentKind::Int, READ_VALUE), Err("the record has no field 9".into()));
    }
}
