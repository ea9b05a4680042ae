//! Typed access to the fields of a mapping. What the shape of the mapping does not name is refused.

use std::ops::RangeInclusive;

use crate::diagnostic::quote;
use crate::report::Report;
use crate::scalar::{Plain, parse_integer, plain_kind};
use crate::source::Span;
use crate::suggest::nearest;
use crate::tree::{Entry, Node, Value};

/// The fields of a kind of mapping in the policy schema.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Where such a mapping stands: `spec.kprobes`.
    pub(crate) path: &'static str,
    /// Whether it is an entry of the list that stands there.
    pub(crate) in_list: bool,
    /// Fields that are read.
    pub(crate) supported: &'static [&'static str],
    /// Fields of the schema that are not supported yet, and refused unless they hold their default.
    pub(crate) later: &'static [&'static str],
}

impl Shape {
    /// Where it stands, for messages.
    fn place(&self) -> String {
        if self.path.is_empty() { "a policy".into() } else { format!("`{}`", self.path) }
    }

    /// What it is called in messages.
    fn title(&self) -> String {
        if self.in_list { format!("an entry of {}", self.place()) } else { self.place() }
    }
}

/// The words that a field can hold.
#[derive(Debug)]
pub(crate) struct Vocabulary<T: 'static> {
    /// What the words are: `operator of matchArgs`.
    pub(crate) what: &'static str,
    /// Words that are supported, and what they stand for.
    pub(crate) supported: &'static [(&'static str, T)],
    /// Words of the schema that are not supported yet.
    pub(crate) later: &'static [&'static str],
}

/// A mapping whose fields all belong to its shape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'n> {
    shape: &'static Shape,
    entries: &'n [Entry],
    span: Span,
    refused: bool,
}

/// A field that is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'n> {
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    /// Whether it is an entry of the list that is called so.
    pub(crate) in_list: bool,
    pub(crate) node: &'n Node,
}

impl<'n> Fields<'n> {
    /// Reads a mapping; refuses fields that are unknown or not supported yet.
    pub(crate) fn read(node: &'n Node, shape: &'static Shape, report: &mut Report<'_>) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            let message = format!("{} must be a mapping, not {}", shape.title(), describe(node));
            let help = format!("write its fields, such as `{}: …`", shape.supported.first().unwrap_or(&""));
            report.error_with_help(node.span, message, help);
            return None;
        };
        let mut refused = false;
        for entry in entries {
            refused |= !check_field(entry, shape, report);
        }
        let span = entries.first().map_or(node.span, |entry| entry.key_span);
        Some(Fields { shape, entries, span, refused })
    }

    /// Where the mapping starts.
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// Whether fields were refused.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    /// A field, if it is there.
    pub(crate) fn get(&self, name: &'static str) -> Option<Field<'n>> {
        let entry = self.entries.iter().find(|entry| entry.key == name)?;
        Some(Field { path: self.shape.path, name, in_list: false, node: &entry.node })
    }

    /// A field that must be there.
    pub(crate) fn require(&self, name: &'static str, report: &mut Report<'_>) -> Option<Field<'n>> {
        let field = self.get(name);
        if field.is_none() {
            let message = format!("{} has no `{name}`", self.shape.title());
            report.error_with_help(self.span, message, format!("add `{name}: …`"));
        }
        field
    }
}

/// Refuses a field that is not read; tells whether it may stay.
fn check_field(entry: &Entry, shape: &Shape, report: &mut Report<'_>) -> bool {
    let key = entry.key.as_str();
    let later = shape.later.contains(&key);
    if shape.supported.contains(&key) || later && is_default(&entry.node) {
        return true;
    }
    if later {
        report.error(entry.key_span, format!("`{}.{key}` is not supported yet", shape.path));
    } else {
        refuse_unknown(entry, shape, report);
    }
    false
}

fn refuse_unknown(entry: &Entry, shape: &Shape, report: &mut Report<'_>) {
    let key = entry.key.as_str();
    let message = format!("{} is not a field of {}", quote(key), shape.place());
    let all = shape.supported.iter().chain(shape.later).copied();
    let help = nearest(key, all).map_or_else(
        || format!("its fields are {}", list(shape.supported.iter().copied())),
        |suggestion| format!("did you mean `{suggestion}`?"),
    );
    report.error_with_help(entry.key_span, message, help);
}

/// Whether a value says nothing: null, `false`, 0, an empty string or an empty list.
pub(crate) fn is_default(node: &Node) -> bool {
    match &node.value {
        Value::Scalar { text, plain } => match plain_kind(text, *plain) {
            Plain::Null => true,
            Plain::Boolean(value) => !value,
            Plain::Number => text == "0",
            Plain::String => text.is_empty(),
        },
        Value::Sequence(nodes) => nodes.is_empty(),
        Value::Mapping(_) => false,
    }
}

impl<'n> Field<'n> {
    pub(crate) fn span(&self) -> Span {
        self.node.span
    }

