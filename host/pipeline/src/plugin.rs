//! A plugin in the chain: its instance, and what happens when that fails.

mod failure;

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rayon::ThreadPool;
use serin_event::action::ActionRequest;
use serin_event::{Event, PluginError};
use wasmtime::Engine;

use crate::MAX_BATCH;
use crate::batch::Batch;
use crate::bindings::exports::serin::plugin::frames::Action;
use crate::clock::Source;
use crate::config::{OnOverload, PluginEntry};
use crate::counters::{Counters, is_due};
use crate::error::{Failure, Reason};
use crate::hash::Hashes;
use crate::instance::Instance;
use crate::outcome::{Applier, Call};
use crate::printable::printable;
use crate::rollout::{RolloutStatus, Staged};
use crate::sandbox::{Sandbox, SharedKv};
use crate::status::{PluginState, PluginStatus};
use crate::subscription::EventFilter;
use crate::version::{Identity, Version};
use crate::worker::{Answer, Worker, place};

const TOO_MANY_MASKS: &str = "more than 65536 masks from one call";

pub(crate) struct Plugin {
    pub(crate) name: Arc<str>,
    pub(crate) counters: Counters,
    /// What runs.
    version: Version,
    /// What may run: the version that was started, and the one that can be gone back to.
    identities: Vec<Identity>,
    rollout: Option<Staged>,
    subscription: EventFilter,
    applier: Applier,
    kv: SharedKv,
    hashes: Option<Arc<Hashes>>,
    source: Source,
    workers: Vec<Worker>,
    /// It has failed and is not to be started again.
    disabled: bool,
    /// When the version before took over: instances from before that are of the other.
    rolled_back: Option<Instant>,
    /// Failures in a row.
    failures: u32,
    /// A failure that is still to be told as an event.
    untold: Option<PluginError>,
    /// The events of the batch before went on without it, because too many waited.
    skips: bool,
    /// How often that has begun.
    overloads: u64,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

impl Plugin {
    /// Starts a plugin, with what is kept for it.
    pub(crate) fn start(
        engine: &Engine,
        version: Version,
        kv: SharedKv,
        source: &Source,
    ) -> Result<Self, Reason> {
        let entry = &version.entry;
        let name: Arc<str> = entry.name.as_str().into();
        let hashes = entry.grants.hash.map(Hashes::start).transpose().map_err(Reason::Thread)?.map(Arc::new);
        let sandbox = || sandbox(entry, &kv, hashes.as_ref(), source);
        let (first, info) = version.start(engine, sandbox())?;
        if info.schema > u32::from(serin_frame::SCHEMA) {
            return Err(Reason::Schema { found: info.schema });
        }
        let subscription = EventFilter::of(&info.subscription)?;
        let mut workers = vec![Worker::new(first)];
        for _ in 1..entry.workers.get() {
            workers.push(Worker::new(version.start(engine, sandbox())?.0));
        }
        tracing::info!(plugin = &*name, "{} {} is ready", printable(&info.name), printable(&info.version));
        Ok(Self {
            applier: Applier::new(Arc::clone(&name), entry.grants.clone(), entry.limits.alerts),
            name,
            counters: Counters::default(),
            identities: vec![version.identity()],
            version,
            rollout: None,
            subscription,
            kv,
            hashes,
            source: source.clone(),
            workers,
            disabled: false,
            rolled_back: None,
            failures: 0,
            untold: None,
            skips: false,
            overloads: 0,
        })
    }

    /// Starts an instance beside those that run, and drops it; how long the start took.
    pub(crate) fn start_another(&self, engine: &Engine) -> Result<Duration, Failure> {
        let sandbox = sandbox(&self.version.entry, &SharedKv::default(), self.hashes.as_ref(), &self.source);
        let started = Instant::now();
        self.version.restart(engine, sandbox)?;
        Ok(started.elapsed())
    }

    /// Its facts and the name to keep them under, if they are to outlive the agent.
    pub(crate) fn facts(&self) -> Option<(Arc<str>, SharedKv)> {
        let is_kept = self.version.entry.grants.kv.is_some_and(|grant| grant.persist);
        is_kept.then(|| (Arc::clone(&self.name), Arc::clone(&self.kv)))
    }

    /// As a part of a rollout.
    pub(crate) fn staged(mut self, staged: Staged) -> Self {
        self.identities = staged.identities(self.version.identity());
        match staged.reason() {
            Some(reason) if staged.is_news() => self.tell_rollback(reason),
            Some(reason) => tracing::warn!(plugin = &*self.name, "{reason}, before this start"),
            None => {}
        }
        Self { rollout: Some(staged), ..self }
    }

    pub(crate) fn rollout(&self) -> Option<&RolloutStatus> {
        self.rollout.as_ref().map(|staged| &staged.status)
    }

