//! One rule.

use serde_json::{Map, Value};
use serin_plugin::{EventView, Kind, Outcome, Severity};

use crate::condition::Condition;
use crate::field::Field;

/// A rule, checked.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: String,
    title: String,
    severity: Severity,
    techniques: Vec<String>,
    kinds: Vec<Kind>,
    condition: Condition,
    /// What an alert carries, with the fields' names.
    fields: Vec<(String, Field)>,
}

const KEYS: [&str; 7] = ["id", "title", "severity", "techniques", "events", "when", "fields"];

impl Rule {
    /// # Errors
    /// What is wrong, beginning with the path from the rule: `.when.process.uid: …`.
    pub(crate) fn new(value: Value) -> Result<Self, String> {
        let Value::Object(mut map) = value else {
            return Err(": a rule is a mapping with `id`, `title`, …".to_owned());
        };
        if let Some(key) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(format!(".{key}: no such key: a rule has {}", KEYS.join(", ")));
        }
        let condition =
            map.remove("when").ok_or(".when: missing: the condition under which the rule holds")?;
        Ok(Self {
            id: text(&mut map, "id")?,
            title: text(&mut map, "title")?,
            severity: severity(&mut map)?,
            techniques: texts(&mut map, "techniques")?,
            kinds: kinds(&mut map)?,
            condition: Condition::new(condition).map_err(|error| format!(".when{error}"))?,
            fields: fields(&mut map)?,
        })
    }

    pub(crate) fn looks_at(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    pub(crate) fn holds(&self, event: &EventView<'_>) -> bool {
        self.condition.holds(event)
    }

    pub(crate) fn report(&self, event: &EventView<'_>, outcome: &mut Outcome) {
        let mut alert = outcome.alert(self.severity, &self.title).rule(&self.id);
        for technique in &self.techniques {
            alert = alert.technique(technique);
        }
        for (name, field) in &self.fields {
            let mut values = Vec::new();
            field.any(event, |value| {
                values.push(value.to_string());
                false
            });
            if !values.is_empty() {
                alert = alert.field(name, &values.join(" "));
            }
        }
    }
}

fn text(map: &mut Map<String, Value>, key: &str) -> Result<String, String> {
    match map.remove(key) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(_) => Err(format!(".{key}: not a text")),
        None => Err(format!(".{key}: missing")),
    }
}

fn texts(map: &mut Map<String, Value>, key: &str) -> Result<Vec<String>, String> {
    let item = |item| match item {
        Value::String(text) => Ok(text),
        _ => Err(format!(".{key}: not a list of texts")),
    };
    match map.remove(key) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items.into_iter().map(item).collect(),
        Some(_) => Err(format!(".{key}: not a list of texts")),
    }
}

fn severity(map: &mut Map<String, Value>) -> Result<Severity, String> {
    match text(map, "severity")?.as_str() {
        "info" => Ok(Severity::Info),
        "low" => Ok(Severity::Low),
        "medium" => Ok(Severity::Medium),
        "high" => Ok(Severity::High),
        "critical" => Ok(Severity::Critical),
        other => Err(format!(".severity: `{other}`: write info, low, medium, high or critical")),
    }
}

fn kinds(map: &mut Map<String, Value>) -> Result<Vec<Kind>, String> {
    let known = Kind::ALL.map(Kind::name).join(", ");
    let named = texts(map, "events")?;
    if named.is_empty() {
        return Err(format!(".events: missing: the kinds of events that the rule looks at, of {known}"));
    }
    let kind = |name: &String| {
        Kind::from_name(name)
            .ok_or_else(|| format!(".events: `{name}` is no kind of event: write one of {known}"))
    };
    named.iter().map(kind).collect()
}

fn fields(map: &mut Map<String, Value>) -> Result<Vec<(String, Field)>, String> {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/".contains(&byte);
    let field = |name: String| {
        if !name.bytes().all(valid) || name.len() > 64 {
            return Err(format!(
                ".fields: `{name}` can't be a key of an alert: those are 64 of a-z 0-9 . _ - /"
            ));
        }
        let field = Field::parse(&name).map_err(|error| format!(".fields: {error}"))?;
        Ok((name, field))
    };
    texts(map, "fields")?.into_iter().map(field).collect()
}
