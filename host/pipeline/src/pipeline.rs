//! The chain of plugins.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};
use serin_event::Event;
use serin_event::action::ActionRequest;

use crate::MAX_BATCH;
use crate::batch::Batch;
use crate::cache::Cache;
use crate::clock::Source;
use crate::component::{Demands, prepare};
use crate::config::{PipelineFile, PluginEntry, read_config};
use crate::counters::Counters;
use crate::engine::Runtime;
use crate::error::{Failure, LoadError, Reason};
use crate::facts::Facts;
use crate::plugin::{Passage, Plugin};
use crate::rollbacks::{Key, Rollbacks};
use crate::rollout::{HostId, Rollout, RolloutStatus, Stage, Staged};
use crate::sandbox::SharedKv;
use crate::status::PluginStatus;
use crate::step::Step;
use crate::version::Version;

/// Plugins, started and ready.
#[derive(Debug)]
pub struct Pipeline {
    loader: Loader,
    plugins: Vec<Plugin>,
    batch: Batch,
    /// Room for which of a batch's events go on.
    kept: Vec<bool>,
    /// What further workers of plugins run on, if any has more than one.
    threads: Option<ThreadPool>,
    /// Too many events wait.
    behind: bool,
}

impl Pipeline {
    /// Compiles, links and starts the plugins of a pipeline file. Compiled code is kept in `cache`, if there is one.
    ///
    /// # Errors
    /// If a plugin can't be started: it is missing, built for something else,
    /// wants what it isn't granted, or refuses its configuration.
    pub fn load<S, C, T>(file: &PipelineFile<S, C, T>, cache: Option<&Cache>) -> Result<Self, LoadError> {
        Loader::new(HostId::of_this_host())?.load(file, cache)
    }

    /// What loads another version of this pipeline, on any thread.
    pub fn loader(&self) -> Loader {
        self.loader.clone()
    }

    /// Takes the place of the version before: to be called between batches.
    ///
    /// A plugin that is the same, with the same entry and configuration, goes on as it is, state included. One whose
    /// component or entry has changed begins anew with what the host keeps for it and its counters. One that was rolled
    /// back stays so until one of its versions has changed. Gives the actions that those request, and may, that go.
    pub fn succeed(&mut self, before: Self) -> Vec<ActionRequest> {
        let _running = self.loader.runtime.run();
        let (mut before, mut requests) = (before.plugins, Vec::new());
        for plugin in &mut self.plugins {
            if let Some(index) = before.iter().position(|old| old.name == plugin.name) {
                plugin.succeed(before.swap_remove(index), &mut requests);
            }
        }
        for mut gone in before {
            gone.flush(&mut requests);
            tracing::info!(plugin = &*gone.name, "gone after {} events", gone.counters.events);
        }
        if let Some(facts) = &self.loader.facts {
            facts.replace(self.plugins.iter().filter_map(Plugin::facts));
        }
        requests
    }

    /// Lets the plugins finish, in the order of the chain; to be called once, at the end.
    /// Gives the actions that they request and may request.
    pub fn flush(&mut self) -> Vec<ActionRequest> {
        let _running = self.loader.runtime.run();
        let mut requests = Vec::new();
        for plugin in &mut self.plugins {
            plugin.flush(&mut requests);
        }
        requests
    }

    /// Writes what plugins keep beyond the end of the agent and have changed lately; to be called at the end.
    pub fn keep_facts(&self) {
        if let Some(facts) = &self.loader.facts {
            facts.write();
        }
    }

    /// Says whether too many events wait for the pipeline: while they do, plugins with `onOverload: skip` get none.
    pub fn set_behind(&mut self, behind: bool) {
        self.behind = behind;
    }

    /// Passes events through the plugins: what they drop is removed, what they add is added. Alerts, and failures of
    /// plugins, become events behind those of their batch.
    /// Gives the actions that they request and may request.
    pub fn process(&mut self, events: &mut Vec<Event>) -> Vec<ActionRequest> {
        self.pass(events, None)
    }

    /// The same, and adds to `steps` what each plugin did. More than [`MAX_BATCH`] events pass a plugin several times.
    pub fn process_measured(&mut self, events: &mut Vec<Event>, steps: &mut Vec<Step>) -> Vec<ActionRequest> {
        self.pass(events, Some(steps))
    }

    fn pass(&mut self, events: &mut Vec<Event>, mut steps: Option<&mut Vec<Step>>) -> Vec<ActionRequest> {
        let mut requests = Vec::new();
        if self.plugins.is_empty() || events.is_empty() {
            return requests;
        }
        let _running = self.loader.runtime.run();
        if events.len() <= MAX_BATCH {
            self.process_batch(events, &mut requests, steps);
            return requests;
        }
        let mut rest = std::mem::take(events).into_iter();
        loop {
            let mut batch: Vec<Event> = rest.by_ref().take(MAX_BATCH).collect();
            if batch.is_empty() {
                return requests;
            }
            self.process_batch(&mut batch, &mut requests, steps.as_deref_mut());
            events.append(&mut batch);
        }
    }

