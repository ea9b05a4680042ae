//! What a plugin returned, checked and applied.
//!
//! A plugin may be hostile, and its texts may come from whoever it watches:
//! so an effect that makes no sense is rejected alone, not with those beside
//! it, and a text that is too long is cut, not an excuse to lose an alert.

use std::sync::Arc;
use std::time::Instant;

use serin_event::action::{Action, ActionRequest, Source};
use serin_event::{Alert, Annotation, Event, EventKind, Finding, Severity};

use crate::action::native;
use crate::bindings::serin::plugin::types;
use crate::counters::{Counters, is_due};
use crate::grants::{Grants, Meter, Rate, Refusal};
use crate::{
    MAX_ACTIONS, MAX_ALERT_KEY, MAX_ALERTS, MAX_FIELDS, MAX_FINDINGS, MAX_KEY, MAX_REASON, MAX_RULE,
    MAX_TECHNIQUE, MAX_TECHNIQUES, MAX_TEXT, MAX_TITLE, MAX_VALUE,
};

/// The events of one call, and what is to become of them.
pub(crate) struct Call<'a> {
    pub(crate) events: &'a mut [Event],
    /// For each event of the frame, its index in `events`.
    pub(crate) frame: &'a [usize],
    /// Whether each of `events` goes on.
    pub(crate) kept: &'a mut [bool],
    /// Events that come of it.
    pub(crate) raised: &'a mut Vec<Event>,
}

/// Applies what one plugin returns.
#[derive(Debug)]
pub(crate) struct Applier {
    plugin: Arc<str>,
    grants: Grants,
    meter: Option<Meter>,
    alert_meter: Meter,
}

impl Applier {
    pub(crate) fn new(plugin: Arc<str>, grants: Grants, alerts: Rate) -> Self {
        let now = Instant::now();
        let meter = grants.rate.map(|rate| Meter::new(rate, now));
        Self { plugin, grants, meter, alert_meter: Meter::new(alerts, now) }
    }

    /// Goes on counting where an older version was, as far as the rates are the same.
    pub(crate) fn succeed(&mut self, before: Self) {
        if let (Some(meter), Some(before)) = (&mut self.meter, before.meter) {
            meter.succeed(before);
        }
        self.alert_meter.succeed(before.alert_meter);
    }

    /// Applies an outcome; the actions it requests are added to `requests`.
    pub(crate) fn apply(
        &mut self,
        outcome: types::Outcome,
        call: &mut Call<'_>,
        counters: &mut Counters,
        requests: &mut Vec<ActionRequest>,
    ) {
        let (rejected_before, over_rate_before) = (counters.rejected, counters.alerts_over_rate);
        let mut budget = Budget(MAX_TEXT);
        for annotation in outcome.annotations {
            self.annotate(annotation, call, &mut budget, counters);
        }
        for (number, alert) in outcome.alerts.into_iter().enumerate() {
            match call.event(alert.event).filter(|_| number < MAX_ALERTS) {
                Some(event) => {
                    let raised = self.alert(alert, event, &mut budget, counters);
                    call.raised.extend(raised);
                }
                None => counters.rejected += 1,
            }
        }
        for (number, request) in outcome.actions.into_iter().enumerate() {
            match call.event(request.event).filter(|_| number < MAX_ACTIONS) {
                // An action that follows from an action would never end.
                Some(Event { kind: EventKind::ActionResult(_), .. }) | None => counters.rejected += 1,
                Some(event) => {
                    let exec_id = event.process.as_ref().map(|process| process.exec_id.clone());
                    self.request(request.action, exec_id.unwrap_or_default(), counters, requests);
                }
            }
        }
        for drop in outcome.drops {
            call.drop(&drop, counters);
        }
        if counters.alerts_over_rate > over_rate_before && is_due(counters.alerts_over_rate) {
            let count = counters.alerts_over_rate;
            tracing::warn!(
                plugin = &*self.plugin,
                "{count} alerts are more than `limits.alerts` and were not raised"
            );
        }
        if counters.rejected > rejected_before && is_due(counters.rejected) {
            tracing::warn!(
                plugin = &*self.plugin,
                "{} effects made no sense and were rejected",
                counters.rejected
            );
        }
    }

    /// Applies what a tick requests.
    pub(crate) fn tick(
        &mut self,
        actions: Vec<types::Action>,
        counters: &mut Counters,
        requests: &mut Vec<ActionRequest>,
    ) {
        for (number, action) in actions.into_iter().enumerate() {
            if number < MAX_ACTIONS {
                self.request(action, String::new(), counters, requests);
            } else {
                counters.rejected += 1;
            }
        }
    }

    fn annotate(
        &self,
        annotation: types::Annotation,
        call: &mut Call<'_>,
        budget: &mut Budget,
        counters: &mut Counters,
    ) {
        let types::Annotation { events, key, value } = annotation;
        if !is_key(&key) || !budget.take(key.len() + value.len()) {
            counters.rejected += events.len() as u64;
            return;
        }
        let value = cut(value, MAX_VALUE, counters);
        let annotation =
            Annotation { plugin: Arc::clone(&self.plugin), key: key.into(), value: value.into() };
        for index in events {
            match call.event(index).filter(|event| event.annotations.len() < MAX_FINDINGS) {
                Some(event) => {
                    event.annotations.push(annotation.clone());
                    counters.annotations += 1;
                }
                None => counters.rejected += 1,
            }
        }
    }

