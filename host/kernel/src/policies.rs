//! Attaching policies.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops;
use std::sync::Arc;

use aya::maps::{Array, HashMap};
use aya::programs::{BtfTracePoint, ProgramFd, ProgramInfo};
use aya::{Btf, Ebpf};
use serin_abi::config::HookConfig;
use serin_abi::{HookCounters, Member, NO_FIELD, Range, SelectorCounters, Sharer, Text};
use serin_btf::Format;
use serin_policy::{HookPlan, PlaceError, PolicyPlan, Target};

use crate::attach::{self, Attempt, Attempts};
use crate::bpffs::PinDirectory;
use crate::counters::{Counters, HookCount, SELECTOR_COUNTERS, SelectorCount};
use crate::deny::MAX_POINTS;
use crate::enforcers::LoadedCalls;
use crate::error::chain;
use crate::identity;
use crate::link::{self, Link};
use crate::lower::{Lowered, OfTarget, follows, lower, overrides, text};
use crate::programs::{Loader, Object, map, map_error, program, program_error};
use crate::uprobe::CodePlace;
use crate::wire::Wire;
use crate::{AttemptError, Backend, Enforcement, Kernel, KernelError, Tracefs, usdt};

/// A policy that has been attached.
#[derive(Debug)]
pub struct LoadedPolicy {
    /// The policy's name.
    pub name: String,
    /// Its hooks. Those left out by `ignore.callNotFound` are missing.
    pub hooks: Vec<LoadedHook>,
    /// The system calls that its enforcers refuse, by how they do it.
    pub enforced: Vec<LoadedCalls>,
}

/// A hook that has been attached.
#[derive(Debug, Clone)]
pub struct LoadedHook {
    /// The id that its records carry.
    pub id: u32,
    /// Its place in [`PolicyPlan::hooks`].
    pub index: usize,
    /// The kernel function, e.g. `__x64_sys_symlinkat`.
    pub function: String,
    /// How it is attached.
    pub backend: Backend,
    /// How it learns of the function's return, if it waits for that.
    pub returns: Option<Backend>,
    /// How it overrides, if it does.
    pub enforcement: Option<Enforcement>,
}

/// A hook that will be attached, known before it is: the first record may come before [`Kernel::attach_policies`]
/// returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedHook {
    /// The id that its records will carry.
    pub id: u32,
    /// Its place in [`PolicyPlan::hooks`].
    pub index: usize,
    /// The kernel function.
    pub function: String,
}

/// A hook that is attached.
pub(crate) struct Attached {
    /// The first of the ids of its hooks.
    pub(crate) id: u32,
    returns: Option<Backend>,
    /// What keeps its programs attached, but for those that a dispatcher calls.
    links: Vec<Link>,
    /// What the kernel says of its programs.
    pub(crate) programs: Vec<ProgramInfo>,
    counters: Counters<HookCounters>,
    selectors: Counters<SelectorCounters>,
    /// Its places on the dispatchers.
    pub(crate) dispatched: Dispatched,
    /// The LSM hooks that must be held for it to refuse.
    pub(crate) held: Vec<&'static str>,
    pub(crate) function: String,
    /// It is on the function by a trampoline.
    pub(crate) has_trampoline: bool,
    /// It may do something to processes or their calls.
    pub(crate) enforces: bool,
    /// It overrides by `bpf_override_return`.
    pub(crate) overrides_return: bool,
}

/// Where the dispatchers call a program: slots of system calls, each with the program's own slot in that call's chain.
#[derive(Debug, Default)]
pub(crate) struct Dispatched {
    pub(crate) calls: Vec<(u32, u32)>,
    pub(crate) returns: Vec<(u32, u32)>,
}

/// A hook about to be attached, or several that share a program.
struct Prepared<'p> {
    policy: &'p str,
    /// Where the hooks stand in their policy. Their ids are as many from that of `lowered` on.
    indices: ops::Range<usize>,
    /// The first; the others differ from it only in their targets.
    plan: &'p HookPlan,
    targets: Vec<&'p Target>,
    lowered: Lowered,
    /// Where it is in a program's file.
    places: Vec<CodePlace>,
    tries: Vec<(Attempt, OnceCell<Wire<HookConfig>>)>,
    ruled_out: Vec<(Backend, String)>,
}

