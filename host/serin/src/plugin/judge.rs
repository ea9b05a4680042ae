//! What the plugins of a pipeline say of each event.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};
use serin_event::action::{Action, ActionRequest, Method};
use serin_event::{Alert, Annotation, Event, EventKind};
use serin_pipeline::Pipeline;

use super::project;
use crate::trace::{self, Item, Line};

/// `serin plugin run`
pub(crate) fn run(folder: &Path, events: &Path) -> Result<()> {
    let mut pipeline = project::start(&project::pipeline_file(folder)?, None)?;
    let lines = trace::read(events)?;
    let mut out = std::io::stdout().lock();
    let (mut spoken, total) = (0, lines.len());
    for line in lines {
        if let Some(verdict) = verdict(&mut pipeline, line).1 {
            spoken += 1;
            writeln!(out, "{verdict}")?;
        }
    }
    eprintln!("{total} lines, {spoken} verdicts");
    Ok(())
}

/// What comes of a trace.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Judgement {
    /// One for each line that the plugins had something to say about.
    pub verdicts: Vec<Value>,
    /// The events that were not dropped, with what was added to them.
    survivors: Vec<Event>,
    requests: Vec<ActionRequest>,
}

/// Passes a trace through the plugins, one event at a time.
pub(crate) fn judge(pipeline: &mut Pipeline, lines: &[Line]) -> Judgement {
    let mut judgement = Judgement::default();
    for line in lines {
        let (passed, verdict) = verdict(pipeline, line.clone());
        judgement.verdicts.extend(verdict);
        judgement.survivors.extend(passed.events);
        judgement.requests.extend(passed.requests);
    }
    judgement
}

/// Passes a trace through another instance of the plugins, as many events at a time as there are between two ticks.
///
/// # Errors
/// If something else comes of it: then an effect went to the wrong event of its batch.
pub(crate) fn check_batched(pipeline: &mut Pipeline, lines: &[Line], single: &Judgement) -> Result<()> {
    let mut batched = Judgement::default();
    let mut events = Vec::new();
    let flush = |pipeline: &mut Pipeline, events: &mut Vec<Event>, batched: &mut Judgement| {
        batched.requests.extend(pipeline.process(events));
        batched.survivors.append(events);
    };
    for line in lines {
        match &line.item {
            Item::Event(event) => events.push((**event).clone()),
            Item::Tick(now) => {
                flush(pipeline, &mut events, &mut batched);
                batched.requests.extend(pipeline.tick(*now));
            }
            Item::Flush => {
                flush(pipeline, &mut events, &mut batched);
                batched.requests.extend(pipeline.flush());
            }
        }
    }
    flush(pipeline, &mut events, &mut batched);
    // What is raised stands behind the events of its batch, however many these are.
    let same = |raised: bool| {
        let of = |judgement: &'_ Judgement| -> Vec<Event> {
            judgement.survivors.iter().filter(|event| is_raised(event) == raised).cloned().collect()
        };
        of(&batched) == of(single)
    };
    if same(false) && same(true) && batched.requests == single.requests {
        return Ok(());
    }
    bail!("the same events in one batch give something else than one by one: an effect names the wrong event")
}

fn is_raised(event: &Event) -> bool {
    matches!(event.kind, EventKind::Alert(_) | EventKind::PluginError(_))
}

struct Passed {
    events: Vec<Event>,
    requests: Vec<ActionRequest>,
}

