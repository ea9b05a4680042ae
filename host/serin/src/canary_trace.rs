//! Spans of what canaries do.

use std::sync::Arc;

use serin_canary::{Attempt, Failure, Submitter, Watch};
use serin_event::action::{Action, ActionRequest, Method, Outcome, Source};
use serin_export::{Attribute, SpanContext, SpanFields, SpanKind, Spans};

use crate::batch_trace::Clock;

/// What an action comes of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cause {
    /// Of a batch, in which this has a span; none if the batch has no trace.
    Batch(Option<SpanContext>),
    /// Of no batch, or of one that is not known.
    Other,
}

/// Submits actions, some of which have spans.
#[derive(Clone)]
pub(crate) struct CanaryTraces {
    pub(crate) submitter: Submitter,
    /// Where spans go, if there are to be any.
    pub(crate) spans: Option<Spans>,
}

impl CanaryTraces {
    /// Asks for an action. One that a batch has caused has spans if that has; of the others, the same share of all.
    pub(crate) fn submit(&self, request: ActionRequest, cause: Cause) {
        let watch = self.spans.as_ref().and_then(|spans| AttemptSpans::of(spans, cause));
        // A rejected request has its result like any other.
        let _ = match watch {
            Some(watch) => self.submitter.submit_watched(request, Arc::new(watch)),
            None => self.submitter.submit(request),
        };
    }
}

/// Makes a span of each try of an action.
struct AttemptSpans {
    spans: Spans,
    parent: Option<SpanContext>,
    clock: Clock,
}

impl AttemptSpans {
    fn of(spans: &Spans, cause: Cause) -> Option<Self> {
        let parent = match cause {
            Cause::Batch(parent) => Some(parent?),
            Cause::Other if spans.draw() => None,
            Cause::Other => return None,
        };
        Some(Self { spans: spans.clone(), parent, clock: Clock::now() })
    }
}

impl Watch for AttemptSpans {
    fn tried(&self, request: &ActionRequest, attempt: &Attempt<'_>) {
        let (start, end) = (self.clock.at(attempt.began), self.clock.at(attempt.ended));
        self.spans.send(self.parent, fields(request, attempt, (start, end)));
    }
}

/// What there is to say of a try; nothing of what it sends, or to whom, which may be of an event.
fn fields(request: &ActionRequest, attempt: &Attempt<'_>, (start, end): (u64, u64)) -> SpanFields {
    let (key, source) = match &request.source {
        Source::Policy(name) => ("serin.policy", name),
        Source::Plugin(name) => ("serin.plugin", name),
    };
    let (name, method) = match &request.action {
        Action::Dns { .. } => ("canary dns", None),
        Action::Http { method: Method::Get, .. } => ("canary http", Some("GET")),
        Action::Http { method: Method::Post, .. } => ("canary http", Some("POST")),
    };
    let mut attributes = vec![(key, Attribute::Text(source.clone()))];
    attributes.extend(method.map(|method| ("http.request.method", Attribute::Text(method.into()))));
    if attempt.earlier > 0 {
        attributes.push(("serin.tries.earlier", Attribute::Count(attempt.earlier.into())));
    }
    attributes.extend(match attempt.outcome {
        Ok(Outcome::HttpStatus(status)) => {
            Some(("http.response.status_code", Attribute::Count((*status).into())))
        }
        Ok(Outcome::Resolved(answers)) => Some(("serin.answers", Attribute::Count(answers.len() as u64))),
        _ => None,
    });
    let failure = attempt.outcome.err().map(|failure| {
        match failure {
            Failure::TimedOut => "no answer in time",
            Failure::Denied => "its target is not one that may be connected to",
            Failure::Failed => "it failed",
        }
        .to_owned()
    });
    SpanFields { name: name.to_owned(), kind: SpanKind::Client, start, end, attributes, failure }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn attempt(earlier: u32, outcome: Result<&Outcome, Failure>) -> Attempt<'_> {
        let now = Instant::now();
        Attempt { earlier, began: now, ended: now, outcome }
    }

    #[test]
    fn spans_say_what_came_of_it_and_nothing_of_what_was_sent() {
        let http = |method| Action::Http {
            method,
            url: "http://secret.example/secret".into(),
            headers: vec![("secret".into(), "secret".into())],
            body: b"secret".to_vec(),
        };
        let dns = || Action::Dns { name: "secret.example".into(), record: None };
        let (status, resolved) = (Outcome::HttpStatus(503), Outcome::Resolved(vec![]));
        let text = |text: &str| Attribute::Text(text.to_owned());
        for (source, action, attempt, name, attributes, failure) in [
            (
                Source::Policy("p".into()),
                http(Method::Get),
                attempt(0, Ok(&status)),
                "canary http",
                vec![
                    ("serin.policy", text("p")),
                    ("http.request.method", text("GET")),
                    ("http.response.status_code", Attribute::Count(503)),
                ],
                None,
            ),
            (
                Source::Plugin("q".into()),
                http(Method::Post),
                attempt(2, Err(Failure::TimedOut)),
                "canary http",
                vec![
                    ("serin.plugin", text("q")),
                    ("http.request.method", text("POST")),
                    ("serin.tries.earlier", Attribute::Count(2)),
                ],
                Some("no answer in time"),
            ),
            (
                Source::Plugin("q".into()),
                dns(),
                attempt(0, Ok(&resolved)),
                "canary dns",
                vec![("serin.plugin", text("q")), ("serin.answers", Attribute::Count(0))],
                None,
            ),
        ] {
            let request = ActionRequest { source, action, exec_id: "secret".into() };
            let told = fields(&request, &attempt, (1, 2));
            assert!(!format!("{told:?}").contains("secret"), "{told:?}");
            let failure = failure.map(str::to_owned);
            let kind = SpanKind::Client;
            assert_eq!(told, SpanFields { name: name.into(), kind, start: 1, end: 2, attributes, failure });
        }
    }
}
