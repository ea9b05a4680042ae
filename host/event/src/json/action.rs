//! Action results in JSON; Tetragon has no such event.

use super::encode::{Object, string};
use crate::action::{Action, ActionResult, Method, Outcome, RecordType, Source};

/// Appends an action result. Of a body only its size is told, of headers nothing: they may hold secrets.
pub(super) fn result(result: &ActionResult, object: &mut Object<'_>) {
    match &result.request.source {
        Source::Policy(name) => object.string("policy", name),
        Source::Plugin(name) => object.string("plugin", name),
    }
    object.text("exec_id", &result.request.exec_id);
    action(&result.request.action, object);
    match &result.outcome {
        Outcome::HttpStatus(status) => object.number("http_status", *status),
        // An empty answer is an outcome too, so the array is written even if empty.
        Outcome::Resolved(answers) if answers.is_empty() => object.key("resolved").extend_from_slice(b"[]"),
        Outcome::Resolved(answers) => {
            object.array("resolved", answers, |answer, out| string(&answer.to_string(), out));
        }
        Outcome::Suppressed(reason) => object.string("suppressed", reason),
        Outcome::Failed(reason) => object.string("failed", reason),
    }
    object.long("duration_ns", result.duration);
}

fn action(action: &Action, object: &mut Object<'_>) {
    match action {
        Action::Http { method, url, body, .. } => {
            let mut http = Object::open(object.key("http"));
            http.string(
                "method",
                match method {
                    Method::Get => "GET",
                    Method::Post => "POST",
                },
            );
            http.string("url", url);
            if !body.is_empty() {
                http.number("body_size", body.len());
            }
            http.close();
        }
        Action::Dns { name, record } => {
            let mut dns = Object::open(object.key("dns"));
            dns.string("name", name);
            dns.text("record", record.map_or("", RecordType::name));
            dns.close();
        }
    }
}