impl Kernel {
    /// Attaches all hooks of all policies, each in the best way this kernel offers.
    ///
    /// # Errors
    /// If a hook can be attached in no way, or not be enforced as it asks. None of
    /// these policies is attached then.
    pub fn attach_policies(&mut self, policies: &[PolicyPlan]) -> Result<Vec<LoadedPolicy>, KernelError> {
        let first = self.next_hook;
        let loaded = self.attach_all(policies);
        if loaded.is_err() {
            self.detach(|id| id >= first)?;
        }
        loaded
    }

    /// The hooks of a policy, if it is the next to be attached.
    #[must_use]
    pub fn plan_hooks(&self, policy: &PolicyPlan) -> Vec<PlannedHook> {
        let planned = |((index, hook), id): ((usize, &HookPlan), u32)| PlannedHook {
            id,
            index,
            function: attach::function(&hook.target),
        };
        policy.hooks.iter().enumerate().zip(self.next_hook..).map(planned).collect()
    }

    fn attach_all(&mut self, policies: &[PolicyPlan]) -> Result<Vec<LoadedPolicy>, KernelError> {
        self.conflicts.announce(policies);
        self.name_scopes(policies)?;
        let mut prepared = Vec::new();
        let mut ids = Vec::new();
        let mut loaders = Vec::new();
        for policy in policies {
            let first_of_policy = self.next_hook;
            for indices in sharing(&policy.hooks) {
                let first = self.next_hook;
                self.next_hook += indices.len() as u32;
                if policy.hooks[indices.start].target == Target::Loader {
                    loaders.push((policy, indices.start, first));
                    continue;
                }
                let mut hook = self.prepare(policy, indices, first)?;
                hook.lowered.config.enforcer = Self::enforcer_id(policy, first_of_policy);
                prepared.extend(hook.by_arguments()?);
            }
            ids.push(first_of_policy..self.next_hook);
        }
        // The loader borrows what it hands to the programs, and outlives every hook's turn.
        let (btf, offsets) = (Arc::clone(&self.btf), self.offsets);
        let mut loader = Loader::new(&btf, self.pins.path(), self.sizes, &offsets);
        let mut loaded: Vec<LoadedPolicy> = policies
            .iter()
            .map(|policy| LoadedPolicy { name: policy.name.clone(), hooks: Vec::new(), enforced: Vec::new() })
            .collect();
        for ((policy, ids), loaded) in policies.iter().zip(ids).zip(&mut loaded) {
            loaded.enforced = self.attach_enforcer(&mut loader, policy, ids)?;
        }
        for hook in &prepared {
            let attached = self.attach_prepared(&mut loader, hook)?;
            let policy = loaded.iter_mut().find(|policy| policy.name == hook.policy);
            if let Some(policy) = policy {
                let known = |hook: &LoadedHook| policy.hooks.iter().any(|known| known.id == hook.id);
                let new: Vec<_> = attached.into_iter().filter(|hook| !known(hook)).collect();
                policy.hooks.extend(new);
            }
        }
        for (policy, index, id) in loaders {
            let hook = self.attach_loader(policy, index, id)?;
            loaded.iter_mut().filter(|loaded| loaded.name == policy.name).for_each(|loaded| {
                loaded.hooks.push(hook.clone());
            });
        }
        Ok(loaded)
    }

    /// What each attached hook counted, by hook id.
    ///
    /// # Errors
    /// If the counters cannot be read.
    pub fn hook_counts(&self) -> Result<Vec<(u32, HookCount)>, KernelError> {
        let mut counts: BTreeMap<u32, HookCount> = self.loaders.counts().collect();
        for hook in &self.hooks {
            let count = counts.entry(hook.id).or_default();
            *count = *count + hook.counters.sum()?;
        }
        Ok(counts.into_iter().collect())
    }

    /// What the selectors of each attached hook counted, by hook id and in the policy's order.
    ///
    /// # Errors
    /// If the counters cannot be read.
    pub fn selector_counts(&self) -> Result<Vec<(u32, Vec<SelectorCount>)>, KernelError> {
        let only = |count: HookCount| vec![SelectorCount { hits: count.hits, ..SelectorCount::default() }];
        let mut counts: BTreeMap<u32, Vec<SelectorCount>> =
            self.loaders.counts().map(|(id, count)| (id, only(count))).collect();
        for hook in &self.hooks {
            let sums = hook.selectors.sums()?;
            let all = counts.entry(hook.id).or_insert_with(|| vec![SelectorCount::default(); sums.len()]);
            all.iter_mut().zip(sums).for_each(|(all, sum)| *all = *all + sum);
        }
        Ok(counts.into_iter().collect())
    }

