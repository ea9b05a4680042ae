//! The worker thread: from the backlog through the plugins to the sinks.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serin_api::Hub;
use serin_canary::Engine;
use serin_event::action::{ActionRequest, ActionResult};
use serin_event::{Event, EventKind};
use serin_export::{Closed, Exporter, TraceCounters, Tracer};
use serin_pipeline::{Pipeline, PluginStatus};

use crate::backlog::{Backlog, Popped};
use crate::batch_trace::BatchTrace;
use crate::canary_trace::{CanaryTraces, Cause};
use crate::observe::{Observed, snapshot};
use crate::reload::Next;

/// How long to wait for events before looking after canaries and ticks.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long an event may wait for others to share a batch with. Much shorter than the pipeline would allow: a
/// plugin's canary should be out within 5 ms of what provoked it.
const LINGER: Duration = Duration::from_millis(1);
/// The pipeline is behind while one in so many places of the backlog is taken. Full, it loses events.
const BEHIND: usize = 2;
/// How often plugins are told the time.
const TICK: Duration = Duration::from_secs(1);
/// How long canaries that are under way may take when the agent ends.
const LAST_CANARIES: Duration = Duration::from_secs(2);
/// How long sinks may take for what they still have when the agent ends.
const LAST_EVENTS: Duration = Duration::from_secs(6);
/// How long a collector of traces may take for the last of them.
const LAST_TRACES: Duration = Duration::from_secs(1);

/// What the worker thread works with.
pub(crate) struct WorkerThread {
    pub backlog: Arc<Backlog>,
    pub pipeline: Pipeline,
    /// Where another version of the pipeline may be waiting.
    pub next: Next,
    pub exporter: Exporter,
    /// What makes traces of batches, if there are to be any.
    pub tracer: Option<Tracer>,
    /// Clients of the API.
    pub hub: Arc<Hub>,
    pub engine: Engine,
    /// What the engine is asked by.
    pub canaries: CanaryTraces,
    pub node_name: Arc<str>,
    pub observed: Arc<Observed>,
}

/// What the worker thread leaves behind.
pub(crate) struct WorkerOutcome {
    pub pipeline: Pipeline,
    pub exporter: Exporter,
    /// What became of spans, if there were any.
    pub traces: Option<TraceCounters>,
    pub canaries: serin_canary::Counters,
    /// Events that found the backlog full.
    pub backlog_lost: u64,
    /// Why it ended, if not because there is nothing left to do.
    pub ended: Result<(), Closed>,
}

impl WorkerThread {
    /// Works until the backlog is closed and empty, or nobody reads the sinks any more.
    pub(crate) fn run(mut self) -> WorkerOutcome {
        let mut backlog_lost = 0;
        let worked = self.work(&mut backlog_lost);
        let requests = self.pipeline.flush();
        self.submit(requests);
        let Self { mut pipeline, mut exporter, mut tracer, hub, engine, canaries, node_name, .. } = self;
        drop(canaries);
        let (results, canaries) = engine.shutdown(LAST_CANARIES);
        let mut events: Vec<_> =
            results.into_iter().map(|result| own(&node_name, EventKind::ActionResult(result))).collect();
        // Results make no further requests: the pipeline rejects those.
        pipeline.process(&mut events);
        pipeline.keep_facts();
        hub.publish(&events);
        let ended = worked.and_then(|()| exporter.export(events));
        exporter.close(LAST_EVENTS);
        tracer.iter_mut().for_each(|tracer| tracer.close(LAST_TRACES));
        let traces = tracer.map(|tracer| tracer.monitor().counters());
        WorkerOutcome { pipeline, exporter, traces, canaries, backlog_lost, ended }
    }

    fn work(&mut self, backlog_lost: &mut u64) -> Result<(), Closed> {
        let mut events = Vec::new();
        let mut ticked = Instant::now();
        self.show(*backlog_lost);
        loop {
            let Popped { lost, finished, waiting } = self.backlog.pop(&mut events, PATIENCE, LINGER);
            *backlog_lost += lost.iter().map(|&(_, count)| count).sum::<u64>();
            events.extend(lost.into_iter().map(|(cpu, count)| self.own(EventKind::Loss { cpu, count })));
            events.extend(
                self.engine.results().map(|result: ActionResult| self.own(EventKind::ActionResult(result))),
            );
            if let Some(mut replaced) = self.next.replace(&mut self.pipeline) {
                self.submit(std::mem::take(&mut replaced.requests));
                self.show(*backlog_lost);
                replaced.tell();
            }
            self.pipeline.set_behind(waiting >= self.backlog.capacity() / BEHIND);
            self.pass(&mut events, waiting)?;
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                let requests = self.pipeline.tick(now());
                self.submit(requests);
                self.show(*backlog_lost);
            }
            self.show_hits();
            if finished {
                return Ok(());
            }
        }
    }

    /// Passes a batch through the plugins and hands on what they leave.
    fn pass(&mut self, events: &mut Vec<Event>, waiting: usize) -> Result<(), Closed> {
        let mut trace = BatchTrace::begin(self.tracer.as_ref(), events, waiting);
        let requests = match &mut trace {
            Some(trace) => self.pipeline.process_measured(events, &mut trace.steps),
            None => self.pipeline.process(events),
        };
        trace.iter_mut().for_each(BatchTrace::stepped);
        for request in requests {
            let cause = trace.as_ref().map_or(Cause::Batch(None), |trace| trace.cause(&request));
            self.canaries.submit(request, cause);
        }
        trace.iter_mut().for_each(|trace| trace.passed(events.len()));
        self.observed.events(events);
        self.hub.publish(events);
        let exported = self.exporter.export(std::mem::take(events));
        if let Some(trace) = trace {
            trace.end(self.tracer.as_ref(), exported.is_err());
        }
        exported
    }

    /// Submits what plugins have requested without a batch.
    fn submit(&self, requests: Vec<ActionRequest>) {
        requests.into_iter().for_each(|request| self.canaries.submit(request, Cause::Other));
    }

    /// Leaves the counters where they can be seen.
    fn show(&self, lost: u64) {
        let (capacity, waiting) = self.backlog.fill();
        let backlog = snapshot::Backlog { capacity: capacity as u64, waiting: waiting as u64, lost };
        let plugin = |(status, (name, counters)): (PluginStatus, (&Arc<str>, &_))| {
            let rollout = self.pipeline.rollouts().find(|(plugin, _)| *plugin == name);
            snapshot::Plugin::new(&status, counters, rollout.map(|(_, rollout)| rollout))
        };
        let plugins = self.pipeline.statuses().zip(self.pipeline.counters()).map(plugin).collect();
        self.observed.worker(backlog, plugins, self.engine.counters().into());
    }

    fn show_hits(&self) {
        let hits = self.engine.demo().map(|demo| demo.hits().try_iter());
        for hit in hits.into_iter().flatten() {
            tracing::info!("demo listener: {hit}");
        }
    }

    fn own(&self, kind: EventKind) -> Event {
        own(&self.node_name, kind)
    }
}

/// An event of the agent itself.
fn own(node_name: &Arc<str>, kind: EventKind) -> Event {
    Event {
        time: now(),
        node_name: Arc::clone(node_name),
        kind,
        process: None,
        parent: None,
        tid: 0,
        annotations: Vec::new(),
        alerts: Vec::new(),
    }
}

/// Nanoseconds since the Unix epoch; 0 before it.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