    fn process_batch(
        &mut self,
        events: &mut Vec<Event>,
        requests: &mut Vec<ActionRequest>,
        mut steps: Option<&mut Vec<Step>>,
    ) {
        if let Some(first) = events.first() {
            self.loader.source.begin(first.time);
        }
        self.kept.clear();
        self.kept.resize(events.len(), true);
        self.batch.start(events.len());
        let mut passage = Passage {
            behind: self.behind,
            events,
            kept: &mut self.kept,
            batch: &mut self.batch,
            raised: Vec::new(),
        };
        for plugin in &mut self.plugins {
            let before = steps.is_some().then(|| (Instant::now(), plugin.counters.clone()));
            plugin.process(&self.loader.runtime.engine, self.threads.as_ref(), &mut passage, requests);
            if let (Some(steps), Some((began, before))) = (steps.as_deref_mut(), before) {
                steps.push(Step::new(&plugin.name, began, &before, &plugin.counters));
            }
        }
        let mut kept = self.kept.iter();
        events.retain(|_| kept.next().is_none_or(|kept| *kept));
    }

    /// Lets the plugins know the time, in nanoseconds since the Unix epoch; to be called about once a second.
    /// Gives the actions that they request and may request.
    pub fn tick(&mut self, now: u64) -> Vec<ActionRequest> {
        let _running = self.loader.runtime.run();
        self.loader.source.tick(now);
        let mut requests = Vec::new();
        for plugin in &mut self.plugins {
            plugin.tick(&self.loader.runtime.engine, now, &mut requests);
        }
        requests
    }

    /// How far the plugins are that have a rollout, each with its name.
    pub fn rollouts(&self) -> impl Iterator<Item = (&Arc<str>, &RolloutStatus)> {
        self.plugins.iter().filter_map(|plugin| Some((&plugin.name, plugin.rollout()?)))
    }

    /// How long an instance of each plugin takes to start, its `init` included: for measurements. None of them stays.
    ///
    /// # Errors
    /// If one does not start.
    pub fn start_others(&self) -> Result<Vec<(Arc<str>, Duration)>, Failure> {
        let _running = self.loader.runtime.run();
        let start = |plugin: &Plugin| {
            Ok((Arc::clone(&plugin.name), plugin.start_another(&self.loader.runtime.engine)?))
        };
        self.plugins.iter().map(start).collect()
    }

    /// What each plugin is and how it does, in the order of the chain.
    pub fn statuses(&self) -> impl Iterator<Item = PluginStatus> {
        self.plugins.iter().map(Plugin::status)
    }

    /// Each plugin's name and counts, in the order of the chain.
    pub fn counters(&self) -> impl Iterator<Item = (&Arc<str>, &Counters)> {
        self.plugins.iter().map(|plugin| (&plugin.name, &plugin.counters))
    }
}

/// Compiles, links and starts plugins.
#[derive(Debug, Clone)]
pub struct Loader {
    runtime: Arc<Runtime>,
    host: HostId,
    rollbacks: Option<Arc<Rollbacks>>,
    facts: Option<Arc<Facts>>,
    source: Source,
}

impl Loader {
    /// For a host: which version of a plugin it gets depends on it.
    ///
    /// # Errors
    /// If what runs plugins can't be started.
    pub fn new(host: HostId) -> Result<Self, LoadError> {
        let runtime = Runtime::new().map(Arc::new).map_err(LoadError::Engine)?;
        Ok(Self { runtime, host, rollbacks: None, facts: None, source: Source::Host })
    }

    /// Remembers what is rolled back, and does not start what was.
    #[must_use]
    pub fn with_rollbacks(self, rollbacks: Option<Rollbacks>) -> Self {
        Self { rollbacks: rollbacks.map(Arc::new), ..self }
    }

    /// Keeps what plugins are granted to keep beyond the end of the agent. Without it, nothing outlives the pipeline.
    #[must_use]
    pub fn with_facts(self, facts: Option<Facts>) -> Self {
        Self { facts: facts.map(Arc::new), ..self }
    }

    /// For events that were recorded: plugins' clock is that of the ticks, and random bytes are the same each time.
    #[must_use]
    pub fn for_recorded_events(self) -> Self {
        Self { source: Source::of_events(), ..self }
    }

