//! What the agent shows of itself while it runs: metrics, health, status.
//!
//! The threads leave their counters in [`Observed`]; [`server`] makes a [`Snapshot`] of them when somebody asks.
//! Nothing here is on the way of events.

pub(crate) mod client;
mod endpoint;
mod messages;
mod prometheus;
pub(crate) mod server;
pub(crate) mod snapshot;
mod table;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serin_api::proto::serin as proto;
use serin_event::Event;
use serin_export::{Monitor, TraceMonitor};

pub(crate) use self::endpoint::Endpoint;
use self::snapshot::{
    Backlog, Canaries, Kernel, Plugin, Policy, Processes, Sink, Snapshot, Traces, resident_memory,
};

/// A thread that has not come round for this long does not work.
const STUCK: Duration = Duration::from_secs(30);

/// What the agent's threads have left to be seen.
pub(crate) struct Observed {
    started: Instant,
    node_name: String,
    sinks: Monitor,
    /// None if there are none.
    traces: Option<TraceMonitor>,
    ready: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kernel: Kernel,
    policies: Vec<Policy>,
    events: BTreeMap<&'static str, u64>,
    backlog: Backlog,
    processes: Processes,
    plugins: Vec<Plugin>,
    canaries: Canaries,
    /// When each thread came round last.
    rounds: BTreeMap<&'static str, Instant>,
}

/// What Prometheus is told of metrics when there are no values yet: names, kinds and helps.
#[cfg(test)]
pub(crate) fn metrics_without_values() -> String {
    prometheus::render(&Snapshot::default())
}

impl Observed {
    pub(crate) fn new(node_name: &str, sinks: Monitor, traces: Option<TraceMonitor>) -> Self {
        Self {
            started: Instant::now(),
            node_name: node_name.to_owned(),
            sinks,
            traces,
            ready: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Whether everything is attached and nobody has asked for the end.
    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    /// What the kernel has counted, and for which policies.
    pub(crate) fn kernel(&self, kernel: Kernel, policies: Vec<Policy>) {
        let mut state = self.lock();
        (state.kernel, state.policies) = (kernel, policies);
    }

    /// The reader has come round.
    pub(crate) fn reader(&self, processes: Processes) {
        let mut state = self.lock();
        state.processes = processes;
        state.rounds.insert("reader", Instant::now());
    }

    /// The worker has handed these events to the sinks.
    pub(crate) fn events(&self, events: &[Event]) {
        let mut state = self.lock();
        for event in events {
            *state.events.entry(event.kind.name()).or_default() += 1;
        }
        state.rounds.insert("worker", Instant::now());
    }

    /// What the worker knows besides.
    pub(crate) fn worker(&self, backlog: Backlog, plugins: Vec<Plugin>, canaries: Canaries) {
        let mut state = self.lock();
        (state.backlog, state.plugins, state.canaries) = (backlog, plugins, canaries);
    }

    /// The plugins, as they were a second ago or when they were reloaded.
    pub(crate) fn plugins(&self) -> Vec<proto::PluginStatus> {
        self.lock().plugins.iter().map(proto::PluginStatus::from).collect()
    }

    /// All of it, as it is now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        Snapshot {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node_name: self.node_name.clone(),
            uptime_seconds: self.started.elapsed().as_secs(),
            ready: self.ready.load(Ordering::Relaxed),
            problems: self.problems(&state),
            memory_bytes: resident_memory(),
            kernel: state.kernel,
            policies: state.policies.clone(),
            events: state.events.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
            backlog: state.backlog,
            processes: state.processes,
            plugins: state.plugins.clone(),
            canaries: state.canaries,
            sinks: self.sinks.sinks().map(Sink::from).collect(),
            traces: self.traces.as_ref().map(|traces| Traces::from(traces.counters())),
        }
    }

    /// Why the agent does not work as it should; empty if it does.
    fn problems(&self, state: &State) -> Vec<String> {
        let stuck = |(thread, round): (&&str, &Instant)| {
            let since = round.elapsed();
            let seconds = since.as_secs();
            (since > STUCK).then(|| format!("the {thread} has not come round for {seconds} s"))
        };
        let sinks = self.sinks.sinks().filter(|(_, state, _)| *state != serin_export::State::Working);
        let sinks = sinks.map(|(name, state, _)| format!("the sink {name} is {}", state.name()));
        let rolled_back = state.plugins.iter().filter_map(|plugin| {
            let reason = &plugin.rollout.as_ref()?.reason;
            (!reason.is_empty()).then(|| format!("the plugin {} was {reason}", plugin.name))
        });
        let spools = self.sinks.sinks().filter(|(_, _, counters)| counters.spool.is_some_and(|it| it.stuck));
        let spools = spools.map(|(name, _, _)| format!("the spool of the sink {name} takes no events"));
        state.rounds.iter().filter_map(stuck).chain(sinks).chain(spools).chain(rolled_back).collect()
    }

    /// Why the agent is to be started anew; none if it works.
    pub(crate) fn sickness(&self) -> Option<String> {
        let state = self.lock();
        let stuck = state.rounds.iter().find(|(_, round)| round.elapsed() > STUCK)?;
        Some(format!("the {} has not come round for {} s", stuck.0, stuck.1.elapsed().as_secs()))
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// A thread that panicked leaves counters, which are never half written.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