    /// Takes the place of an older version, which finishes; what that requests is added to `requests`.
    pub(crate) fn succeed(&mut self, mut before: Self, requests: &mut Vec<ActionRequest>) {
        if self.identities == before.identities {
            let next = std::mem::replace(self, before);
            self.counters.rollbacks += next.counters.rollbacks;
            self.untold = next.untold.or(self.untold.take());
            match (&mut self.rollout, next.rollout) {
                (Some(staged), Some(next)) => staged.succeed(next),
                (staged, next) => *staged = next,
            }
            return;
        }
        before.flush(requests);
        let rollbacks = self.counters.rollbacks + before.counters.rollbacks;
        self.counters = Counters { rollbacks, ..before.counters };
        self.applier.succeed(before.applier);
        self.untold = self.untold.take().or(before.untold);
        self.kv = before.kv;
        for instance in self.workers.iter_mut().filter_map(Worker::instance) {
            instance.use_kv(Arc::clone(&self.kv));
        }
        tracing::info!(plugin = &*self.name, "replaced");
    }

    /// What it is, and how it does.
    pub(crate) fn status(&self) -> PluginStatus {
        let (component, version) = self.version.about();
        let running = self.workers.iter().filter(|worker| worker.is_running()).count();
        let state = match (self.disabled, running) {
            (true, _) => PluginState::Disabled,
            (false, 0) => PluginState::Waiting,
            (false, _) => PluginState::Running,
        };
        PluginStatus {
            name: Arc::clone(&self.name),
            component,
            version,
            digest: self.version.digest,
            state,
            workers: self.workers.len(),
            running_workers: if self.disabled { 0 } else { running },
        }
    }

    fn wants(&self, event: &Event) -> bool {
        self.subscription.matches(event) && self.version.entry.events.matches(event)
    }

    /// Passes those of the events through the plugin that are kept and that it wants. Its workers run at once; what they
    /// return is applied in their order, so that it does not depend on which was the quickest.
    pub(crate) fn process(
        &mut self,
        engine: &Engine,
        threads: Option<&ThreadPool>,
        through: &mut Passage<'_>,
        requests: &mut Vec<ActionRequest>,
    ) {
        let mut workers = std::mem::take(&mut self.workers);
        // One that has come back may be for other events.
        for worker in &mut workers {
            self.wake(worker, engine);
        }
        workers.iter_mut().for_each(Worker::clear);
        if !self.skip(through) {
            self.distribute(&mut workers, through);
        }
        through.batch.split(workers.len());
        while self.frame(&mut workers, engine, through) {
            call(&mut workers, through.batch, threads);
            for worker in &mut workers {
                self.settle(worker, through, requests);
            }
        }
        self.workers = workers;
        self.tell_failure(through);
        through.admit_raised();
    }

    /// Says which worker gets which events.
    fn distribute(&self, workers: &mut [Worker], through: &Passage<'_>) {
        let count = workers.len();
        for (index, event) in self.wanted(through) {
            if let Some(worker) = workers.get_mut(place(event, count)) {
                worker.push(index);
            }
        }
    }

    /// The events that are kept and that it wants, with their indices.
    fn wanted<'e>(&'e self, through: &'e Passage<'_>) -> impl Iterator<Item = (usize, &'e Event)> {
        let kept = through.events.iter().zip(&*through.kept).enumerate();
        kept.filter(|(_, (event, kept))| **kept && self.wants(event))
            .map(|(index, (event, _))| (index, event))
    }

    /// Lets the events go on without it if it is not to hold the others up; whether it does.
    fn skip(&mut self, through: &Passage<'_>) -> bool {
        let skips = through.behind && self.version.entry.on_overload == OnOverload::Skip;
        if skips {
            self.counters.skipped += self.wanted(through).count() as u64;
        }
        if skips && !self.skips {
            self.overloads += 1;
            if is_due(self.overloads) {
                tracing::warn!(
                    plugin = &*self.name,
                    times = self.overloads,
                    "too many events wait: they go on without it"
                );
            }
        }
        self.skips = skips;
        skips
    }

    /// Makes the next frame of each worker that has events left; whether there is any.
    fn frame(&mut self, workers: &mut [Worker], engine: &Engine, through: &mut Passage<'_>) -> bool {
        let mut any = false;
        for (way, worker) in workers.iter_mut().enumerate() {
            if worker.rest().is_empty() {
                continue;
            }
            if !self.wake(worker, engine) {
                self.without(worker.take_rest(), through);
                continue;
            }
            // What was raised on its way may have made the batch larger than a frame can be.
            let rest = worker.rest();
            let (most, _) = rest.split_at(rest.len().min(MAX_BATCH));
            let count = through.batch.frame(way, most, through.events);
            worker.set_framed(count);
            any = true;
        }
        any
    }

