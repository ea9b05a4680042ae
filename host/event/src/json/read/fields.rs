//! The keys of a JSON object, each taken once.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Map, Value};

/// Why a line is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if .at.is_empty() { String::new() } else { format!("{}: ", .at) })]
pub struct ReadError {
    /// Where in the event: `process_kprobe.args[1]`; empty for the whole line.
    pub at: String,
    /// What is wrong.
    pub message: String,
}

/// An object of which keys are taken; what is left in the end is an error.
pub(super) struct Fields {
    at: String,
    map: Map<String, Value>,
}

impl Fields {
    pub(super) fn parse(line: &str) -> Result<Self, ReadError> {
        let error = |message| ReadError { at: String::new(), message };
        match serde_json::from_str(line) {
            Ok(Value::Object(map)) => Ok(Self { at: String::new(), map }),
            Ok(_) => Err(error("not a JSON object".to_owned())),
            Err(source) => Err(error(format!("not JSON: {source}"))),
        }
    }

    fn path(&self, key: &str) -> String {
        if self.at.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at) }
    }

    pub(super) fn wrong(&self, key: &str, message: &str) -> ReadError {
        ReadError { at: self.path(key), message: message.to_owned() }
    }

    pub(super) fn unknown(&self, key: &str) -> ReadError {
        ReadError { at: self.at.clone(), message: format!("`{key}` is no key that serin writes here") }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key)
    }

    /// A string; empty if there is none.
    pub(super) fn text(&mut self, key: &str) -> Result<String, ReadError> {
        self.take(key).map_or(Ok(String::new()), |value| self.as_text(key, value))
    }

    pub(super) fn as_text(&self, key: &str, value: Value) -> Result<String, ReadError> {
        match value {
            Value::String(text) => Ok(text),
            _ => Err(self.wrong(key, "not a string")),
        }
    }

    /// Bytes in base64.
    pub(super) fn as_bytes(&self, key: &str, value: Value) -> Result<Vec<u8>, ReadError> {
        let text = self.as_text(key, value)?;
        base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| self.wrong(key, "not base64"))
    }

    /// A list of strings; empty if there is none.
    pub(super) fn texts(&self, key: &str, value: Option<Value>) -> Result<Vec<String>, ReadError> {
        match value {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => items.into_iter().map(|item| self.as_text(key, item)).collect(),
            Some(_) => Err(self.wrong(key, "not a list of strings")),
        }
    }

    /// Every key that is left, and the string under it.
    pub(super) fn into_texts(mut self) -> Result<BTreeMap<String, String>, ReadError> {
        let all = std::mem::take(&mut self.map);
        let text = |(key, value): (String, Value)| self.as_text(&key, value).map(|text| (key, text));
        all.into_iter().map(text).collect()
    }

    /// A number, written as one or as a string; 0 if there is none.
    pub(super) fn integer<T: TryFrom<i128> + Default>(&mut self, key: &str) -> Result<T, ReadError> {
        self.take(key).map_or(Ok(T::default()), |value| self.as_integer(key, value))
    }

    pub(super) fn as_integer<T: TryFrom<i128>>(&self, key: &str, value: Value) -> Result<T, ReadError> {
        let number = match &value {
            Value::Number(number) => number.as_i128(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| self.wrong(key, &format!("{value} is no number that this can be")))
    }

    pub(super) fn boolean(&mut self, key: &str) -> Result<bool, ReadError> {
        match self.take(key) {
            None => Ok(false),
            Some(Value::Bool(holds)) => Ok(holds),
            Some(_) => Err(self.wrong(key, "neither true nor false")),
        }
    }

    /// A point in time, in nanoseconds since the Unix epoch; 0 if there is none.
    pub(super) fn time(&mut self, key: &str) -> Result<u64, ReadError> {
        let text = self.text(key)?;
        if text.is_empty() {
            return Ok(0);
        }
        super::time::parse(&text)
            .ok_or_else(|| self.wrong(key, &format!("`{text}` is not a time like 2023-11-14T22:13:20.5Z")))
    }

    pub(super) fn object(&mut self, key: &str) -> Result<Option<Self>, ReadError> {
        self.take(key).map(|value| self.as_object(key, value)).transpose()
    }

    pub(super) fn as_object(&self, key: &str, value: Value) -> Result<Self, ReadError> {
        match value {
            Value::Object(map) => Ok(Self { at: self.path(key), map }),
            _ => Err(self.wrong(key, "not an object")),
        }
    }

    /// A list of objects; empty if there is none.
    pub(super) fn list(&mut self, key: &str) -> Result<Vec<Self>, ReadError> {
        let items = match self.take(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(self.wrong(key, "not a list")),
        };
        let at = |index| format!("{key}[{index}]");
        items.into_iter().enumerate().map(|(index, item)| self.as_object(&at(index), item)).collect()
    }

    /// The only key that is left, and its value.
    pub(super) fn only_value(&mut self, expected: &str) -> Result<(String, Value), ReadError> {
        let Some(name) = self.map.keys().next().cloned() else {
            return Err(ReadError { at: self.at.clone(), message: format!("no key that is {expected}") });
        };
        let value = self.take(&name).unwrap_or_default();
        match self.map.keys().next() {
            None => Ok((name, value)),
            Some(other) => Err(ReadError {
                at: self.at.clone(),
                message: format!("both `{name}` and `{other}`: one key is {expected}"),
            }),
        }
    }

    /// The only key that is left, and the object under it.
    pub(super) fn only(&mut self, expected: &str) -> Result<(String, Self), ReadError> {
        let (name, value) = self.only_value(expected)?;
        let body = self.as_object(&name, value)?;
        Ok((name, body))
    }

    /// # Errors
    /// If a key was not taken.
    pub(super) fn finish(&self) -> Result<(), ReadError> {
        match self.map.keys().next() {
            None => Ok(()),
            Some(key) => Err(self.unknown(key)),
        }
    }
}
