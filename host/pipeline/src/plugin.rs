//! A plugin in the chain: its instance, and what happens when that fails.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use serin_config::Glob;
use serin_event::action::ActionRequest;
use serin_event::{Event, EventKind, PluginError};
use serin_frame::Kind;
use wasmtime::Engine;

use crate::batch::Batch;
use crate::bindings::exports::serin::plugin::frames::Info;
use crate::config::OnFailure;
use crate::counters::{Counters, is_due};
use crate::error::{Failure, Reason};
use crate::hash::Hashes;
use crate::instance::Instance;
use crate::outcome::{Applier, Call};
use crate::rollout::{RolloutStatus, Staged};
use crate::sandbox::{Sandbox, SharedKv};
use crate::status::{PluginState, PluginStatus};
use crate::subscription::{EventFilter, parse_kind};
use crate::version::{Identity, Version};
use crate::{MAX_BATCH, MAX_LOG_LINE};

/// The wait before a failed plugin is started again; it doubles with every failure.
const FIRST_WAIT: Duration = Duration::from_millis(10);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A plugin that ran this long without a failure starts with the first wait again.
const FORGIVEN: Duration = Duration::from_secs(60);

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
    state: State,
    /// Failures in a row.
    failures: u32,
    /// A failure that is still to be told as an event.
    untold: Option<PluginError>,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("name", &self.name).field("state", &self.state).finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum State {
    Running { instance: Instance, since: Instant },
    Waiting { until: Instant },
    Disabled,
}

