//! The policies of the running agent: added, replaced, disabled and taken out while events flow.
//!
//! The reader is told of hooks before they are attached, so that it knows them when their first record comes. A policy
//! that takes another's place is attached before the other goes: for a moment both see the same calls.

mod actions;
mod api;
mod mode;
mod processes;
mod status;

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use serin_api::AgentError;
use serin_api::proto::serin::{CheckPolicyRequest, CheckPolicyResponse, PolicyFile};
use serin_api::proto::{AddTracingPolicyRequest, TracingPolicyActionCounters, TracingPolicyMode as Mode};
use serin_kernel::{HookCount, Kernel, LoadedCalls, LoadedHook, LoadedPolicy};
use serin_policy::{Policy, PolicyPlan};

pub(crate) use self::api::Answers;
use self::mode::{effective, mode_of, new_mode};
pub(crate) use self::status::labels;
use crate::check;
use crate::containers::Known;
use crate::counts::Counts;
use crate::heap;
use crate::hooks::{self, Canaries};
use crate::node::Labels;
use crate::policies::{at_hook, check_here, plans};
use crate::sensor::classify_again;
use crate::table::Change;

/// What policies of files are in the API.
const STATIC: &str = "static";
/// What policies that clients add are in the API, if they do not say.
const GRPC: &str = "grpc";
/// Why a policy has no hooks that its `nodeSelector` keeps from this host.
const FOR_OTHER_HOSTS: &str = "not for this host: its labels are not what `nodeSelector` asks for";
/// What messages call the file of a policy that came without a file's name.
const NAMELESS: &str = "policy";

/// All policies, and the kernel that has them.
pub(crate) struct LivePolicies {
    state: Mutex<State>,
}

struct State {
    /// `None` once the agent ends.
    kernel: Option<Kernel>,
    entries: Vec<Entry>,
    next_id: u64,
    /// Of this host.
    labels: Labels,
    changes: Sender<Change>,
}

/// A policy.
struct Entry {
    id: u64,
    domain: String,
    policy: Policy,
    mode: Mode,
    /// Its hooks, while it is enabled.
    hooks: Option<Vec<LoadedHook>>,
    /// What went wrong the last time somebody wanted to change it.
    error: String,
    /// What hooks counted that it had before.
    counted: HookCount,
    /// How often their actions were taken.
    acted: TracingPolicyActionCounters,
}

impl LivePolicies {
    /// Attaches the policies of the start that are for a host with these labels, all of them or none.
    ///
    /// # Errors
    /// The kernel refuses one.
    pub(crate) fn attach(
        mut kernel: Kernel,
        policies: Vec<Policy>,
        labels: Labels,
        changes: Sender<Change>,
    ) -> Result<Self> {
        let plans = plans(&policies);
        let here = plans.iter().filter(|plan| plan.is_for(&labels));
        let plans: Vec<_> = here.map(|plan| effective(plan, mode_of(plan))).collect();
        let loaded = kernel.attach_policies(&plans).map_err(|error| at_hook(error, &policies))?;
        if kernel.replace_kept()? {
            tracing::info!("took over from an agent that had left its hooks attached");
        }
        let mut state = State { kernel: Some(kernel), entries: Vec::new(), next_id: 1, labels, changes };
        let mut attached = plans.into_iter().zip(loaded).peekable();
        for policy in policies {
            let here = policy.plan().is_for(&state.labels);
            let hooks = attached.next_if(|_| here).map(|(plan, loaded)| {
                // The reader has not started: it takes this in before its first record.
                let announced: Vec<_> = loaded.hooks.iter().map(Announced::from).collect();
                state.announce(&plan, &announced);
                log(&plan, &loaded);
                loaded.hooks
            });
            let mode = mode_of(policy.plan());
            let entry = state.entry(policy, STATIC.into(), mode, hooks);
            state.entries.push(entry);
        }
        Ok(Self { state: Mutex::new(state) })
    }

    /// How many hooks are attached.
    pub(crate) fn hooks(&self) -> usize {
        self.lock().entries.iter().flat_map(|entry| &entry.hooks).map(Vec::len).sum()
    }

