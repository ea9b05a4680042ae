//! Conditions: fields and what they must be, joined by and, or and not.

use serde_json::Value;
use serin_plugin::EventView;

use crate::field::Field;
use crate::matcher::Matcher;

/// How deep conditions may be nested.
const MAX_DEPTH: usize = 32;

/// A condition, checked.
#[derive(Debug)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Field(Field, Matcher),
}

impl Condition {
    /// # Errors
    /// What is wrong, beginning with the path from here.
    pub(crate) fn new(value: Value) -> Result<Self, String> {
        Self::nested(value, MAX_DEPTH)
    }

    fn nested(value: Value, depth: usize) -> Result<Self, String> {
        let depth = depth.checked_sub(1).ok_or(format!(": nested deeper than {MAX_DEPTH}"))?;
        let Value::Object(map) = value else {
            return Err(": a condition is a mapping of fields to what they must be, or `all`, `any`, `not`"
                .to_owned());
        };
        if map.is_empty() {
            return Err(": an empty condition would hold for everything".to_owned());
        }
        let mut parts = Vec::new();
        for (key, value) in map {
            let part = match key.as_str() {
                "all" => Self::list(value, depth).map(Self::All),
                "any" => Self::list(value, depth).map(Self::Any),
                "not" => Self::nested(value, depth).map(|inner| Self::Not(Box::new(inner))),
                _ => Self::field(&key, value),
            };
            parts.push(part.map_err(|error| format!(".{key}{error}"))?);
        }
        match parts.pop() {
            Some(only) if parts.is_empty() => Ok(only),
            last => {
                parts.extend(last);
                Ok(Self::All(parts))
            }
        }
    }

    fn list(value: Value, depth: usize) -> Result<Vec<Self>, String> {
        let Value::Array(items) = value else { return Err(": not a list of conditions".to_owned()) };
        if items.is_empty() {
            return Err(": an empty list of conditions".to_owned());
        }
        let nested = |(index, item)| Self::nested(item, depth).map_err(|error| format!("[{index}]{error}"));
        items.into_iter().enumerate().map(nested).collect()
    }

    fn field(name: &str, value: Value) -> Result<Self, String> {
        let field = Field::parse(name).map_err(|error| format!(": {error}"))?;
        let matcher = Matcher::new(value, field.is_number())?;
        Ok(Self::Field(field, matcher))
    }

    pub(crate) fn holds(&self, event: &EventView<'_>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(event)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(event)),
            Self::Not(part) => !part.holds(event),
            Self::Field(field, matcher) => match matcher.wants_presence() {
                Some(present) => field.any(event, |_| true) == present,
                None => field.any(event, |value| matcher.matches(&value)),
            },
        }
    }
}