    fn prepare<'p>(
        &self,
        policy: &'p PolicyPlan,
        indices: ops::Range<usize>,
        id: u32,
    ) -> Result<Prepared<'p>, KernelError> {
        let (plan, policy, hooks) =
            (&policy.hooks[indices.start], &policy.name, &policy.hooks[indices.clone()]);
        let targets: Vec<_> = hooks.iter().map(|hook| &hook.target).collect();
        self.check_namespaces(policy, plan)?;
        self.check_room(policy, plan)?;
        let types = OfTarget { kernel: &self.types };
        let format = format(plan)?;
        let mut lowered = lower(plan, id, (&self.binaries, &self.workloads.scopes), format.as_ref(), &types)
            .map_err(|limit| KernelError::Limit {
                policy: policy.into(),
                hook: attach::function(&plan.target),
                limit,
            })?;
        lowered.config.shared = u32::from(targets.len() > 1);
        let attempts = if targets.len() > 1 {
            attach::plan_shared()
        } else {
            let overridden = self.conflicts.is_overridden(&attach::function(&plan.target));
            attach::plan(plan, &self.probe, overridden, |lsm| self.lsm_hook_matches(lsm))
        };
        let tries = attempts.tries.into_iter().map(|attempt| (attempt, OnceCell::new())).collect();
        let places = match &plan.target {
            Target::Uprobe(probe) => vec![link::place_of(probe)?],
            _ => Vec::new(),
        };
        let ruled_out = attempts.ruled_out;
        Ok(Prepared { policy, indices, plan, targets, lowered, places, tries, ruled_out })
    }

    fn check_namespaces(&self, policy: &str, plan: &HookPlan) -> Result<(), KernelError> {
        let mut kinds = plan.selectors.iter().flat_map(identity::kinds);
        let missing = kinds.find(|&kind| self.offsets.0.inum[kind as usize] == NO_FIELD);
        let Some(kind) = missing else { return Ok(()) };
        let limit = format!("this kernel has no namespaces of the kind `{kind:?}`");
        Err(KernelError::Limit { policy: policy.into(), hook: attach::function(&plan.target), limit })
    }

    /// What costs room that only the policies of the start can ask for: see [`crate::KernelConfig::with_room_for`].
    fn check_room(&self, policy: &str, plan: &HookPlan) -> Result<(), KernelError> {
        let limit = if self.sizes.followed == 0 && plan.selectors.iter().any(follows) {
            "follows descriptors (`FollowFD`)"
        } else if self.sizes.origins == 0 && plan.selectors.iter().any(identity::changes) {
            "asks what has changed (`matchNamespaceChanges`, `matchCapabilityChanges`)"
        } else {
            return Ok(());
        };
        let limit = format!(
            "it {limit}, and the agent has made room for that only if a policy it was started with does: \
             start the agent with this policy"
        );
        Err(KernelError::Limit { policy: policy.into(), hook: attach::function(&plan.target), limit })
    }

    /// Whether `bpf_lsm_X` takes what `security_X` takes, so that a policy's argument numbers mean the same.
    pub(crate) fn lsm_hook_matches(&self, lsm: &str) -> bool {
        let parameters = |name: String| {
            let function = self.types.function(&name)?;
            Some(function.parameters.into_iter().map(|parameter| parameter.kind).collect::<Vec<_>>())
        };
        let hook = parameters(format!("bpf_lsm_{lsm}"));
        hook.is_some() && hook == parameters(format!("security_{lsm}"))
    }

    /// Tries the ways of attaching a hook in turn; none are attached if its function may be missing and is.
    fn attach_prepared<'l>(
        &mut self,
        loader: &mut Loader<'l>,
        hook: &'l Prepared<'_>,
    ) -> Result<Vec<LoadedHook>, KernelError> {
        let mut failed = Vec::new();
        for (attempt, config) in &hook.tries {
            match self.attempt(loader, hook, attempt, config) {
                Ok(attached) => {
                    let returns = attached.returns;
                    self.hooks.push(attached);
                    let loaded = |(id, (index, target)): (u32, (usize, &&Target))| LoadedHook {
                        id,
                        index,
                        function: attach::function(target),
                        backend: attempt.backend,
                        returns,
                        enforcement: attempt.enforcement.clone(),
                    };
                    let places = hook.indices.clone().zip(&hook.targets);
                    return Ok((hook.lowered.config.hook..).zip(places).map(loaded).collect());
                }
                Err(error) => failed.push((attempt.backend, explain(attempt, &error))),
            }
        }
        let function = attach::function(&hook.plan.target);
        if hook.plan.ignore_not_found && self.types.function(&function).is_none() {
            tracing::info!(
                "policy `{}`: this kernel has no `{function}`; left out as the policy says",
                hook.policy
            );
            return Ok(Vec::new());
        }
        let attempts = failed.into_iter().chain(hook.ruled_out.iter().cloned());
        Err(KernelError::Unattachable {
            policy: hook.policy.into(),
            hook: function,
            line: hook.plan.position.0,
            column: hook.plan.position.1,
            what: if overrides(hook.plan) { "overridden" } else { "hooked" },
            attempts: attempts.map(|(backend, reason)| AttemptError { backend, reason }).collect(),
        })
    }

    fn attempt<'l>(
        &mut self,
        loader: &mut Loader<'l>,
        hook: &'l Prepared<'_>,
        attempt: &Attempt,
        config: &'l OnceCell<Wire<HookConfig>>,
    ) -> Result<Attached, KernelError> {
        let function = attach::function(&hook.plan.target);
        let btf = Arc::clone(&self.btf);
        if attempt.enforcement == Some(Enforcement::OverrideReturn)
            && self.conflicts.has_trampoline(&function)
        {
            return Err(KernelError::OverrideDefeated);
        }
        if let Some(Enforcement::DenyByLsm(hooks)) = &attempt.enforcement {
            self.deniers.points.bits(hooks);
            for &lsm in hooks {
                self.deniers.hold(loader, (&btf, &self.pins), lsm)?;
            }
            self.deniers.clear_after(loader, (&btf, &self.pins), &function)?;
        }
        let configured = self.configure(hook, attempt)?;
        let sharers = self.sharers(hook)?;
        let lowered = &hook.lowered;
        let mut ebpf = loader
            .global("HOOK_CONFIG", config.get_or_init(|| Wire(configured)))
            .entries("MEMBERS", lowered.members.len())
            .entries("TEXTS", lowered.texts.len())
            .entries("RANGES", lowered.ranges.len())
            .entries("SHARERS", sharers.len())
            .entries("RATES", lowered.rates())
            .entries(SELECTOR_COUNTERS, lowered.config.selector_count as usize)
            .load(Object::Hook(attempt.backend))?;
        fill(&mut ebpf, lowered, &sharers)?;
        let mut attached = Attached {
            id: lowered.config.hook,
            returns: None,
            links: Vec::new(),
            programs: Vec::new(),
            counters: Counters::take(&mut ebpf, "HOOK_COUNTERS")?,
            selectors: Counters::take(&mut ebpf, SELECTOR_COUNTERS)?,
            dispatched: Dispatched::default(),
            held: match &attempt.enforcement {
                Some(Enforcement::DenyByLsm(hooks)) => hooks.clone(),
                _ => Vec::new(),
            },
            function,
            has_trampoline: false,
            overrides_return: attempt.enforcement == Some(Enforcement::OverrideReturn),
            enforces: hook.plan.enforces(),
        };
        if let Err(error) = self.attach_programs(hook, attempt.backend, &mut ebpf, &mut attached) {
            self.remove_dispatched(&attached.dispatched)?;
            return Err(error);
        }
        if attached.has_trampoline {
            self.conflicts.has_trampoline_now(&attached.function);
        }
        Ok(attached)
    }

    /// Attaches a hook's programs. Where they stand on the dispatchers is noted even if a later one fails.
    fn attach_programs(
        &mut self,
        hook: &Prepared<'_>,
        backend: Backend,
        ebpf: &mut Ebpf,
        attached: &mut Attached,
    ) -> Result<(), KernelError> {
        // First, so that no call is kept whose return goes unnoticed.
        attached.returns = self.attach_return(hook, ebpf, attached)?;
        attached.attach(ebpf, backend, hook, (&self.btf, &self.pins))?;
        if backend == Backend::SysEnter {
            let program = fd_of(ebpf, backend)?;
            for slot in hook.slots() {
                attached.dispatched.calls.push((slot, self.dispatcher.add(slot, program)?));
            }
            self.attach_dispatcher()?;
        }
        Ok(())
    }

    /// Attaches the program that runs when the function returns, if the hook waits for that.
    fn attach_return(
        &mut self,
        hook: &Prepared<'_>,
        ebpf: &mut Ebpf,
        attached: &mut Attached,
    ) -> Result<Option<Backend>, KernelError> {
        if hook.plan.returns.is_none() {
            return Ok(None);
        }
        let Attempts { tries, ruled_out } = if hook.targets.len() > 1 {
            attach::plan_shared_return()
        } else {
            attach::plan_return(
                &hook.plan.target,
                &self.probe,
                self.conflicts.is_overridden(&attached.function),
            )
        };
        let mut failed: Vec<_> =
            ruled_out.into_iter().map(|(backend, reason)| AttemptError { backend, reason }).collect();
        for Attempt { backend, .. } in tries {
            match attached.attach(ebpf, backend, hook, (&self.btf, &self.pins)) {
                Ok(()) => {
                    if backend == Backend::SysExit {
                        let program = fd_of(ebpf, backend)?;
                        for slot in hook.slots() {
                            attached
                                .dispatched
                                .returns
                                .push((slot, self.return_dispatcher.add(slot, program)?));
                        }
                        self.attach_return_dispatcher()?;
                    }
                    return Ok(Some(backend));
                }
                Err(error) => failed.push(AttemptError { backend, reason: chain(&error) }),
            }
        }
        Err(KernelError::NoReturn(failed))
    }

    /// Completes a hook's configuration for one way of attaching it.
    fn configure(&mut self, hook: &Prepared<'_>, attempt: &Attempt) -> Result<HookConfig, KernelError> {
        let limit = |limit: String| KernelError::Limit {
            policy: hook.policy.into(),
            hook: attach::function(&hook.plan.target),
            limit,
        };
        let mut config = hook.lowered.config;
        config.follows = u32::from(self.sizes.followed > 0);
        let overriding = attempt.overriding(&mut self.deniers.points);
        (config.override_by, config.points) =
            overriding.ok_or_else(|| limit(KernelError::TooManyPoints(MAX_POINTS).to_string()))?;
        if let (Backend::SysEnter, Some(slot)) = (attempt.backend, hook.slots().next()) {
            config.next = self.dispatcher.next(slot).map_err(limit)?;
        }
        if let (Some(_), Some(slot)) = (&hook.plan.returns, hook.slots().next()) {
            config.next_return = self.return_dispatcher.next(slot).map_err(limit)?;
        }
        Ok(config)
    }

    /// The hooks that share a program, by the slots of their calls; none if it has but one.
    fn sharers(&self, hook: &Prepared<'_>) -> Result<Vec<(u32, Sharer)>, KernelError> {
        if hook.targets.len() < 2 {
            return Ok(Vec::new());
        }
        let returns = hook.plan.returns.is_some();
        let sharer = |(id, slot): (u32, u32)| {
            let next = self.dispatcher.next(slot)?;
            let next_return = if returns { self.return_dispatcher.next(slot)? } else { 0 };
            Ok((slot, Sharer { hook: id, next, next_return, reserved: 0 }))
        };
        let sharers = (hook.lowered.config.hook..).zip(hook.slots()).map(sharer);
        sharers.collect::<Result<_, String>>().map_err(|limit| KernelError::Limit {
            policy: hook.policy.into(),
            hook: attach::function(&hook.plan.target),
            limit,
        })
    }
}

