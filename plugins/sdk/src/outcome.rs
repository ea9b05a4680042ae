//! What a plugin makes of events.

use crate::bindings::serin::plugin::types::{ActionRequest, Alert, Annotation, Drop, Outcome as Effects};
use crate::{Action, Severity};

/// How many recent groups are searched for one that an effect can join.
const RECENT: usize = 16;

/// Collects what a plugin makes of the events of a frame; each method speaks of the current event.
#[derive(Debug)]
pub struct Outcome {
    effects: Effects,
    event: u32,
}

impl Outcome {
    pub(crate) fn new() -> Self {
        let effects =
            Effects { drops: Vec::new(), annotations: Vec::new(), alerts: Vec::new(), actions: Vec::new() };
        Self { effects, event: 0 }
    }

    pub(crate) fn event(&self) -> u32 {
        self.event
    }

    pub(crate) fn next_event(&mut self) {
        self.event += 1;
    }

    pub(crate) fn into_effects(self) -> Effects {
        self.effects
    }

    /// Removes the event: later plugins and sinks don't see it. The agent counts drops by reason,
    /// so use few reasons, of at most 64 bytes.
    pub fn drop(&mut self, reason: &str) {
        let group = self.effects.drops.iter_mut().rev().take(RECENT).find(|drop| drop.reason == reason);
        match group {
            Some(drop) => drop.events.push(self.event),
            None => self.effects.drops.push(Drop { events: vec![self.event], reason: reason.to_owned() }),
        }
    }

    /// Attaches a key and value to the event. A key is 1 to 64 of `a-z 0-9 . _ - /`; a value is cut after 4096 bytes.
    pub fn annotate(&mut self, key: &str, value: &str) {
        let mut recent = self.effects.annotations.iter_mut().rev().take(RECENT);
        // Events come in bursts: the same key and value for many of them cross the boundary once.
        match recent.find(|annotation| annotation.key == key && annotation.value == value) {
            Some(annotation) => annotation.events.push(self.event),
            None => self.effects.annotations.push(Annotation {
                events: vec![self.event],
                key: key.to_owned(),
                value: value.to_owned(),
            }),
        }
    }

    /// Raises a finding on the event; what is returned takes more of it.
    pub fn alert(&mut self, severity: Severity, title: &str) -> AlertBuilder<'_> {
        let alerts = &mut self.effects.alerts;
        alerts.push(Alert {
            event: self.event,
            severity,
            title: title.to_owned(),
            rule: String::new(),
            techniques: Vec::new(),
            key: String::new(),
            fields: Vec::new(),
        });
        AlertBuilder(alerts.last_mut())
    }

    /// Requests an action because of the event. The pipeline file must grant it.
    pub fn request(&mut self, action: Action) {
        self.effects.actions.push(ActionRequest { event: self.event, action });
    }
}

/// Says more about an alert that is raised already.
#[derive(Debug)]
pub struct AlertBuilder<'a>(Option<&'a mut Alert>);

impl AlertBuilder<'_> {
    /// Which rule found it, if the plugin has several; at most 128 bytes.
    pub fn rule(self, rule: &str) -> Self {
        self.with(|alert| alert.rule = rule.to_owned())
    }

    /// A MITRE ATT&CK technique, for example `T1036.005`; at most 8.
    pub fn technique(self, technique: &str) -> Self {
        self.with(|alert| alert.techniques.push(technique.to_owned()))
    }

    /// Alerts with the same key are about the same thing. Without one: those of the same rule and binary.
    pub fn key(self, key: &str) -> Self {
        self.with(|alert| alert.key = key.to_owned())
    }

    /// A further fact, at most 32; keys as in an annotation.
    pub fn field(self, key: &str, value: &str) -> Self {
        self.with(|alert| alert.fields.push((key.to_owned(), value.to_owned())))
    }

    fn with(mut self, change: impl FnOnce(&mut Alert)) -> Self {
        if let Some(alert) = &mut self.0 {
            change(alert);
        }
        self
    }
}
