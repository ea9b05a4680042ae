//! Evaluates detections that are written as rules, in the pipeline file or a file beside it.
//!
//! A rule names the kinds of events that it looks at, a condition on their
//! fields, and what to say when it holds. Everything is checked when the
//! plugin starts; README.md describes the language.

mod condition;
mod field;
mod matcher;
mod rule;

use serin_plugin::{EventView, Kind, Outcome, Plugin, Subscription};

use rule::Rule;

/// Rules of one plugin.
const MAX_RULES: usize = 10_000;

/// The plugin.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
}

/// `config`
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rules; see README.md.
    rules: Vec<serde_json::Value>,
}

impl Plugin for Rules {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if config.rules.len() > MAX_RULES {
            return Err(format!("{} rules: at most {MAX_RULES} are allowed", config.rules.len()));
        }
        let mut rules: Vec<Rule> = Vec::new();
        for (index, value) in config.rules.into_iter().enumerate() {
            let rule = Rule::new(value).map_err(|error| format!("rules[{index}]{error}"))?;
            if rules.iter().any(|other| other.id == rule.id) {
                return Err(format!("rules[{index}].id: there is a rule `{}` already", rule.id));
            }
            rules.push(rule);
        }
        if rules.is_empty() {
            return Err("`rules` is empty: write at least one rule".to_owned());
        }
        Ok(Self { rules })
    }

    fn subscription(&self) -> Subscription {
        let looked_at = |kind: &Kind| self.rules.iter().any(|rule| rule.looks_at(*kind));
        Subscription::kinds(Kind::ALL.into_iter().filter(looked_at))
    }

    fn on_event(&mut self, event: EventView<'_>, outcome: &mut Outcome) {
        let kind = event.kind();
        for rule in self.rules.iter().filter(|rule| rule.looks_at(kind)) {
            if rule.holds(&event) {
                rule.report(&event, outcome);
            }
        }
    }
}

serin_plugin::export!(Rules);