/// The format of a hook's record, if it is on a tracepoint that has one. Policies that name others are refused when they
/// are checked.
fn format(plan: &HookPlan) -> Result<Option<Format>, KernelError> {
    let Target::Tracepoint(event) = &plan.target else { return Ok(None) };
    Ok(Tracefs::open()?.format(&event.subsystem, &event.name)?)
}

impl Prepared<'_> {
    /// The hook; one on a USDT probe once for each way in which its places pass their arguments, under the same id.
    fn by_arguments(self) -> Result<Vec<Self>, KernelError> {
        let Target::Usdt(probe) = &self.plan.target else { return Ok(vec![self]) };
        let sites = usdt::find_sites(probe).map_err(|error| match error {
            PlaceError::Program(reason) => KernelError::Executable(reason),
            PlaceError::NotThere(_) => KernelError::Executable(format!("the file has no probe `{probe}`")),
        })?;
        let mut hooks: Vec<Self> = Vec::new();
        for site in sites {
            let (place, operands) =
                (CodePlace { offset: site.offset, counter: site.counter }, usdt::operands(&site));
            match hooks.iter_mut().find(|hook| hook.lowered.config.operands == operands) {
                Some(hook) => hook.places.push(place),
                None => {
                    let mut lowered = self.lowered.clone();
                    lowered.config.operands = operands;
                    let tries =
                        self.tries.iter().map(|(attempt, _)| (attempt.clone(), OnceCell::new())).collect();
                    hooks.push(Prepared {
                        policy: self.policy,
                        indices: self.indices.clone(),
                        plan: self.plan,
                        targets: self.targets.clone(),
                        lowered,
                        places: vec![place],
                        tries,
                        ruled_out: self.ruled_out.clone(),
                    });
                }
            }
        }
        Ok(hooks)
    }

    /// The slots of the system calls that it hooks.
    fn slots(&self) -> impl Iterator<Item = u32> {
        self.targets.iter().filter_map(|target| attach::syscall_slot(target))
    }
}

