//! Texts with an event's fields in braces.

use serde_json::Value;
use serin_plugin::EventView;

/// Bytes of one field.
const MAX_FIELD: usize = 512;

/// A text with fields: `{binary}`.
#[derive(Debug)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Field(Field),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Node,
    Policy,
    Function,
    Binary,
    Arguments,
    Cwd,
    Uid,
    Pid,
    ExecId,
}

const FIELDS: [(&str, Field); 9] = [
    ("node", Field::Node),
    ("policy", Field::Policy),
    ("function", Field::Function),
    ("binary", Field::Binary),
    ("arguments", Field::Arguments),
    ("cwd", Field::Cwd),
    ("uid", Field::Uid),
    ("pid", Field::Pid),
    ("exec_id", Field::ExecId),
];

impl Template {
    /// # Errors
    /// If a brace has no partner or a field does not exist.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| format!("`{{{after}` in `{text}` has no closing brace"))?;
            let field = FIELDS.iter().find(|(known, _)| *known == name).ok_or_else(|| {
                let known = FIELDS.map(|(known, _)| known).join(", ");
                format!("`{{{name}}}` in `{text}` is not a field: write one of {known}")
            })?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Field(field.1));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self { parts })
    }

    /// A JSON value as text, with fields in its strings; other braces are JSON's own.
    pub(crate) fn of_json(value: &Value) -> Result<Self, String> {
        let mut parts = Vec::new();
        json_parts(value, &mut parts)?;
        Ok(Self { parts })
    }

    /// The text with the event's fields, each passed through `encode`.
    pub(crate) fn render(&self, event: &EventView<'_>, encode: fn(&str) -> String) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Field(field) => {
                    let value = value(*field, event);
                    let end = value.floor_char_boundary(MAX_FIELD);
                    text.push_str(&encode(value.get(..end).unwrap_or_default()));
                }
            }
        }
        text
    }
}

fn json_parts(value: &Value, parts: &mut Vec<Part>) -> Result<(), String> {
    let mut text = |text: &str| parts.push(Part::Text(text.to_owned()));
    match value {
        Value::String(string) => {
            text("\"");
            for part in Template::parse(string)?.parts {
                parts.push(match part {
                    Part::Text(literal) => Part::Text(json_escape(&literal)),
                    field => field,
                });
            }
            parts.push(Part::Text("\"".to_owned()));
        }
        Value::Array(items) => {
            text("[");
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    parts.push(Part::Text(",".to_owned()));
                }
                json_parts(item, parts)?;
            }
            parts.push(Part::Text("]".to_owned()));
        }
        Value::Object(map) => {
            text("{");
            for (index, (key, item)) in map.iter().enumerate() {
                let comma = if index > 0 { "," } else { "" };
                parts.push(Part::Text(format!("{comma}\"{}\":", json_escape(key))));
                json_parts(item, parts)?;
            }
            parts.push(Part::Text("}".to_owned()));
        }
        other => text(&other.to_string()),
    }
    Ok(())
}

/// For a string in JSON, without the quotes around it.
pub(crate) fn json_escape(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

/// For the value of a header: what is not visible ASCII becomes `?`.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}

fn value(field: Field, event: &EventView<'_>) -> String {
    let process = event.process();
    let kprobe = event.kprobe();
    match field {
        Field::Node => event.node_name().to_owned(),
        Field::Policy => kprobe.map(|kprobe| kprobe.policy_name().to_owned()).unwrap_or_default(),
        Field::Function => kprobe.map(|kprobe| kprobe.function_name().to_owned()).unwrap_or_default(),
        Field::Binary => process.map(|process| process.binary().to_owned()).unwrap_or_default(),
        Field::Arguments => {
            process.map(|process| process.arguments().collect::<Vec<_>>().join(" ")).unwrap_or_default()
        }
        Field::Cwd => process.map(|process| process.cwd().to_owned()).unwrap_or_default(),
        Field::Uid => process.map(|process| process.uid().to_string()).unwrap_or_default(),
        Field::Pid => process.map(|process| process.pid().to_string()).unwrap_or_default(),
        Field::ExecId => process.map(|process| process.exec_id().to_owned()).unwrap_or_default(),
    }
}

/// For a path segment or a query: everything but RFC 3986's unreserved characters.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn mistakes_are_named() {
        assert_eq!(Template::parse("a{b").unwrap_err(), "`{b` in `a{b` has no closing brace");
        let error = Template::parse("{host}").unwrap_err();
        assert!(
            error.starts_with("`{host}` in `{host}` is not a field: write one of node, policy"),
            "{error}"
        );
    }

    #[test]
    fn reserved_characters_are_encoded() {
        assert_eq!(percent_encode("a-b_c.~/&?=#% ä"), "a-b_c.~%2F%26%3F%3D%23%25%20%C3%A4");
    }
}