    /// Shows the kernel, and the hooks of each policy; not once the agent ends.
    pub(crate) fn look(&self, show: impl FnOnce(&Kernel, Vec<(&PolicyPlan, &[LoadedHook])>)) {
        let state = self.lock();
        let Some(kernel) = &state.kernel else { return };
        let mut policies = Vec::new();
        for entry in &state.entries {
            policies.push((entry.policy.plan(), entry.hooks.as_deref().unwrap_or_default()));
        }
        show(kernel, policies);
    }

    /// Takes in what is known of containers; false once the agent ends.
    pub(crate) fn describe_containers(&self, known: Known) -> bool {
        let mut state = self.lock();
        let Some(kernel) = &mut state.kernel else { return false };
        if let Err(error) = kernel.describe_containers(known.descriptions) {
            tracing::error!("what is known of containers could not be taken in: {error}");
        }
        // If the reader has ended, so does the agent.
        let _ = state.changes.send(Change::Containers(known.pods));
        true
    }

    /// Forgets calls that never return; false once the agent ends.
    pub(crate) fn forget_calls(&self) -> bool {
        let mut state = self.lock();
        let Some(kernel) = &mut state.kernel else { return false };
        if let Err(error) = kernel.forget_calls() {
            tracing::warn!("calls that never return are forgotten later: {error}");
        }
        true
    }

    /// Hands the kernel back, so that it can be closed; after that, nothing changes any more.
    pub(crate) fn close(&self) -> Option<Kernel> {
        self.lock().kernel.take()
    }

