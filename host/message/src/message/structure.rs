//! Structures of the kernel's: their fields have the names of Tetragon's, so they are set by name.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value as Set};
use serin_event::field::{Fields, Value};

use crate::proto::kprobe_argument::Arg;
use crate::proto::{KprobeArgument, descriptor};

/// The value of a field of `KprobeArgument`, by the field's name. `None` if there is no such field.
pub(super) fn arg(name: &'static str, value: Value<'_>) -> Option<Arg> {
    let argument = message(&descriptor("KprobeArgument")?, vec![(name, value)]);
    argument.transcode_to::<KprobeArgument>().ok()?.arg
}

/// A message with these fields. Those that it has not are left out.
fn message(descriptor: &MessageDescriptor, fields: Fields<'_>) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for (name, value) in fields {
        let Some(field) = descriptor.get_field_by_name(name) else { continue };
        if let Some(value) = convert(&field, value) {
            // A value of another type than the field's is not set.
            let _ = message.try_set_field(&field, value);
        }
    }
    message
}

fn convert(field: &FieldDescriptor, value: Value<'_>) -> Option<Set> {
    let kind = field.kind();
    Some(match (value, &kind) {
        (Value::Text(text), Kind::Enum(_)) => word(&kind, &text)?,
        (Value::Text(text), _) => Set::String(text.into_owned()),
        (Value::Number(number), _) => Set::U32(number),
        (Value::Long(number), _) => Set::U64(number),
        (Value::Flag(flag), _) => Set::Bool(flag),
        (Value::Wrapped(number), Kind::Message(wrapper)) => wrapped(wrapper, |kind| match kind {
            Kind::Int32 => i32::try_from(number).ok().map(Set::I32),
            _ => u32::try_from(number).ok().map(Set::U32),
        })?,
        (Value::WrappedFlag(flag), Kind::Message(wrapper)) => wrapped(wrapper, |_| Some(Set::Bool(flag)))?,
        (Value::Texts(texts), _) => {
            Set::List(texts.into_iter().filter_map(|text| word(&kind, text)).collect())
        }
        (Value::Fields(fields), Kind::Message(inner)) => Set::Message(message(inner, fields)),
        (Value::Wrapped(_) | Value::WrappedFlag(_) | Value::Fields(_), _) => return None,
    })
}

/// The number of a name, or of a number that has no name.
fn word(kind: &Kind, text: &str) -> Option<Set> {
    let Kind::Enum(names) = kind else { return Some(Set::String(text.into())) };
    let named = names.get_value_by_name(text).map(|value| value.number());
    named.or_else(|| text.parse().ok()).map(Set::EnumNumber)
}

/// One of google.protobuf's wrappers, such as `UInt32Value`.
fn wrapped(wrapper: &MessageDescriptor, value: impl Fn(&Kind) -> Option<Set>) -> Option<Set> {
    let field = wrapper.get_field_by_name("value")?;
    let mut message = DynamicMessage::new(wrapper.clone());
    message.try_set_field(&field, value(&field.kind())?).ok()?;
    Some(Set::Message(message))
}
