//! What an argument of a hook must be.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serin_config::Glob;
use serin_event::argument::Argument;

/// An entry of `events.arguments`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ArgumentPredicate {
    /// Position among the event's arguments, from 0.
    pub index: usize,
    /// The field of a structure, by its key in JSON: `daddr`; empty: the argument itself.
    #[serde(default)]
    pub field: String,
    /// What it may be; at least one.
    pub values: Vec<Glob>,
}

impl ArgumentPredicate {
    /// Whether it holds for an event's arguments. What could not be read may be anything, so it holds for that.
    pub(crate) fn holds(&self, arguments: &[(Argument, Arc<str>)]) -> bool {
        let Some((argument, _)) = arguments.get(self.index) else { return false };
        match argument {
            Argument::Unreadable(_) => true,
            Argument::Structure(structure) if !self.field.is_empty() => {
                structure.texts().iter().any(|(key, text)| *key == self.field && self.accepts(text))
            }
            _ => self.field.is_empty() && text(argument).is_some_and(|text| self.accepts(&text)),
        }
    }

    fn accepts(&self, text: &str) -> bool {
        self.values.iter().any(|value| value.matches(text))
    }
}

/// An argument as text; a structure is none.
fn text(argument: &Argument) -> Option<Cow<'_, str>> {
    Some(match argument {
        Argument::Int(value) => value.to_string().into(),
        Argument::Uint(value) => value.to_string().into(),
        Argument::Long(value) => value.to_string().into(),
        Argument::Size(value) => value.to_string().into(),
        Argument::String(text) => text.into(),
        Argument::Bytes { bytes, .. } => String::from_utf8_lossy(bytes),
        Argument::Word(_, word) => word.as_ref().into(),
        Argument::File(file) => (&file.path).into(),
        Argument::Structure(_) | Argument::Unreadable(_) => return None,
    })
}