    /// Compiles, links and starts the plugins of a pipeline file.
    ///
    /// # Errors
    /// As for [`Pipeline::load`].
    pub fn load<S, C, T>(
        &self,
        file: &PipelineFile<S, C, T>,
        cache: Option<&Cache>,
    ) -> Result<Pipeline, LoadError> {
        let mut plugins = Vec::new();
        for (index, entry) in file.spec.plugins.iter().enumerate() {
            let plugin = self.start(file, entry, cache).map_err(|reason| LoadError::Plugin {
                path: file.path().to_owned(),
                location: file.locate(index, field(&reason)),
                name: entry.name.clone(),
                component: entry.component.clone(),
                reason: Box::new(reason),
            })?;
            plugins.push(plugin);
        }
        let loader = self.clone();
        let threads = threads(&file.spec.plugins)?;
        // A pipeline that is to succeed another keeps its own once it does.
        if let Some(facts) = &self.facts {
            facts.add(plugins.iter().filter_map(Plugin::facts));
        }
        Ok(Pipeline { loader, plugins, batch: Batch::default(), kept: Vec::new(), threads, behind: false })
    }

    /// Starts the version that this host is to have.
    fn start<S, C, T>(
        &self,
        file: &PipelineFile<S, C, T>,
        entry: &PluginEntry,
        cache: Option<&Cache>,
    ) -> Result<Plugin, Reason> {
        let runtime = &*self.runtime;
        let old = version(runtime, file, &PluginEntry { rollout: None, ..entry.clone() }, cache)?;
        let Some(rollout) = &entry.rollout else { return self.run(old) };
        let Rollout { percent, rollback, .. } = *rollout;
        let place = self.host.place(&entry.name);
        let status = |stage, digest| RolloutStatus { percent, place, stage, digest };
        if place >= percent {
            let status = status(Stage::Old, old.digest);
            return Ok(self.run(old)?.staged(Staged::new(status, rollback, None)));
        }
        let new = version(runtime, file, &rollout.apply(entry), cache);
        if let Ok(new) = &new
            && let Some(reason) = self.rollbacks.as_ref().and_then(|known| known.reason(&Key::of(new)))
        {
            let staged = Staged::given_up(status(Stage::New, old.digest), rollback, new, reason);
            return Ok(self.run(old)?.staged(staged));
        }
        let new = new.and_then(|new| {
            let (digest, key) = (new.digest, Key::of(&new));
            Ok((self.run(new)?, digest, key))
        });
        match new {
            Ok((plugin, digest, key)) => {
                tracing::info!(plugin = entry.name, "the new version {digest}: {place} is below {percent} %");
                let staged = Staged::new(status(Stage::New, digest), rollback, Some(old));
                let memory = self.rollbacks.clone().map(|rollbacks| (rollbacks, key));
                Ok(plugin.staged(staged.remembered(memory)))
            }
            // That the rest of the file is used is worth more than that this version is.
            Err(reason) => {
                let why = format!("the new version: {reason}");
                let staged = Staged::unstartable(status(Stage::New, old.digest), rollback, &old, &why);
                Ok(self.run(old)?.staged(staged))
            }
        }
    }

    fn run(&self, version: Version) -> Result<Plugin, Reason> {
        let grant = version.entry.grants.kv.filter(|grant| grant.persist);
        let kv = match (&self.facts, grant) {
            (Some(facts), Some(grant)) => SharedKv::new(facts.load(&version.entry.name, grant).into()),
            _ => SharedKv::default(),
        };
        let _running = self.runtime.run();
        Plugin::start(&self.runtime.engine, version, kv, &self.source)
    }
}

/// Threads for all workers of a plugin but the first, which runs on the pipeline's own: plugins run one after the other,
/// so that as many are enough as the one with most workers needs.
fn threads(plugins: &[PluginEntry]) -> Result<Option<ThreadPool>, LoadError> {
    let most = plugins.iter().map(|plugin| plugin.workers.get()).max().unwrap_or(1);
    let builder = ThreadPoolBuilder::new().num_threads(most - 1);
    let builder = builder.thread_name(|number| format!("plugin-worker-{}", number + 1));
    (most > 1).then(|| builder.build().map_err(LoadError::Threads)).transpose()
}

/// Prepares a version of a plugin.
fn version<S, C, T>(
    runtime: &Runtime,
    file: &PipelineFile<S, C, T>,
    entry: &PluginEntry,
    cache: Option<&Cache>,
) -> Result<Version, Reason> {
    let (path, digest) = file.component(entry)?;
    if let (Some(pinned), Some(found)) = (entry.digest, digest)
        && pinned != found
    {
        return Err(Reason::Digest { pinned, found });
    }
    let digest = digest.or(entry.digest);
    let demands = Demands { digest, trust: file.spec.trust.as_ref(), grants: &entry.grants };
    let (component, digest) = prepare(&runtime.engine, &path, cache, &demands)?;
    let mut entry = entry.clone();
    if let Some(config) = &entry.config_file {
        entry.config = read_config(&file.folder().join(config)).map_err(Reason::ConfigFile)?;
    }
    Ok(Version::new(component, digest, entry))
}

/// The field of the entry that an error is about.
fn field(reason: &Reason) -> &'static str {
    match reason {
        Reason::Configuration(_) => "config",
        Reason::ConfigFile(_) => "configFile",
        Reason::Digest { .. } => "digest",
        _ => "component",
    }
}