    /// A string that may be empty.
    pub(crate) fn optional_string(&self, report: &mut Report<'_>) -> Option<&'n str> {
        let (text, plain) = self.scalar("a string", report)?;
        match plain_kind(text, plain) {
            Plain::String => Some(text),
            Plain::Null => self.refuse("a string", report),
            Plain::Boolean(_) | Plain::Number => {
                let message = format!("{} must be a string, not {}", self.title(), describe(self.node));
                report.error_with_help(self.span(), message, format!("put it in quotes: \"{text}\""));
                None
            }
        }
    }

    /// A string that must not be empty.
    pub(crate) fn string(&self, report: &mut Report<'_>) -> Option<&'n str> {
        let text = self.optional_string(report)?;
        if text.is_empty() {
            report.error(self.span(), format!("{} is empty", self.title()));
            return None;
        }
        Some(text)
    }

    /// A string, or a number as it is written.
    pub(crate) fn text(&self, report: &mut Report<'_>) -> Option<&'n str> {
        let (text, plain) = self.scalar("a string", report)?;
        if plain_kind(text, plain) == Plain::Number { Some(text) } else { self.string(report) }
    }

    pub(crate) fn boolean(&self, report: &mut Report<'_>) -> Option<bool> {
        let (text, plain) = self.scalar("`true` or `false`", report)?;
        if let Plain::Boolean(value) = plain_kind(text, plain) {
            return Some(value);
        }
        self.refuse("`true` or `false`", report)
    }

    /// An integer in a range; `what` it is stands in messages: `a whole number`.
    pub(crate) fn integer<T>(
        &self,
        what: &str,
        range: RangeInclusive<T>,
        report: &mut Report<'_>,
    ) -> Option<T>
    where
        T: TryFrom<i128> + PartialOrd + std::fmt::Display + Copy,
    {
        let expected = format!("{what} from {} to {}", range.start(), range.end());
        let (text, plain) = self.scalar(&expected, report)?;
        let number = if plain { parse_integer(text) } else { None };
        match number.and_then(|number| T::try_from(number).ok()).filter(|number| range.contains(number)) {
            Some(number) => Some(number),
            None => self.refuse(&expected, report),
        }
    }

    /// The items of a list, which must not be empty. Items carry the list's name.
    pub(crate) fn items(&self, report: &mut Report<'_>) -> Option<impl Iterator<Item = Field<'n>> + use<'n>> {
        let Field { path, name, node, .. } = *self;
        let Value::Sequence(nodes) = &node.value else { return self.refuse("a list", report) };
        if nodes.is_empty() {
            let message = format!("{} is empty", self.title());
            report.error_with_help(self.span(), message, format!("give it items, or leave `{name}` out"));
            return None;
        }
        Some(nodes.iter().map(move |node| Field { path, name, in_list: true, node }))
    }

    /// One of the words of a vocabulary.
    pub(crate) fn word<T: Copy>(&self, words: &Vocabulary<T>, report: &mut Report<'_>) -> Option<T> {
        let text = self.string(report)?;
        if let Some(&(_, value)) = words.supported.iter().find(|(word, _)| *word == text) {
            return Some(value);
        }
        let supported = || words.supported.iter().map(|(word, _)| *word);
        if words.later.contains(&text) {
            let message = format!("`{text}` is not supported yet as {}", words.what);
            report.error_with_help(self.span(), message, format!("supported are {}", list(supported())));
            return None;
        }
        let help = nearest(text, supported().chain(words.later.iter().copied())).map_or_else(
            || format!("write {}", choice(supported())),
            |suggestion| format!("did you mean `{suggestion}`?"),
        );
        report.error_with_help(self.span(), format!("{} is not {}", quote(text), words.what), help);
        None
    }

    /// What it is called in messages: `spec.kprobes.call`.
    fn title(&self) -> String {
        let Field { path, name, .. } = self;
        match (path.is_empty(), self.in_list) {
            (true, _) => format!("`{name}`"),
            (false, false) => format!("`{path}.{name}`"),
            (false, true) => format!("an entry of `{path}.{name}`"),
        }
    }

    fn scalar(&self, expected: &str, report: &mut Report<'_>) -> Option<(&'n str, bool)> {
        match &self.node.value {
            Value::Scalar { text, plain } => Some((text, *plain)),
            Value::Sequence(_) | Value::Mapping(_) => self.refuse(expected, report),
        }
    }

    /// Says what the field must be; `None`.
    pub(crate) fn refuse<T>(&self, expected: &str, report: &mut Report<'_>) -> Option<T> {
        let message = format!("{} must be {expected}, not {}", self.title(), describe(self.node));
        report.error(self.span(), message);
        None
    }
}

fn describe(node: &Node) -> String {
    match &node.value {
        Value::Scalar { text, plain } => match plain_kind(text, *plain) {
            Plain::Null => "nothing".into(),
            Plain::Boolean(_) | Plain::Number => quote(text),
            Plain::String => format!("the string {}", quote(text)),
        },
        Value::Sequence(_) => "a list".into(),
        Value::Mapping(_) => "a mapping".into(),
    }
}

/// One of several words.
fn choice<'a>(words: impl Iterator<Item = &'a str> + Clone) -> String {
    let one_of = if words.clone().nth(1).is_some() { "one of " } else { "" };
    format!("{one_of}{}", list(words))
}

/// Words in backticks with commas.
fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
