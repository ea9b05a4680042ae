//! Selectors of labels, as Kubernetes writes them: `app=web,tier in (front,back),!canary`.
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#list-and-watch-filtering>

use std::collections::HashMap;

/// What labels must be: all of these.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selector(Vec<Requirement>);

#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    what: What,
}

/// What a label must be. One that is missing is in no list.
#[derive(Debug, PartialEq, Eq)]
enum What {
    Present,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// If it is none: what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut requirements = Vec::new();
        let mut rest = text;
        while !rest.trim().is_empty() {
            let end = end_of_requirement(rest);
            let (requirement, after) = rest.split_at(end);
            requirements.push(Requirement::parse(requirement.trim())?);
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        if requirements.is_empty() { Err("it is empty".to_owned()) } else { Ok(Self(requirements)) }
    }

    /// Whether labels are what they must be.
    pub(super) fn matches(&self, labels: &HashMap<String, String>) -> bool {
        self.0.iter().all(|Requirement { key, what }| {
            let value = labels.get(key);
            match what {
                What::Present => value.is_some(),
                What::Absent => value.is_none(),
                What::In(values) => value.is_some_and(|value| values.contains(value)),
                What::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            }
        })
    }
}

/// Up to the next comma that is not between parentheses.
fn end_of_requirement(text: &str) -> usize {
    let mut inside = false;
    let comma = text.find(|character| {
        match character {
            '(' => inside = true,
            ')' => inside = false,
            _ => {}
        }
        character == ',' && !inside
    });
    comma.unwrap_or(text.len())
}

impl Requirement {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(key) = text.strip_prefix('!') {
            return Self::new(key, What::Absent);
        }
        if let Some((key, value)) = text.split_once("!=") {
            return Self::new(key, What::NotIn(vec![value_of(value)?]));
        }
        if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            return Self::new(key, What::In(vec![value_of(value)?]));
        }
        let Some((key, list)) = text.split_once('(') else { return Self::new(text, What::Present) };
        let list = list.strip_suffix(')').ok_or_else(|| format!("`{text}` has no closing parenthesis"))?;
        let values = list.split(',').map(value_of).collect::<Result<Vec<_>, _>>()?;
        match key.trim().rsplit_once(char::is_whitespace) {
            Some((key, "in")) => Self::new(key, What::In(values)),
            Some((key, "notin")) => Self::new(key, What::NotIn(values)),
            _ => Err(format!("`{text}` has neither `in` nor `notin` before its list")),
        }
    }

    fn new(key: &str, what: What) -> Result<Self, String> {
        let key = key.trim();
        if key.is_empty() || !key.chars().all(is_of_label) {
            return Err(format!("`{key}` is no key of a label"));
        }
        Ok(Self { key: key.to_owned(), what })
    }
}

fn value_of(text: &str) -> Result<String, String> {
    let value = text.trim();
    if value.chars().all(is_of_label) {
        Ok(value.to_owned())
    } else {
        Err(format!("`{value}` is no value of a label"))
    }
}

fn is_of_label(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '/' | ':')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn selectors_are_those_of_kubernetes() {
        let labels = [("app", "web"), ("example.com/tier", "front"), ("empty", "")];
        let labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        for (selector, expected) in [
            ("app", true),
            ("!app", false),
            ("none", false),
            ("! none", true),
            ("app=web", true),
            ("app == web", true),
            ("app=db", false),
            ("app!=db", true),
            ("none!=db", true),
            ("empty=", true),
            ("app=web,example.com/tier=front", true),
            ("app=web,example.com/tier=back", false),
            ("example.com/tier in (back, front), app", true),
            ("example.com/tier notin (back,front)", false),
            ("none in (a)", false),
            ("none notin (a)", true),
        ] {
            assert_eq!(Selector::parse(selector).unwrap().matches(&labels), expected, "{selector}");
        }
        assert!(!Selector::parse("app").unwrap().matches(&HashMap::new()));
    }

    #[test]
    fn what_is_no_selector_is_told() {
        for (selector, expected) in [
            ("", "it is empty"),
            ("app,", ""),
            ("app in (web", "`app in (web` has no closing parenthesis"),
            ("app of (web)", "`app of (web)` has neither `in` nor `notin` before its list"),
            ("a b", "`a b` is no key of a label"),
            ("=b", "`` is no key of a label"),
            ("a=b c", "`b c` is no value of a label"),
            ("a=b=c", "`b=c` is no value of a label"),
        ] {
            assert_eq!(Selector::parse(selector).err().unwrap_or_default(), expected, "{selector}");
        }
    }
}
