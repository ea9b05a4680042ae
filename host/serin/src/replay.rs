//! `serin replay`: recorded events, and what plugins make of them.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serin_canary::Engine;
use serin_event::action::{ActionRequest, ActionResult, Outcome, Source};
use serin_event::{Event, EventKind, json};
use serin_export::compact;
use serin_pipeline::{MAX_BATCH, Pipeline};

use crate::cli::ReplayArguments;
use crate::client::{Output, colours};
use crate::plugin::project;
use crate::trace::{self, Item};

/// How often plugins are told the time, by the times of the events, in nanoseconds.
const TICK: u64 = 1_000_000_000;
/// How long canaries that are under way may take in the end.
const LAST_CANARIES: Duration = Duration::from_secs(10);

/// Prints the events of a trace as they come out of a pipeline.
pub(crate) fn replay(arguments: &ReplayArguments) -> Result<()> {
    let trace = trace::open(&arguments.file)?;
    let plugins = arguments.pipeline.as_deref().map(|path| Plugins::start(path, arguments.fire));
    let mut replay = Replay {
        plugins: plugins.transpose()?,
        printer: Printer::new(arguments.output),
        batch: Vec::new(),
        ticked: None,
        last: None,
    };
    for line in trace {
        let printed = match line?.item {
            Item::Event(event) => replay.event(*event),
            Item::Tick(now) => replay.tick(now),
            // They finish when the trace has ended.
            Item::Flush => Ok(true),
        };
        if !printed? {
            return Ok(());
        }
    }
    replay.end()
}

struct Replay {
    plugins: Option<Plugins>,
    printer: Printer,
    /// Events that are to pass the plugins together.
    batch: Vec<Event>,
    /// When plugins were told the time last.
    ticked: Option<u64>,
    /// When the last event was, and where.
    last: Option<(u64, Arc<str>)>,
}

/// Every one of these says whether there is still somebody who reads.
impl Replay {
    fn event(&mut self, mut event: Event) -> Result<bool> {
        if self.plugins.is_some() && !without_findings(&mut event) {
            return Ok(true);
        }
        let time = event.time;
        self.last = Some((time, Arc::clone(&event.node_name)));
        let due = self.ticked.get_or_insert(time).saturating_add(TICK) <= time;
        if due && !self.tick(time)? {
            return Ok(false);
        }
        self.batch.push(event);
        if self.batch.len() < MAX_BATCH { Ok(true) } else { self.flush() }
    }

    fn tick(&mut self, now: u64) -> Result<bool> {
        let reads = self.flush()?;
        self.ticked = Some(now);
        let Some(plugins) = &mut self.plugins else { return Ok(reads) };
        let requests = plugins.pipeline.tick(now);
        let shown = plugins.submit(requests);
        Ok(reads && self.print_results(shown)?)
    }

    fn flush(&mut self) -> Result<bool> {
        let mut events = std::mem::take(&mut self.batch);
        let Some(plugins) = &mut self.plugins else { return self.printer.print(&events) };
        let results: Vec<_> = plugins.engine.iter().flat_map(Engine::results).collect();
        events.extend(own(self.last.as_ref(), results));
        let requests = plugins.pipeline.process(&mut events);
        let shown = plugins.submit(requests);
        Ok(self.printer.print(&events)? && self.print_results(shown)?)
    }

    fn print_results(&mut self, results: Vec<ActionResult>) -> Result<bool> {
        self.printer.print(&own(self.last.as_ref(), results).collect::<Vec<_>>())
    }

    fn end(mut self) -> Result<()> {
        self.flush()?;
        let Some(mut plugins) = self.plugins.take() else { return Ok(()) };
        let requests = plugins.pipeline.flush();
        let shown = plugins.submit(requests);
        self.print_results(shown)?;
        if let Some(engine) = plugins.engine.take() {
            let (results, _) = engine.shutdown(LAST_CANARIES);
            let mut events: Vec<Event> = own(self.last.as_ref(), results).collect();
            plugins.pipeline.process(&mut events);
            self.printer.print(&events)?;
        }
        Ok(())
    }
}

/// Takes off what plugins had added when the event was recorded, so that the pipeline begins with what the kernel saw;
/// whether anything is left.
fn without_findings(event: &mut Event) -> bool {
    event.annotations.clear();
    event.alerts.clear();
    match &event.kind {
        EventKind::Alert(_) | EventKind::PluginError(_) => false,
        EventKind::ActionResult(result) => matches!(result.request.source, Source::Policy(_)),
        _ => true,
    }
}

/// Results as events, from when and where the last event was.
fn own(last: Option<&(u64, Arc<str>)>, results: Vec<ActionResult>) -> impl Iterator<Item = Event> {
    let (time, node_name) = last.cloned().unwrap_or_default();
    results.into_iter().map(move |result| Event {
        time,
        node_name: Arc::clone(&node_name),
        kind: EventKind::ActionResult(result),
        process: None,
        parent: None,
        tid: 0,
        annotations: Vec::new(),
        alerts: Vec::new(),
    })
}

/// The plugins of a pipeline file, and what carries out what they ask for, if anything does.
struct Plugins {
    pipeline: Pipeline,
    engine: Option<Engine>,
}

impl Plugins {
    fn start(path: &Path, fire: bool) -> Result<Self> {
        let file = project::pipeline_file(path)?;
        let pipeline = project::start(&file, None)?;
        let canary = fire.then(|| file.spec.canary.unwrap_or_default());
        Ok(Self { pipeline, engine: canary.map(Engine::start).transpose()? })
    }

    /// Has requests carried out, or says that they are not.
    fn submit(&self, requests: Vec<ActionRequest>) -> Vec<ActionResult> {
        let Some(engine) = &self.engine else {
            let outcome = || Outcome::Suppressed("replayed without --fire");
            let shown = |request| ActionResult { request, outcome: outcome(), duration: 0 };
            return requests.into_iter().map(shown).collect();
        };
        for request in requests {
            // A rejected request has its result like any other.
            let _ = engine.submitter().submit(request);
        }
        Vec::new()
    }
}

/// Prints events to standard output.
struct Printer {
    encoder: json::Encoder,
    output: Output,
    colours: bool,
    lines: Vec<u8>,
}

impl Printer {
    fn new(output: Output) -> Self {
        Self { encoder: json::Encoder::default(), output, colours: colours(), lines: Vec::new() }
    }

    /// Whether somebody reads them.
    fn print(&mut self, events: &[Event]) -> Result<bool> {
        self.lines.clear();
        for event in events {
            match self.output {
                Output::Json => self.encoder.write(event, &mut self.lines),
                Output::Compact => {
                    self.lines.extend_from_slice(compact(event, self.colours).as_bytes());
                    self.lines.push(b'\n');
                }
            }
        }
        match std::io::stdout().write_all(&self.lines) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            written => Ok(written.map(|()| true)?),
        }
    }
}
