//! The configuration file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use clap::{Arg, Command};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serin_config::scalar;

use super::{beside, check, is_path, is_setting, takes_several};

/// Bytes that a configuration file may have.
const MAX_FILE: u64 = 1 << 20;

/// Reads a file's settings: their values by the ids of clap's arguments.
///
/// # Errors
/// It can't be read, or says something wrong; then with line and column.
pub(super) fn read(path: &Path, run: &Command) -> Result<BTreeMap<String, Vec<String>>> {
    let file = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {file}"))?.len();
    ensure!(size <= MAX_FILE, "{file} has {size} bytes; a configuration file has at most {MAX_FILE}");
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {file}"))?;
    parse(path, &text, run)
}

pub(super) fn parse(path: &Path, text: &str, run: &Command) -> Result<BTreeMap<String, Vec<String>>> {
    let document = Document { path, run }.deserialize(serde_yaml::Deserializer::from_str(text));
    document.map_err(|error| {
        let (message, file) = (error.to_string(), path.display());
        let Some(at) = error.location() else { return anyhow!("{file}: {message}") };
        let (line, column) = (at.line(), at.column());
        let message = message.replacen(&format!(" at line {line} column {column}"), "", 1);
        anyhow!("{file}:{line}:{column}: {message}")
    })
}

/// `apiVersion`, `kind` and `spec`.
#[derive(Clone, Copy)]
struct Document<'a> {
    path: &'a Path,
    run: &'a Command,
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = BTreeMap<String, Vec<String>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = BTreeMap<String, Vec<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping with apiVersion, kind and spec")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let known = ["apiVersion", "kind", "spec"];
        let (mut seen, mut settings) = (Vec::new(), BTreeMap::new());
        while let Some(key) = map.next_key_seed(Key(|key: &str| known_key(key, &known)))? {
            match key.as_str() {
                "apiVersion" => map.next_value_seed(Key(|text: &str| literal(text, "serin.dev/v1alpha1")))?,
                "kind" => map.next_value_seed(Key(|text: &str| literal(text, "Agent")))?,
                _ => {
                    settings = map.next_value_seed(Spec(self))?;
                    String::new()
                }
            };
            seen.push(key);
        }
        match known.iter().find(|key| !seen.iter().any(|seen| seen == *key)) {
            Some(key) => Err(M::Error::custom(format!("`{key}` is missing"))),
            None => Ok(settings),
        }
    }
}

/// A text that must be right.
struct Key<F>(F);

impl<'de, F: FnOnce(&str) -> Result<String, String>> DeserializeSeed<'de> for Key<F> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        scalar(deserializer, self.0)
    }
}

fn known_key(key: &str, known: &[&str]) -> Result<String, String> {
    if known.contains(&key) {
        return Ok(key.to_owned());
    }
    Err(format!("unknown key `{key}`: write one of {}", known.join(", ")))
}

fn literal(text: &str, expected: &str) -> Result<String, String> {
    if text == expected { Ok(text.into()) } else { Err(format!("`{text}` is not known: write `{expected}`")) }
}

/// `spec`: the settings.
struct Spec<'a>(Document<'a>);

impl<'de> DeserializeSeed<'de> for Spec<'_> {
    type Value = BTreeMap<String, Vec<String>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Spec<'_> {
    type Value = BTreeMap<String, Vec<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping with settings, named like the flags of `serin run`")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let Document { path, run } = self.0;
        let arguments: Vec<&Arg> = run.get_arguments().filter(|arg| is_setting(arg)).collect();
        let known: Vec<&str> = arguments.iter().filter_map(|arg| arg.get_long()).collect();
        let mut settings = BTreeMap::new();
        while let Some(key) = map.next_key_seed(Key(|key: &str| known_key(key, &known)))? {
            let Some(&arg) = arguments.iter().find(|arg| arg.get_long() == Some(&key)) else { continue };
            let values = map.next_value_seed(Values { path, run, arg })?;
            if settings.insert(arg.get_id().to_string(), values).is_some() {
                return Err(M::Error::custom(format!("`{key}` is there twice")));
            }
        }
        Ok(settings)
    }
}

/// The value of a setting, or several.
#[derive(Clone, Copy)]
struct Values<'a> {
    path: &'a Path,
    run: &'a Command,
    arg: &'a Arg,
}

impl Values<'_> {
    fn one<E: Error>(self, text: &str) -> Result<Vec<String>, E> {
        check(self.run, self.arg, text).map_err(E::custom)?;
        let relative = is_path(self.arg) && !text.is_empty();
        Ok(vec![if relative { beside(self.path, text) } else { text.to_owned() }])
    }
}

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = Vec<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if takes_several(self.arg) { "a value or a list of values" } else { "a single value" })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        self.one(text)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        self.one(&value.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        self.one(&number.to_string())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Self::Value, S::Error> {
        if !takes_several(self.arg) {
            return Err(S::Error::custom("a list, where there can be only one value"));
        }
        let mut values = Vec::new();
        while let Some(one) = list.next_element_seed(self)? {
            values.extend(one);
        }
        if values.is_empty() {
            return Err(S::Error::custom("an empty list: write a value, or leave the key out"));
        }
        Ok(values)
    }
}