    /// Applies what came of a worker's call.
    fn settle(&mut self, worker: &mut Worker, through: &mut Passage<'_>, requests: &mut Vec<ActionRequest>) {
        let Some((answer, frame)) = worker.take_answer() else { return };
        let Answer { outcome, masks, log_lines_lost, memory, time } = answer;
        self.counters.log_lines_lost += log_lines_lost;
        self.counters.time += time;
        self.counters.durations.count(time);
        self.counters.memory = self.counters.memory.max(memory);
        self.counters.calls += 1;
        self.counters.events += frame.len() as u64;
        self.counters.kv_refused = self.kv.lock().unwrap_or_else(PoisonError::into_inner).refused;
        let outcome = if masks.too_many { Err(Failure::Outcome(TOO_MANY_MASKS.to_owned())) } else { outcome };
        // Also of a call that has failed: what was to be hidden is not to be seen for that.
        masks.apply(&self.name, through.events, frame, through.batch, &mut self.counters);
        match outcome {
            Ok(outcome) => {
                let raised = &mut through.raised;
                let mut call = Call { events: through.events, frame, kept: through.kept, raised };
                self.applier.apply(outcome, &mut call, &mut self.counters, requests);
            }
            Err(failure) => {
                self.without(frame, through);
                self.fail(worker, &failure);
            }
        }
    }

    /// Lets each worker know the time.
    pub(crate) fn tick(&mut self, engine: &Engine, now: u64, requests: &mut Vec<ActionRequest>) {
        let mut workers = std::mem::take(&mut self.workers);
        for worker in &mut workers {
            if self.wake(worker, engine) {
                self.tick_worker(worker, now, requests);
            }
        }
        self.workers = workers;
    }

    fn tick_worker(&mut self, worker: &mut Worker, now: u64, requests: &mut Vec<ActionRequest>) {
        self.call_without_events(worker, |instance| instance.on_tick(now), requests);
    }

    /// Lets each worker finish that has not failed.
    pub(crate) fn flush(&mut self, requests: &mut Vec<ActionRequest>) {
        let mut workers = std::mem::take(&mut self.workers);
        for worker in &mut workers {
            self.call_without_events(worker, Instance::flush, requests);
        }
        self.workers = workers;
    }

    fn call_without_events(
        &mut self,
        worker: &mut Worker,
        call: impl FnOnce(&mut Instance) -> Result<Vec<Action>, Failure>,
        requests: &mut Vec<ActionRequest>,
    ) {
        let Some(instance) = worker.instance() else { return };
        let answer = call(instance);
        // There is no event that they could be of.
        let masks = instance.take_masks().len() as u64;
        self.counters.log_lines_lost += instance.take_log_lines_lost();
        self.counters.rejected += masks;
        match answer {
            Ok(actions) => self.applier.tick(actions, &mut self.counters, requests),
            Err(failure) => self.fail(worker, &failure),
        }
    }
}

/// What an instance of an entry may use up and is given.
fn sandbox(entry: &PluginEntry, kv: &SharedKv, hashes: Option<&Arc<Hashes>>, source: &Source) -> Sandbox {
    let sandbox = Sandbox::new(&entry.name, &entry.grants, entry.limits);
    sandbox.with_kv(Arc::clone(kv)).with_hashes(hashes.cloned()).with_source(source)
}

/// Calls all workers that have a frame: the first on this thread, the others beside it.
fn call(workers: &mut [Worker], batch: &Batch, threads: Option<&ThreadPool>) {
    let mut framed = workers.iter_mut().enumerate().filter(|(_, worker)| worker.is_framed());
    let Some(threads) = threads else {
        framed.for_each(|(way, worker)| worker.call(batch.bytes(way)));
        return;
    };
    let first = framed.next();
    threads.in_place_scope(|scope| {
        for (way, worker) in framed {
            scope.spawn(move |_| worker.call(batch.bytes(way)));
        }
        if let Some((way, worker)) = first {
            worker.call(batch.bytes(way));
        }
    });
}

/// A batch on its way through the plugins.
pub(crate) struct Passage<'a> {
    /// Too many events wait behind these.
    pub(crate) behind: bool,
    pub(crate) events: &'a mut Vec<Event>,
    /// Whether each of `events` goes on.
    pub(crate) kept: &'a mut Vec<bool>,
    pub(crate) batch: &'a mut Batch,
    /// Events that the plugin has raised: the ones behind it get them.
    pub(crate) raised: Vec<Event>,
}

impl Passage<'_> {
    fn admit_raised(&mut self) {
        if !self.raised.is_empty() {
            self.events.append(&mut self.raised);
            self.kept.resize(self.events.len(), true);
            self.batch.grow(self.events.len());
        }
    }
}