/// What the plugins make of one line; the verdict is none if they have nothing to say.
fn verdict(pipeline: &mut Pipeline, line: Line) -> (Passed, Option<Value>) {
    let before = Counts::of(pipeline);
    let (passed, found) = match line.item {
        Item::Flush => (Passed { events: Vec::new(), requests: pipeline.flush() }, None),
        Item::Tick(now) => (Passed { events: Vec::new(), requests: pipeline.tick(now) }, None),
        Item::Event(event) => {
            let known = (event.annotations.len(), event.alerts.len());
            let mut events = vec![*event];
            let requests = pipeline.process(&mut events);
            (Passed { events, requests }, Some(known))
        }
    };
    let mut said = Map::new();
    if let (Some(event), Some((annotations, alerts))) = (passed.events.first(), found) {
        put(&mut said, "annotations", event.annotations.iter().skip(annotations).map(annotation));
        put(&mut said, "alerts", event.alerts.iter().skip(alerts).map(alert));
    }
    put(&mut said, "actions", passed.requests.iter().map(action));
    let (dropped, counted) = before.until(&Counts::of(pipeline));
    put(
        &mut said,
        "drops",
        dropped.into_iter().map(|((plugin, reason), _)| json!({ "plugin": plugin, "reason": reason })),
    );
    put(
        &mut said,
        "counted",
        counted
            .into_iter()
            .map(|((plugin, what), count)| json!({ "plugin": plugin, "what": what, "count": count })),
    );
    if said.is_empty() {
        return (passed, None);
    }
    let mut verdict = Map::from_iter([("line".to_owned(), json!(line.number))]);
    verdict.append(&mut said);
    (passed, Some(Value::Object(verdict)))
}

fn put(said: &mut Map<String, Value>, key: &str, items: impl Iterator<Item = Value>) {
    let items: Vec<Value> = items.collect();
    if !items.is_empty() {
        said.insert(key.to_owned(), Value::Array(items));
    }
}

fn annotation(annotation: &Annotation) -> Value {
    json!({ "plugin": *annotation.plugin, "key": *annotation.key, "value": *annotation.value })
}

fn alert(alert: &Alert) -> Value {
    let fields: Vec<Value> = alert.fields.iter().map(|(key, value)| json!([key, value])).collect();
    json!({
        "plugin": *alert.plugin,
        "rule": alert.rule,
        "severity": alert.severity.name(),
        "title": alert.title,
        "techniques": alert.techniques,
        "key": alert.key,
        "fields": fields,
    })
}

fn action(request: &ActionRequest) -> Value {
    match &request.action {
        Action::Dns { name, record: None } => json!({ "dns": name }),
        Action::Dns { name, record: Some(record) } => json!({ "dns": format!("{} {name}", record.name()) }),
        Action::Http { method, url, headers, body } => {
            let method = match method {
                Method::Get => "GET",
                Method::Post => "POST",
            };
            json!({ "http": { "method": method, "url": url, "headers": headers, "body": String::from_utf8_lossy(body) } })
        }
    }
}

/// A plugin's name, and what of it is counted.
type Count = BTreeMap<(String, String), u64>;

/// What can only be seen from the counters.
#[derive(Default)]
struct Counts {
    /// Drops by reason.
    drops: Count,
    /// What went wrong.
    others: Count,
}

impl Counts {
    fn of(pipeline: &Pipeline) -> Self {
        let mut counts = Self::default();
        for (name, counters) in pipeline.counters() {
            let key = |what: &str| (name.to_string(), what.to_owned());
            counts.drops.extend(counters.dropped.iter().map(|(reason, count)| (key(reason), *count)));
            counts.others.extend([
                (key("action refused"), counters.refused),
                (key("action over its rate"), counters.over_rate),
                (key("alert over its rate"), counters.alerts_over_rate),
                (key("effect rejected"), counters.rejected),
                (key("text cut"), counters.cut),
                (key("log line lost"), counters.log_lines_lost),
                (key("fact not kept"), counters.kv_refused),
                (key("call failed"), counters.failures()),
            ]);
        }
        counts
    }

    /// What was counted from then to now: drops, and the others.
    fn until(&self, now: &Self) -> (Count, Count) {
        let since = |then: &Count, now: &Count| -> Count {
            now.iter()
                .map(|(key, count)| (key.clone(), count - then.get(key).unwrap_or(&0)))
                .filter(|(_, count)| *count > 0)
                .collect()
        };
        (since(&self.drops, &now.drops), since(&self.others, &now.others))
    }
}