    /// A thread that panicked did so before or after a change: each is made in one step at the end.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn kernel(&mut self) -> Result<&mut Kernel, AgentError> {
        self.kernel.as_mut().ok_or_else(|| AgentError::Refused("the agent is ending".into()))
    }

    /// Adds a policy, in the place of one of the same name if there is one.
    fn add(&mut self, request: &AddTracingPolicyRequest) -> Result<(), AgentError> {
        let AddTracingPolicyRequest { yaml, domain, replace, file } = request;
        let policy = self.read(yaml, if file.is_empty() { NAMELESS } else { file })?;
        let name = &policy.plan().name;
        let old = self.entries.iter().position(|entry| entry.policy.plan().name == *name);
        if old.is_some() && !*replace {
            return Err(AgentError::AlreadyExists(format!("there is a policy `{name}` already")));
        }
        let mode = mode_of(policy.plan());
        let here = policy.plan().is_for(&self.labels);
        let hooks = if here { Some(self.load(&policy, mode)?) } else { None };
        let domain = if domain.is_empty() { GRPC.into() } else { domain.clone() };
        let entry = self.entry(policy, domain, mode, hooks);
        match old.and_then(|index| self.entries.get_mut(index)) {
            None => self.entries.push(entry),
            Some(place) => {
                let old = std::mem::replace(place, entry);
                self.unload(old.hooks)?;
            }
        }
        Ok(())
    }

    /// The entry of a policy that is new; one without hooks is not for this host.
    fn entry(&mut self, policy: Policy, domain: String, mode: Mode, hooks: Option<Vec<LoadedHook>>) -> Entry {
        let error = if hooks.is_some() { "" } else { FOR_OTHER_HOSTS }.to_owned();
        if hooks.is_none() {
            tracing::info!("policy {}: {FOR_OTHER_HOSTS}", policy.plan().name);
        }
        let (id, counted, acted) = (self.next_id, HookCount::default(), actions::NONE);
        self.next_id += 1;
        Entry { id, domain, policy, mode, hooks, error, counted, acted }
    }

    fn delete(&mut self, name: &str, domain: &str) -> Result<(), AgentError> {
        let index = self.find(name, domain)?;
        self.kernel()?;
        let entry = self.entries.remove(index);
        self.unload(entry.hooks)?;
        tracing::info!("policy {name}: deleted");
        Ok(())
    }

    /// Attaches a policy or takes it out of the kernel, and changes how it acts.
    fn configure(
        &mut self,
        name: &str,
        domain: &str,
        enable: Option<bool>,
        mode: Option<Mode>,
    ) -> Result<(), AgentError> {
        let index = self.find(name, domain)?;
        let changed = self.change(index, enable, mode);
        if let Some(entry) = self.entries.get_mut(index) {
            let lasting = if entry.policy.plan().is_for(&self.labels) { "" } else { FOR_OTHER_HOSTS };
            entry.error = changed.as_ref().err().map_or(lasting.to_owned(), ToString::to_string);
        }
        changed
    }

    fn change(&mut self, index: usize, enable: Option<bool>, mode: Option<Mode>) -> Result<(), AgentError> {
        let Some(entry) = self.entries.get_mut(index) else { return Ok(()) };
        let (is_enabled, is_mode) = (entry.hooks.is_some(), entry.mode);
        let mode = new_mode(is_mode, mode)?;
        let enable = enable.unwrap_or(is_enabled);
        if (enable, mode) == (is_enabled, is_mode) {
            return Ok(());
        }
        // Out of the list while it is worked on, as the list belongs to what works on it.
        let mut entry = self.entries.remove(index);
        let loaded = if enable { self.load(&entry.policy, mode).map(Some) } else { Ok(None) };
        let changed = loaded.and_then(|hooks| {
            let old = std::mem::replace(&mut entry.hooks, hooks);
            self.count_old(&mut entry, old.as_deref().unwrap_or_default());
            entry.mode = mode;
            self.unload(old)
        });
        self.entries.insert(index, entry);
        changed
    }

    /// What is to be said of policies that a client sent.
    fn check(&mut self, request: &CheckPolicyRequest) -> Result<CheckPolicyResponse, AgentError> {
        let kernel = self.kernel()?;
        let host = rustix::system::uname();
        let (release, name) = (host.release().to_string_lossy(), host.nodename().to_string_lossy());
        let against = format!("Linux {release} on {name}");
        let file = |file: &PolicyFile| (PathBuf::from(&file.file), file.yaml.clone());
        let files: Vec<_> = request.files.iter().map(file).collect();
        Ok(match serin_policy::parse_files(&files) {
            Ok(policies) => check::check(&policies, kernel, against),
            Err(errors) => CheckPolicyResponse {
                errors: errors.0.iter().map(check::error).collect(),
                against,
                ..CheckPolicyResponse::default()
            },
        })
    }

    /// Reads a policy that a client sent, and holds it against this kernel's types if it is for this host.
    fn read(&mut self, yaml: &str, file: &str) -> Result<Policy, AgentError> {
        let invalid = |error: &dyn std::fmt::Display| AgentError::Invalid(error.to_string());
        let mut policies = Policy::parse(yaml, Path::new(file)).map_err(|errors| invalid(&errors))?;
        let (Some(policy), true) = (policies.pop(), policies.is_empty()) else {
            return Err(AgentError::Invalid("there are several policies: add them one by one".into()));
        };
        if !policy.plan().is_for(&self.labels) {
            return Ok(policy);
        }
        let mut wrong = policy.check(self.kernel()?.types());
        wrong.extend(check_here(&policy).map_err(|error| invalid(&error))?);
        let wrong: Vec<_> = wrong.into_iter().map(serin_policy::Error::from).collect();
        if wrong.is_empty() { Ok(policy) } else { Err(invalid(&serin_policy::Errors(wrong))) }
    }

    /// Attaches a policy's hooks.
    fn load(&mut self, policy: &Policy, mode: Mode) -> Result<Vec<LoadedHook>, AgentError> {
        let plan = effective(policy.plan(), mode);
        if !plan.is_for(&self.labels) {
            return Err(AgentError::Refused(FOR_OTHER_HOSTS.into()));
        }
        let refused = |error: anyhow::Error| AgentError::Refused(format!("{error:#}"));
        let kernel = self.kernel()?;
        let plans = std::slice::from_ref(&plan);
        if let Some(new) = kernel.name_binaries(plans).map_err(|error| refused(error.into()))? {
            classify_again(kernel, &new).map_err(refused)?;
        }
        let planned = kernel.plan_hooks(&plan);
        self.announce(&plan, &planned.iter().map(Announced::from).collect::<Vec<_>>());
        let loaded = self.kernel()?.attach_policies(plans);
        let loaded = loaded.map_err(|error| at_hook(error, std::slice::from_ref(policy)));
        let loaded = loaded.and_then(|mut loaded| loaded.pop().context("nothing was attached"));
        heap::trim();
        match loaded {
            Ok(loaded) => {
                log(&plan, &loaded);
                Ok(loaded.hooks)
            }
            Err(error) => {
                self.forget(planned.iter().map(|hook| hook.id).collect());
                Err(refused(error))
            }
        }
    }

    /// Detaches hooks.
    fn unload(&mut self, hooks: Option<Vec<LoadedHook>>) -> Result<(), AgentError> {
        let Some(hooks) = hooks else { return Ok(()) };
        let ids: Vec<_> = hooks.iter().map(|hook| hook.id).collect();
        let detached = self.kernel()?.detach_hooks(&ids);
        self.forget(ids);
        detached.map_err(|error| AgentError::Refused(error.to_string()))
    }

    /// Tells the reader of hooks that are about to be attached.
    fn announce(&self, plan: &PolicyPlan, hooks: &[Announced<'_>]) {
        let name: Arc<str> = plan.name.as_str().into();
        let (mut infos, mut canaries) = (Vec::new(), Canaries::default());
        for Announced { id, index, function } in hooks {
            let Some(plan) = plan.hooks.get(*index) else { continue };
            infos.push((*id, hooks::info(&name, function, plan)));
            canaries.add(*id, &name, plan);
        }
        // Without a reader nobody needs to know.
        let _ = self.changes.send(Change::Add { infos, canaries });
    }

    /// Tells the reader that no more records of these hooks will come.
    fn forget(&self, hooks: Vec<u32>) {
        let _ = self.changes.send(Change::Remove(hooks));
    }

    fn find(&self, name: &str, domain: &str) -> Result<usize, AgentError> {
        let is_meant =
            |entry: &Entry| entry.policy.plan().name == name && (domain.is_empty() || entry.domain == domain);
        let found = self.entries.iter().position(is_meant);
        found.ok_or_else(|| AgentError::NotFound(format!("there is no policy `{name}`")))
    }

    /// Adds what the hooks of a policy have counted that go; nothing if the kernel does not tell.
    fn count_old(&self, entry: &mut Entry, hooks: &[LoadedHook]) {
        let counts = self.kernel.as_ref().and_then(|kernel| Counts::read(kernel).ok()).unwrap_or_default();
        entry.counted = hooks.iter().fold(entry.counted, |sum, hook| sum + counts.hook(hook.id));
        let acted = actions::of_hooks(entry.policy.plan(), entry.mode, hooks, &counts);
        entry.acted = actions::sum(entry.acted, acted);
    }
}

