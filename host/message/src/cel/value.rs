//! Messages as values of CEL, looked into only where an expression does.

use cel::ExecutionError;
use cel::common::traits::Indexer;
use cel::common::types::{CelBool, CelBytes, CelDouble, CelInt, CelList, CelNull, CelString, CelUInt, Type};
use cel::common::value::{CowVal, Val};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

/// What stands before the name of a field in an expression that asks whether it is set. No identifier has it.
pub(super) const PRESENCE: char = '?';

static TYPE: Type = Type::new_struct_type("message");

/// A message, or one that is not set, whose fields have their defaults.
#[derive(Debug, Clone)]
pub(super) enum Message<'m> {
    Set(&'m DynamicMessage),
    Unset(MessageDescriptor),
}

impl<'m> Message<'m> {
    /// The message in a field.
    pub(super) fn of_field(message: &'m DynamicMessage, field: &FieldDescriptor) -> Option<Self> {
        match message.has_field(field).then(|| set(message, field)).flatten() {
            Some(Value::Message(message)) => Some(Self::Set(message)),
            _ => Some(Self::Unset(field.kind().as_message()?.clone())),
        }
    }

    fn field(&self, name: &str) -> Option<FieldDescriptor> {
        match self {
            Self::Set(message) => prost_reflect::ReflectMessage::descriptor(*message).get_field_by_name(name),
            Self::Unset(descriptor) => descriptor.get_field_by_name(name),
        }
    }

    /// The value of a field, if it is set.
    fn value(&self, field: &FieldDescriptor) -> Option<&'m Value> {
        match self {
            Self::Set(message) if message.has_field(field) => set(message, field),
            _ => None,
        }
    }
}

/// The value of a field that is set, which is never a copy.
fn set<'m>(message: &'m DynamicMessage, field: &FieldDescriptor) -> Option<&'m Value> {
    match message.get_field(field) {
        std::borrow::Cow::Borrowed(value) => Some(value),
        std::borrow::Cow::Owned(_) => None,
    }
}

impl Val for Message<'_> {
    fn get_type(&self) -> &Type {
        &TYPE
    }

    fn cel_type() -> &'static Type {
        &TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }
}

impl<'m> Indexer for Message<'m> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let unknown = || ExecutionError::no_such_key("of a message");
        let key = key.downcast_ref::<CelString<'_>>().ok_or_else(unknown)?;
        if let Some(name) = key.inner().strip_prefix(PRESENCE) {
            let field = self.field(name).ok_or_else(unknown)?;
            return Ok(CowVal::owned(CelBool::from(self.value(&field).is_some())));
        }
        let field = self.field(key.inner()).ok_or_else(unknown)?;
        Ok(CowVal::Owned(match self.value(&field) {
            Some(value) => value_of(value),
            None => default_of(&field),
        }))
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Ok(self.get(key)?.into_owned())
    }
}

fn value_of<'v>(value: &'v Value) -> Box<dyn Val + 'v> {
    match value {
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::I32(value) | Value::EnumNumber(value) => Box::new(CelInt::from(i64::from(*value))),
        Value::I64(value) => Box::new(CelInt::from(*value)),
        Value::U32(value) => Box::new(CelUInt::from(u64::from(*value))),
        Value::U64(value) => Box::new(CelUInt::from(*value)),
        Value::F32(value) => Box::new(CelDouble::from(f64::from(*value))),
        Value::F64(value) => Box::new(CelDouble::from(*value)),
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Bytes(bytes) => Box::new(CelBytes::from(bytes.as_ref())),
        Value::Message(message) => match wrapped(&prost_reflect::ReflectMessage::descriptor(message)) {
            None => Box::new(Message::Set(message)),
            Some(field) => set(message, &field).map_or_else(|| default_of(&field), value_of),
        },
        Value::List(values) => Box::new(CelList::from(values.iter().map(value_of).collect::<Vec<_>>())),
        // There is none in events.
        Value::Map(_) => Box::new(CelNull),
    }
}

/// The value of a field that is not set.
fn default_of<'v>(field: &FieldDescriptor) -> Box<dyn Val + 'v> {
    if field.is_list() {
        return Box::new(CelList::from(Vec::new()));
    }
    match field.kind() {
        Kind::Message(message) if wrapped(&message).is_some() => Box::new(CelNull),
        Kind::Message(message) => Box::new(Message::Unset(message)),
        Kind::String => Box::new(CelString::from("")),
        Kind::Bytes => Box::new(CelBytes::from(Vec::new())),
        Kind::Bool => Box::new(CelBool::from(false)),
        Kind::Float | Kind::Double => Box::new(CelDouble::from(0.0)),
        Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64 => Box::new(CelUInt::from(0)),
        _ => Box::new(CelInt::from(0)),
    }
}

/// The only field of `google.protobuf.UInt32Value` and its like, for which CEL takes the number or null.
pub(super) fn wrapped(message: &MessageDescriptor) -> Option<FieldDescriptor> {
    let name = message.full_name();
    let is_wrapper = name.starts_with("google.protobuf.") && name.ends_with("Value");
    message.get_field_by_name("value").filter(|_| is_wrapper)
}
