//! What a field must be.

use std::collections::HashSet;

use serde_json::Value as Json;

use crate::field::Value;

/// A test of a value, checked. Of several operators all must hold; of several operands of one, any.
#[derive(Debug)]
pub(crate) struct Matcher(Vec<Operator>);

#[derive(Debug)]
enum Operator {
    Numbers(HashSet<i128>),
    Texts(HashSet<String>),
    StartsWith(Vec<String>),
    EndsWith(Vec<String>),
    Contains(Vec<String>),
    Glob(Vec<String>),
    Above(i128),
    Below(i128),
    Exists(bool),
}

const FOR_TEXTS: &str = "equals, startswith, endswith, contains, glob, exists";
const FOR_NUMBERS: &str = "equals, above, below, exists";

impl Matcher {
    /// `process.uid: 0`, `process.binary: [/bin/a, /bin/b]` or `process.binary: { startswith: /tmp/ }`.
    ///
    /// # Errors
    /// What is wrong, beginning with the path from here.
    pub(crate) fn new(value: Json, number: bool) -> Result<Self, String> {
        let Json::Object(map) = value else {
            return Ok(Self(vec![operator("equals", value, number)?]));
        };
        if map.is_empty() {
            return Err(": an empty mapping says nothing of the field".to_owned());
        }
        let operator = |(name, operand): (String, Json)| {
            operator(&name, operand, number).map_err(|error| format!(".{name}{error}"))
        };
        map.into_iter().map(operator).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the field must be there, or must not.
    pub(crate) fn wants_presence(&self) -> Option<bool> {
        match self.0.as_slice() {
            [Operator::Exists(present)] => Some(*present),
            _ => None,
        }
    }

    pub(crate) fn matches(&self, value: &Value<'_>) -> bool {
        self.0.iter().all(|operator| match value {
            Value::Text(text) => operator.matches_text(text),
            Value::Number(number) => operator.matches_number(*number),
        })
    }
}

impl Operator {
    fn matches_text(&self, text: &str) -> bool {
        match self {
            Self::Texts(set) => set.contains(text),
            Self::StartsWith(parts) => parts.iter().any(|part| text.starts_with(part.as_str())),
            Self::EndsWith(parts) => parts.iter().any(|part| text.ends_with(part.as_str())),
            Self::Contains(parts) => parts.iter().any(|part| text.contains(part.as_str())),
            Self::Glob(patterns) => patterns.iter().any(|pattern| glob(pattern, text)),
            Self::Exists(present) => *present,
            Self::Numbers(_) | Self::Above(_) | Self::Below(_) => false,
        }
    }

    fn matches_number(&self, number: i128) -> bool {
        match self {
            Self::Numbers(set) => set.contains(&number),
            // An argument of a hook can be either, so a rule may write it as a text.
            Self::Texts(set) => set.contains(&number.to_string()),
            Self::Above(limit) => number > *limit,
            Self::Below(limit) => number < *limit,
            Self::Exists(present) => *present,
            _ => false,
        }
    }
}

fn operator(name: &str, operand: Json, number: bool) -> Result<Operator, String> {
    match (name, number) {
        ("exists", _) => match operand {
            Json::Bool(present) => Ok(Operator::Exists(present)),
            _ => Err(": write true or false".to_owned()),
        },
        ("equals", true) => Ok(Operator::Numbers(list(operand, integer)?.into_iter().collect())),
        ("equals", false) => Ok(Operator::Texts(list(operand, text_or_number)?.into_iter().collect())),
        ("above", true) => integer(operand).map(Operator::Above),
        ("below", true) => integer(operand).map(Operator::Below),
        ("startswith", false) => list(operand, text).map(Operator::StartsWith),
        ("endswith", false) => list(operand, text).map(Operator::EndsWith),
        ("contains", false) => list(operand, text).map(Operator::Contains),
        ("glob", false) => list(operand, text).map(Operator::Glob),
        (_, true) => Err(format!(": no such operator for a number: write one of {FOR_NUMBERS}")),
        (_, false) => Err(format!(": no such operator for a text: write one of {FOR_TEXTS}")),
    }
}

/// One operand, or a list of them.
fn list<T>(operand: Json, parse: fn(Json) -> Result<T, String>) -> Result<Vec<T>, String> {
    match operand {
        Json::Array(items) if items.is_empty() => Err(": an empty list matches nothing".to_owned()),
        Json::Array(items) => items.into_iter().map(parse).collect(),
        one => Ok(vec![parse(one)?]),
    }
}

fn integer(operand: Json) -> Result<i128, String> {
    let number = operand.as_i64().map(i128::from).or_else(|| operand.as_u64().map(i128::from));
    number.ok_or_else(|| format!(": {operand} is not a whole number"))
}

fn text(operand: Json) -> Result<String, String> {
    match operand {
        Json::String(text) if text.is_empty() => Err(": an empty text matches everything".to_owned()),
        Json::String(text) => Ok(text),
        other => Err(format!(": {other} is not a text")),
    }
}

fn text_or_number(operand: Json) -> Result<String, String> {
    match operand {
        Json::String(text) => Ok(text),
        Json::Number(number) => Ok(number.to_string()),
        other => Err(format!(": {other} is neither a text nor a number")),
    }
}

/// Whether all of `text` matches: `*` stands for any run of characters, `?` for one.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on if the last `*` has to take one more.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                t += char_length(text[t]);
            }
            Some(byte) if *byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut retry {
                Some((after, taken)) => {
                    *taken += 1;
                    (p, t) = (*after, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Bytes of a character of UTF-8, from the first.
fn char_length(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("/tmp/*", "/tmp/x", true),
            ("/tmp/*", "/var/tmp/x", false),
            ("*.sh", "a.sh", true),
            ("*.sh", "a.sh.txt", false),
            ("a*b*c", "axbxbxc", true),
            ("a*b*c", "acb", false),
            ("?at", "cat", true),
            ("?at", "äat", true),
            ("?at", "at", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("a**b", "ab", true),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }

    /// At most as many steps as the product of the lengths: an attacker chooses one of them.
    #[test]
    fn a_glob_does_not_explode() {
        assert!(!glob(&("*a".repeat(200) + "c"), &"a".repeat(5000)));
    }
}