/// What the reader must know of a hook.
struct Announced<'a> {
    id: u32,
    index: usize,
    function: &'a str,
}

impl<'a> From<&'a LoadedHook> for Announced<'a> {
    fn from(hook: &'a LoadedHook) -> Self {
        Self { id: hook.id, index: hook.index, function: &hook.function }
    }
}

impl<'a> From<&'a serin_kernel::PlannedHook> for Announced<'a> {
    fn from(hook: &'a serin_kernel::PlannedHook) -> Self {
        Self { id: hook.id, index: hook.index, function: &hook.function }
    }
}

fn log(plan: &PolicyPlan, policy: &LoadedPolicy) {
    // What an entry with a list stands for is told in one line.
    let told = |hook: &LoadedHook| {
        (plan.hooks.get(hook.index).map(|plan| plan.position), hook.backend, hook.returns)
    };
    for hooks in policy.hooks.chunk_by(|one, other| told(one) == told(other)) {
        let [hook, more @ ..] = hooks else { continue };
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        let enforcement = hook.enforcement.as_ref().map(|way| format!(", overridden by {way}"));
        let enforcement = enforcement.unwrap_or_default();
        let returns = hook.returns.map(|backend| format!(" and {backend}")).unwrap_or_default();
        let (name, function, backend) = (&policy.name, &hook.function, hook.backend);
        tracing::info!("policy {name}: {function}{more} attached by {backend}{returns}{enforcement}");
    }
    for LoadedCalls { functions, enforcement } in &policy.enforced {
        let [function, more @ ..] = functions.as_slice() else { continue };
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        let how = enforcement.as_ref().map_or("by signal only".into(), |way| format!("refused by {way}"));
        tracing::info!("policy {}: enforcer of {function}{more}, {how}", policy.name);
    }
}
