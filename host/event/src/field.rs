//! A structure as a row of fields: what every output of it is written from.

use std::borrow::Cow;

/// The fields of a structure with their names, in the order in which Tetragon has them.
pub type Fields<'a> = Vec<(&'static str, Value<'a>)>;

/// The value of a field. In the event, those that are 0 or empty are left out, unless they are wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A number of at most 32 bits.
    Number(u32),
    /// A number of 64 bits: a string in JSON, as JavaScript would round it.
    Long(u64),
    /// A number of at most 32 bits that is told also if it is 0.
    Wrapped(i64),
    /// A yes or no.
    Flag(bool),
    /// A yes or no that is told also if it is no.
    WrappedFlag(bool),
    /// Texts in a list.
    Texts(Vec<&'static str>),
    /// A structure in the structure, told also if it is empty.
    Fields(Fields<'a>),
}

impl<'a> Value<'a> {
    pub(crate) fn text(text: &'a str) -> Self {
        Value::Text(Cow::Borrowed(text))
    }
}

/// The fields as texts, without those that are left out in the event; `a.b` is the field `b` of the structure `a`.
pub(crate) fn texts(fields: Fields<'_>) -> Vec<(Cow<'static, str>, String)> {
    let mut texts = Vec::new();
    flatten("", fields, &mut texts);
    texts
}

fn flatten(prefix: &str, fields: Fields<'_>, texts: &mut Vec<(Cow<'static, str>, String)>) {
    for (key, value) in fields {
        let key = if prefix.is_empty() { Cow::Borrowed(key) } else { Cow::Owned(format!("{prefix}.{key}")) };
        let text = match value {
            Value::Fields(fields) => {
                flatten(&key, fields, texts);
                continue;
            }
            Value::Number(0) | Value::Long(0) | Value::Flag(false) => continue,
            Value::Text(text) => text.into_owned(),
            Value::Number(number) => number.to_string(),
            Value::Long(number) => number.to_string(),
            Value::Wrapped(number) => number.to_string(),
            Value::Flag(flag) | Value::WrappedFlag(flag) => flag.to_string(),
            Value::Texts(list) => list.join(" "),
        };
        if !text.is_empty() {
            texts.push((key, text));
        }
    }
}
