//! The trace of a batch on its way from the backlog to the sinks.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serin_event::Event;
use serin_event::action::{ActionRequest, Source};
use serin_export::{Attribute, SpanContext, SpanFields, SpanKind, Trace, Tracer};
use serin_pipeline::Step;

use crate::canary_trace::Cause;

/// A batch that has a trace.
pub(crate) struct BatchTrace {
    trace: Trace,
    clock: Clock,
    began: Instant,
    events: usize,
    age: Duration,
    waiting: usize,
    /// What plugins did, and is in the trace yet to come.
    pub(crate) steps: Vec<Step>,
    /// The spans of plugins.
    plugins: Vec<(Arc<str>, SpanContext)>,
    /// When plugins were done, and how many events they left.
    done: Option<(Instant, usize)>,
}

impl BatchTrace {
    /// Begins the trace of a batch, if it is to have one; so many events wait behind it.
    pub(crate) fn begin(tracer: Option<&Tracer>, events: &[Event], waiting: usize) -> Option<Self> {
        let trace = tracer.filter(|_| !events.is_empty())?.begin()?;
        let oldest = events.iter().map(|event| event.time).min()?;
        let clock = Clock::now();
        let age = Duration::from_nanos(clock.wall.saturating_sub(oldest));
        let (began, events) = (clock.monotonic, events.len());
        Some(Self {
            trace,
            clock,
            began,
            events,
            age,
            waiting,
            steps: Vec::new(),
            plugins: Vec::new(),
            done: None,
        })
    }

    /// Takes what plugins did into the trace, so that more can come of it.
    pub(crate) fn stepped(&mut self) {
        for step in std::mem::take(&mut self.steps) {
            let span = self.trace.add(plugin(&step, &self.clock));
            self.plugins.extend(span.map(|span| (step.plugin, span)));
        }
    }

    /// What an action comes of that the batch has caused.
    pub(crate) fn cause(&self, request: &ActionRequest) -> Cause {
        let is_source =
            |name: &str| matches!(&request.source, Source::Plugin(source) if source.as_str() == name);
        let plugin = self.plugins.iter().rfind(|(name, _)| is_source(name));
        Cause::Batch(Some(plugin.map_or_else(|| self.trace.whole(), |(_, span)| *span)))
    }

    /// The plugins are done, and have left so many events.
    pub(crate) fn passed(&mut self, events: usize) {
        self.done = Some((Instant::now(), events));
    }

    /// The events have been handed on, or that failed.
    pub(crate) fn end(mut self, tracer: Option<&Tracer>, closed: bool) {
        self.stepped();
        let Self { mut trace, clock, began, events, age, waiting, done, .. } = self;
        let (ended, (done, left)) = (Instant::now(), done.unwrap_or((began, events)));
        trace.add(SpanFields {
            name: "export".to_owned(),
            kind: SpanKind::Internal,
            start: clock.at(done),
            end: clock.at(ended),
            attributes: vec![("serin.events", Attribute::Count(left as u64))],
            failure: closed.then(|| "all sinks are closed".to_owned()),
        });
        let whole = SpanFields {
            name: "batch".to_owned(),
            kind: SpanKind::Internal,
            start: clock.at(began),
            end: clock.at(ended),
            attributes: vec![
                ("serin.events.in", Attribute::Count(events as u64)),
                ("serin.events.out", Attribute::Count(left as u64)),
                ("serin.events.waiting", Attribute::Count(waiting as u64)),
                ("serin.age", Attribute::Seconds(age.as_secs_f64())),
            ],
            failure: None,
        };
        if let Some(tracer) = tracer {
            tracer.send(trace, whole);
        }
    }
}

/// What a plugin did; of what went wrong only what did.
fn plugin(step: &Step, clock: &Clock) -> SpanFields {
    let mut attributes = vec![
        ("serin.plugin", Attribute::Text(step.plugin.to_string())),
        ("serin.outcome", Attribute::Text(outcome(step).to_owned())),
        ("serin.calls", Attribute::Count(step.calls)),
        ("serin.events", Attribute::Count(step.events)),
        ("serin.events.dropped", Attribute::Count(step.dropped + step.dropped_by_failure)),
        ("serin.alerts", Attribute::Count(step.alerts)),
        ("serin.actions", Attribute::Count(step.actions)),
    ];
    let others = [
        ("serin.failures", step.failures),
        ("serin.events.passed_by", step.passed_by),
        ("serin.events.skipped", step.skipped),
    ];
    let others = others.into_iter().filter(|(_, count)| *count > 0);
    attributes.extend(others.map(|(key, count)| (key, Attribute::Count(count))));
    let failure = (step.failures > 0)
        .then(|| format!("{} of {} calls failed, {} by time-out", step.failures, step.calls, step.timeouts));
    SpanFields {
        name: format!("plugin {}", step.plugin),
        kind: SpanKind::Internal,
        start: clock.at(step.began),
        end: clock.at(step.ended),
        attributes,
        failure,
    }
}

/// The worst of what happened.
fn outcome(step: &Step) -> &'static str {
    match step {
        Step { timeouts: 1.., .. } => "timed_out",
        Step { failures: 1.., .. } => "failed",
        Step { passed_by: 1.., .. } | Step { dropped_by_failure: 1.., .. } => "not_running",
        Step { skipped: 1.., .. } => "skipped",
        Step { dropped: 1.., .. } => "dropped",
        _ => "passed",
    }
}

/// What it was by the wall at a moment: so spans don't jump when somebody sets the clock.
pub(crate) struct Clock {
    monotonic: Instant,
    /// Nanoseconds since the Unix epoch.
    wall: u64,
}

impl Clock {
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { monotonic: Instant::now(), wall: nanoseconds(since) }
    }

    /// Nanoseconds since the Unix epoch.
    pub(crate) fn at(&self, moment: Instant) -> u64 {
        self.wall.saturating_add(nanoseconds(moment.saturating_duration_since(self.monotonic)))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serin_event::action::Action;

    use super::*;

    #[test]
    fn actions_come_of_the_plugin_that_asks_or_else_of_the_batch() {
        let config = "{ otlp: { url: 'http://127.0.0.1:9/v1/traces' }, sample: 100% }";
        let tracer = Tracer::open(&serde_yaml::from_str(config).unwrap(), "gull").unwrap();
        let mut trace = tracer.begin().unwrap();
        let fields = || SpanFields {
            name: "plugin".into(),
            kind: SpanKind::Internal,
            start: 0,
            end: 0,
            attributes: vec![],
            failure: None,
        };
        let [first, second] = [trace.add(fields()).unwrap(), trace.add(fields()).unwrap()];
        let whole = trace.whole();
        let batch = BatchTrace {
            trace,
            clock: Clock::now(),
            began: Instant::now(),
            events: 1,
            age: Duration::ZERO,
            waiting: 0,
            steps: vec![],
            plugins: vec![("first".into(), first), ("second".into(), second)],
            done: None,
        };
        for (source, expected) in [
            (Source::Plugin("first".into()), first),
            (Source::Plugin("second".into()), second),
            (Source::Plugin("other".into()), whole),
            (Source::Policy("first".into()), whole),
        ] {
            let action = Action::Dns { name: "a.test".into(), record: None };
            let request = ActionRequest { source, action, exec_id: String::new() };
            assert_eq!(batch.cause(&request), Cause::Batch(Some(expected)), "{request:?}");
        }
    }
}