    /// Attaches an alert to its event; gives the event that it becomes itself.
    fn alert(
        &mut self,
        alert: types::Alert,
        event: &mut Event,
        budget: &mut Budget,
        counters: &mut Counters,
    ) -> Option<Event> {
        // An alert on an alert, or on what plugins themselves do, would never end.
        let on_own = matches!(event.kind, EventKind::Alert(_) | EventKind::PluginError(_));
        if on_own || event.alerts.len() >= MAX_FINDINGS {
            counters.rejected += 1;
            return None;
        }
        if !self.alert_meter.take(Instant::now()) {
            counters.alerts_over_rate += 1;
            return None;
        }
        let alert = self.checked(alert, event, budget, counters);
        counters.alerts += 1;
        event.alerts.push(alert.clone());
        let finding = Finding { alert, trigger: event.kind.clone() };
        Some(Event {
            time: event.time,
            node_name: Arc::clone(&event.node_name),
            kind: EventKind::Alert(Box::new(finding)),
            process: event.process.clone(),
            parent: event.parent.clone(),
            tid: event.tid,
            annotations: event.annotations.clone(),
            alerts: Vec::new(),
        })
    }

    fn checked(
        &self,
        alert: types::Alert,
        event: &Event,
        budget: &mut Budget,
        counters: &mut Counters,
    ) -> Alert {
        let fields = alert.fields.into_iter().enumerate().filter_map(|(number, (key, value))| {
            let value = cut(value, MAX_VALUE, counters);
            let accepted = number < MAX_FIELDS && is_key(&key) && budget.take(key.len() + value.len());
            counters.rejected += u64::from(!accepted);
            accepted.then_some((key, value))
        });
        let fields = fields.collect();
        counters.rejected += alert.techniques.len().saturating_sub(MAX_TECHNIQUES) as u64;
        let techniques = alert.techniques.into_iter().take(MAX_TECHNIQUES);
        let techniques = techniques.map(|technique| cut(technique, MAX_TECHNIQUE, counters)).collect();
        let title = cut(alert.title, MAX_TITLE, counters);
        let rule = cut(alert.rule, MAX_RULE, counters);
        let key = match alert.key.as_str() {
            "" => shortened(&self.key(&rule, &title, event), MAX_ALERT_KEY).to_owned(),
            _ => cut(alert.key, MAX_ALERT_KEY, counters),
        };
        let plugin = Arc::clone(&self.plugin);
        Alert { plugin, severity: severity(alert.severity), title, rule, techniques, key, fields }
    }

    /// What an alert is about, if its plugin doesn't say.
    fn key(&self, rule: &str, title: &str, event: &Event) -> String {
        let rule = if rule.is_empty() { title } else { rule };
        let binary = event.process.as_ref().map(|process| process.binary.as_str()).unwrap_or_default();
        format!("{}/{rule}/{binary}", self.plugin)
    }

    fn request(
        &mut self,
        action: types::Action,
        exec_id: String,
        counters: &mut Counters,
        requests: &mut Vec<ActionRequest>,
    ) {
        match native(action)
            .and_then(|action| self.grants.check(action))
            .and_then(|action| self.meter(action))
        {
            Ok(action) => {
                counters.actions += 1;
                requests.push(ActionRequest {
                    source: Source::Plugin(self.plugin.to_string()),
                    action,
                    exec_id,
                });
            }
            Err(refusal) => {
                let count = match refusal {
                    Refusal::NotGranted(_) => &mut counters.refused,
                    Refusal::Rate => &mut counters.over_rate,
                    Refusal::Malformed(_) => &mut counters.rejected,
                };
                *count += 1;
                if is_due(*count) {
                    tracing::warn!(plugin = &*self.plugin, "action refused ({count} so far): {refusal}");
                }
            }
        }
    }

    fn meter(&mut self, action: Action) -> Result<Action, Refusal> {
        let allowed = self.meter.as_mut().is_none_or(|meter| meter.take(Instant::now()));
        if allowed { Ok(action) } else { Err(Refusal::Rate) }
    }
}

impl Call<'_> {
    fn event(&mut self, index: u32) -> Option<&mut Event> {
        let index = *self.frame.get(usize::try_from(index).ok()?)?;
        self.events.get_mut(index)
    }

    fn drop(&mut self, drop: &types::Drop, counters: &mut Counters) {
        let reason = shortened(&drop.reason, MAX_REASON);
        for index in &drop.events {
            let place = usize::try_from(*index).ok().and_then(|index| self.frame.get(index)).copied();
            let event = place.and_then(|place| self.events.get(place));
            // What was lost is told in any case.
            let droppable = event.is_some_and(|event| !matches!(event.kind, EventKind::Loss { .. }));
            match place.and_then(|place| self.kept.get_mut(place)) {
                Some(kept) if droppable && *kept => {
                    *kept = false;
                    counters.count_drop(reason);
                }
                _ => counters.rejected += 1,
            }
        }
    }
}

/// Bytes of text that one call may still add.
struct Budget(usize);

impl Budget {
    fn take(&mut self, bytes: usize) -> bool {
        match self.0.checked_sub(bytes) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => false,
        }
    }
}

fn is_key(key: &str) -> bool {
    let valid =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-' | b'/');
    (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(valid)
}

fn shortened(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

fn cut(mut text: String, limit: usize, counters: &mut Counters) -> String {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
        counters.cut += 1;
    }
    text
}

fn severity(severity: types::Severity) -> Severity {
    match severity {
        types::Severity::Info => Severity::Info,
        types::Severity::Low => Severity::Low,
        types::Severity::Medium => Severity::Medium,
        types::Severity::High => Severity::High,
        types::Severity::Critical => Severity::Critical,
    }
}
