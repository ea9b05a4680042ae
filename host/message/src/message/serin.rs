//! What Tetragon's API has no place for.

use prost_types::{ListValue, Value, value};
use serin_event::action::{self, Method, Outcome, RecordType, Source};
use serin_event::{Event, Hook};

use crate::proto::action_result::{self, Action};
use crate::proto::{
    ActionResult, Additions, Alert, AlertField, Annotation, DnsAction, HttpAction, PluginError,
};

/// The key `serin`; `None` if there is nothing to tell.
pub(super) fn additions(event: &Event) -> Option<Additions> {
    let of_hook = event.kind.hook().map(hook_additions).unwrap_or_default();
    let additions = Additions {
        annotations: event.annotations.iter().map(annotation).collect(),
        alerts: event.alerts.iter().map(alert).collect(),
        ..of_hook
    };
    (additions != Additions::default()).then_some(additions)
}

fn hook_additions(hook: &Hook) -> Additions {
    let several = |actions: &[&str]| match actions {
        [_] => Vec::new(),
        actions => actions.iter().map(ToString::to_string).collect(),
    };
    Additions {
        selector: hook.selector,
        actions: several(&hook.actions),
        return_actions: several(&hook.return_actions),
        failed_closed: hook.failed_closed,
        unenforced: hook.unenforced,
        ..Additions::default()
    }
}

fn annotation(annotation: &serin_event::Annotation) -> Annotation {
    Annotation {
        plugin: annotation.plugin.to_string(),
        key: annotation.key.to_string(),
        value: annotation.value.to_string(),
    }
}

/// What a plugin has found.
pub(super) fn alert(alert: &serin_event::Alert) -> Alert {
    let field = |(key, value): &(String, String)| AlertField { key: key.clone(), value: value.clone() };
    Alert {
        plugin: alert.plugin.to_string(),
        severity: alert.severity.name().into(),
        title: alert.title.clone(),
        techniques: alert.techniques.clone(),
        fields: alert.fields.iter().map(field).collect(),
        rule: alert.rule.clone(),
        key: alert.key.clone(),
    }
}

/// A call into a plugin that failed.
pub(super) fn plugin_error(error: &serin_event::PluginError) -> PluginError {
    PluginError { plugin: error.plugin.to_string(), reason: error.reason.clone(), failures: error.failures }
}

/// What became of a canary. Of a body only its size is told, of headers nothing: they may hold secrets.
pub(super) fn action_result(result: &action::ActionResult) -> ActionResult {
    let source = match &result.request.source {
        Source::Policy(name) => action_result::Source::Policy(name.clone()),
        Source::Plugin(name) => action_result::Source::Plugin(name.clone()),
    };
    ActionResult {
        source: Some(source),
        exec_id: result.request.exec_id.clone(),
        action: Some(action(&result.request.action)),
        outcome: Some(outcome(&result.outcome)),
        duration_ns: result.duration,
    }
}

fn action(action: &action::Action) -> Action {
    match action {
        action::Action::Http { method, url, body, .. } => {
            let method = match method {
                Method::Get => "GET",
                Method::Post => "POST",
            };
            let body_size = u32::try_from(body.len()).unwrap_or(u32::MAX);
            Action::Http(HttpAction { method: method.into(), url: url.clone(), body_size })
        }
        action::Action::Dns { name, record } => {
            let record = record.map_or("", RecordType::name).into();
            Action::Dns(DnsAction { name: name.clone(), record })
        }
    }
}

fn outcome(outcome: &Outcome) -> action_result::Outcome {
    let text = |text: String| Value { kind: Some(value::Kind::StringValue(text)) };
    match outcome {
        Outcome::HttpStatus(status) => action_result::Outcome::HttpStatus(u32::from(*status)),
        Outcome::Resolved(answers) => action_result::Outcome::Resolved(ListValue {
            values: answers.iter().map(|answer| text(answer.to_string())).collect(),
        }),
        Outcome::Suppressed(reason) => action_result::Outcome::Suppressed((*reason).into()),
        Outcome::Failed(reason) => action_result::Outcome::Failed(reason.clone()),
    }
}