/// The hooks of a policy in groups that share a program: those that an entry with a list of system calls stands for,
/// unless they override, or the calls' types say where their arguments are.
pub(crate) fn sharing(hooks: &[HookPlan]) -> impl Iterator<Item = ops::Range<usize>> {
    let share = |one: &HookPlan, other: &HookPlan| {
        one.position == other.position
            && attach::syscall_slot(&one.target).is_some()
            && std::mem::discriminant(&one.target) == std::mem::discriminant(&other.target)
            && one.returns == other.returns
            && !overrides(one)
            && one.arguments.iter().all(|argument| argument.resolve.is_none())
    };
    let mut start = 0;
    hooks.chunk_by(move |one, other| share(one, other)).map(move |group| {
        start += group.len();
        start - group.len()..start
    })
}

impl Attached {
    pub(crate) fn into_links(self) -> Vec<Link> {
        self.links
    }

    /// Attaches one of the hook's programs.
    fn attach(
        &mut self,
        ebpf: &mut Ebpf,
        backend: Backend,
        hook: &Prepared<'_>,
        (btf, pins): (&Btf, &PinDirectory),
    ) -> Result<(), KernelError> {
        let name = link::program_name(backend);
        let links = link::attach(ebpf, backend, &hook.plan.target, &hook.places, btf)?;
        for link in links {
            let pin = format!("{}-{name}-{}", self.id, self.links.len());
            let link = if self.enforces { pins.keep(&pin, link)? } else { link };
            self.links.push(link);
        }
        let program = ebpf.program(name).ok_or(KernelError::Missing(name))?;
        self.programs.push(program.info().map_err(|error| program_error(name, error))?);
        self.has_trampoline |= matches!(backend, Backend::Fentry | Backend::Fexit);
        Ok(())
    }
}