impl Plugin {
    /// Starts a plugin, with what is kept for it.
    pub(crate) fn start(engine: &Engine, version: Version, kv: SharedKv) -> Result<Self, Reason> {
        let entry = &version.entry;
        let name: Arc<str> = entry.name.as_str().into();
        let hashes = entry.grants.hash.map(Hashes::start).transpose().map_err(Reason::Thread)?.map(Arc::new);
        let sandbox = Sandbox::new(&name, &entry.grants, entry.limits);
        let sandbox = sandbox.with_kv(Arc::clone(&kv)).with_hashes(hashes.clone());
        let (instance, info) = version.start(engine, sandbox)?;
        if info.schema > u32::from(serin_frame::SCHEMA) {
            return Err(Reason::Schema { found: info.schema });
        }
        let subscription = subscription(&info)?;
        tracing::info!(plugin = &*name, "{} {} is ready", printable(&info.name), printable(&info.version));
        Ok(Self {
            applier: Applier::new(Arc::clone(&name), entry.grants.clone()),
            name,
            counters: Counters::default(),
            identities: vec![version.identity()],
            version,
            rollout: None,
            subscription,
            kv,
            hashes,
            state: State::Running { instance, since: Instant::now() },
            failures: 0,
            untold: None,
        })
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

    /// Takes the place of an older version.
    pub(crate) fn succeed(&mut self, before: Self) {
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
        let rollbacks = self.counters.rollbacks + before.counters.rollbacks;
        self.counters = Counters { rollbacks, ..before.counters };
        self.applier.succeed(before.applier);
        self.untold = self.untold.take().or(before.untold);
        self.kv = before.kv;
        if let State::Running { instance, .. } = &mut self.state {
            instance.use_kv(Arc::clone(&self.kv));
        }
        tracing::info!(plugin = &*self.name, "replaced");
    }

    /// What it is, and how it does.
    pub(crate) fn status(&self) -> PluginStatus {
        let (component, version) = self.version.about();
        let state = match self.state {
            State::Running { .. } => PluginState::Running,
            State::Waiting { .. } => PluginState::Waiting,
            State::Disabled => PluginState::Disabled,
        };
        PluginStatus { name: Arc::clone(&self.name), component, version, digest: self.version.digest, state }
    }

    fn wants(&self, event: &Event) -> bool {
        self.subscription.matches(event) && self.version.entry.events.matches(event)
    }

    /// Passes those of the events through the plugin that are kept and that it wants.
    pub(crate) fn process(
        &mut self,
        engine: &Engine,
        through: &mut Passage<'_>,
        requests: &mut Vec<ActionRequest>,
    ) {
        // One that has come back may be for other events.
        let _ = self.instance(engine);
        through.selected.clear();
        for (index, (event, kept)) in through.events.iter().zip(&*through.kept).enumerate() {
            if *kept && self.wants(event) {
                through.selected.push(index);
            }
        }
        let selected = std::mem::take(&mut through.selected);
        let mut rest = selected.as_slice();
        while !rest.is_empty() {
            let Some(instance) = self.instance(engine) else {
                self.without(rest, through);
                break;
            };
            // What was raised on its way may have made the batch larger than a frame can be.
            let (most, _) = rest.split_at(rest.len().min(MAX_BATCH));
            let (bytes, count) = through.batch.frame(most, through.events);
            let (frame, others) = rest.split_at(count.max(1));
            rest = others;
            let started = Instant::now();
            let answer = instance.on_frame(bytes);
            let masks = instance.take_masks();
            self.counters.log_lines_lost += instance.take_log_lines_lost();
            self.counters.time += started.elapsed();
            self.counters.calls += 1;
            self.counters.events += frame.len() as u64;
            self.counters.kv_refused = self.kv.lock().unwrap_or_else(PoisonError::into_inner).refused;
            let answer =
                if masks.too_many { Err(Failure::Outcome(TOO_MANY_MASKS.to_owned())) } else { answer };
            // Also of a call that has failed: what was to be hidden is not to be seen for that.
            masks.apply(&self.name, through.events, frame, through.batch, &mut self.counters);
            match answer {
                Ok(outcome) => {
                    let raised = &mut through.raised;
                    let mut call = Call { events: through.events, frame, kept: through.kept, raised };
                    self.applier.apply(outcome, &mut call, &mut self.counters, requests);
                }
                Err(failure) => {
                    self.fail(&failure);
                    self.without(frame, through);
                }
            }
        }
        through.selected = selected;
        self.tell_failure(through);
        through.admit_raised();
    }

    /// Puts a failure into the stream, beside the events that were on their way.
    fn tell_failure(&mut self, through: &mut Passage<'_>) {
        let Some(beside) = through.events.first() else { return };
        let Some(error) = self.untold.take() else { return };
        through.raised.push(Event {
            time: beside.time,
            node_name: Arc::clone(&beside.node_name),
            kind: EventKind::PluginError(Box::new(error)),
            process: None,
            parent: None,
            tid: 0,
            annotations: Vec::new(),
            alerts: Vec::new(),
        });
    }

    /// Lets the plugin know the time.
    pub(crate) fn tick(&mut self, engine: &Engine, now: u64, requests: &mut Vec<ActionRequest>) {
        let Some(instance) = self.instance(engine) else { return };
        let answer = instance.on_tick(now);
        // There is no event that they could be of.
        let masks = instance.take_masks().len() as u64;
        self.counters.log_lines_lost += instance.take_log_lines_lost();
        self.counters.rejected += masks;
        match answer {
            Ok(actions) => self.applier.tick(actions, &mut self.counters, requests),
            Err(failure) => self.fail(&failure),
        }
    }

    /// The instance; started anew if the last one failed and it is time.
    fn instance(&mut self, engine: &Engine) -> Option<&mut Instance> {
        if let State::Waiting { until } = self.state
            && until <= Instant::now()
        {
            self.restart(engine);
        }
        match &mut self.state {
            State::Running { instance, .. } => Some(instance),
            State::Waiting { .. } | State::Disabled => None,
        }
    }

    fn restart(&mut self, engine: &Engine) {
        self.counters.restarts += 1;
        let entry = &self.version.entry;
        let sandbox = Sandbox::new(&self.name, &entry.grants, entry.limits);
        let sandbox = sandbox.with_kv(Arc::clone(&self.kv)).with_hashes(self.hashes.clone());
        let started = self.version.restart(engine, sandbox).and_then(|(instance, info)| {
            let subscription = subscription(&info);
            Ok((instance, subscription.map_err(|reason| Failure::Outcome(reason.to_string()))?))
        });
        match started {
            Ok((instance, subscription)) => {
                self.subscription = subscription;
                self.state = State::Running { instance, since: Instant::now() };
            }
            Err(failure) => self.fail(&failure),
        }
    }

    /// Goes back to the version before, if it is time for that; whether it was.
    fn roll_back(&mut self, now: Instant, failure: &Failure) -> bool {
        // Rather the old version than none.
        let is_last = self.version.entry.on_failure == OnFailure::Disable;
        let Some(staged) = &mut self.rollout else { return false };
        let Some(before) = staged.failed(now, &failure.to_string(), is_last) else { return false };
        let reason = staged.reason().unwrap_or_default().to_owned();
        self.version = before;
        self.failures = 0;
        self.state = State::Waiting { until: now };
        self.tell_rollback(&reason);
        true
    }

    fn tell_rollback(&mut self, reason: &str) {
        tracing::error!(plugin = &*self.name, "{reason}");
        self.counters.rollbacks += 1;
        let (plugin, failures) = (Arc::clone(&self.name), self.counters.failures());
        self.untold = Some(PluginError { plugin, reason: reason.to_owned(), failures });
    }

    /// Discards the instance.
    fn fail(&mut self, failure: &Failure) {
        let count = match failure {
            Failure::Trap(_) => &mut self.counters.traps,
            Failure::TimeOut(_) => &mut self.counters.timeouts,
            Failure::Memory { .. } => &mut self.counters.out_of_memory,
            Failure::Outcome(_) => &mut self.counters.bad_outcomes,
        };
        *count += 1;
        let now = Instant::now();
        if self.roll_back(now, failure) {
            return;
        }
        if let State::Running { since, .. } = self.state
            && now.duration_since(since) > FORGIVEN
        {
            self.failures = 0;
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.failures.min(16)).min(LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1);
        let disabled = self.version.entry.on_failure == OnFailure::Disable;
        self.state = if disabled { State::Disabled } else { State::Waiting { until: now + wait } };
        let failures = self.counters.failures();
        if disabled {
            tracing::error!(plugin = &*self.name, "{failure}; the plugin is disabled");
        } else if is_due(failures) {
            tracing::error!(plugin = &*self.name, "{failure} ({failures} failures so far)");
        }
        if disabled || is_due(failures) {
            let (plugin, reason) = (Arc::clone(&self.name), failure.to_string());
            self.untold = Some(PluginError { plugin, reason, failures });
        }
    }

    /// What becomes of events that the plugin should have seen.
    fn without(&mut self, missed: &[usize], through: &mut Passage<'_>) {
        let drops = self.version.entry.on_failure == OnFailure::Drop;
        for &index in missed {
            let loss =
                through.events.get(index).is_some_and(|event| matches!(event.kind, EventKind::Loss { .. }));
            match through.kept.get_mut(index) {
                Some(kept) if drops && !loss => {
                    *kept = false;
                    self.counters.dropped_by_failure += 1;
                }
                _ => self.counters.passed_by += 1,
            }
        }
    }
}

/// A batch on its way through the plugins.
pub(crate) struct Passage<'a> {
    pub(crate) events: &'a mut Vec<Event>,
    /// Whether each of `events` goes on.
    pub(crate) kept: &'a mut Vec<bool>,
    pub(crate) batch: &'a mut Batch,
    /// Room for which of the events a plugin gets.
    pub(crate) selected: Vec<usize>,
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

/// A plugin's words, fit for a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().take(MAX_LOG_LINE).flat_map(char::escape_debug).collect()
}

pub(crate) fn subscription(info: &Info) -> Result<EventFilter, Reason> {
    let wanted = &info.subscription;
    let kinds = wanted.kinds.iter().map(|kind| parse_kind(&printable(kind))).collect::<Result<_, _>>();
    let policies: Vec<Glob> = wanted.policies.iter().map(Glob::new).collect();
    let mut kinds: Vec<Kind> = kinds.map_err(Reason::Subscription)?;
    if kinds.is_empty() && policies.is_empty() {
        // A rule that doesn't expect them would raise alerts on alerts.
        kinds.extend(Kind::ALL.iter().filter(|kind| !matches!(kind, Kind::Alert | Kind::PluginError)));
    }
    let filter = EventFilter { kinds, policies };
    filter.check().map_err(Reason::Subscription)?;
    Ok(filter)
}