/// The program of a hook that a dispatcher calls.
fn fd_of(ebpf: &mut Ebpf, backend: Backend) -> Result<&ProgramFd, KernelError> {
    let name = link::program_name(backend);
    let loaded: &mut BtfTracePoint = program(ebpf, name)?;
    loaded.fd().map_err(|error| program_error(name, error))
}

/// Puts a hook's values into its maps.
fn fill(ebpf: &mut Ebpf, lowered: &Lowered, sharers: &[(u32, Sharer)]) -> Result<(), KernelError> {
    let mut shared: HashMap<_, u32, Wire<Sharer>> = map(ebpf, "SHARERS")?;
    for (slot, sharer) in sharers {
        shared.insert(slot, Wire(*sharer), 0).map_err(|error| map_error("SHARERS", error))?;
    }
    let mut members: HashMap<_, Wire<Member>, u32> = map(ebpf, "MEMBERS")?;
    for (member, text) in &lowered.members {
        members.insert(Wire(*member), text, 0).map_err(|error| map_error("MEMBERS", error))?;
    }
    let mut ranges: Array<_, Wire<Range>> = map(ebpf, "RANGES")?;
    for (index, range) in lowered.ranges.iter().enumerate() {
        ranges.set(index as u32, Wire(*range), 0).map_err(|error| map_error("RANGES", error))?;
    }
    let mut texts: Array<_, Wire<Text>> = map(ebpf, "TEXTS")?;
    for (index, value) in lowered.texts.iter().enumerate() {
        texts.set(index as u32, Wire(text(value)), 0).map_err(|error| map_error("TEXTS", error))?;
    }
    Ok(())
}

fn explain(attempt: &Attempt, error: &KernelError) -> String {
    let reason = chain(error);
    match &attempt.enforcement {
        Some(enforcement) => format!("{enforcement}: {reason}"),
        None => reason,
    }
}
