//! Attaching policies.

use std::cell::OnceCell;
use std::sync::Arc;

use aya::Ebpf;
use aya::maps::{Array, HashMap, PerCpuArray};
use aya::programs::BtfTracePoint;
use serin_abi::config::HookConfig;
use serin_abi::{Member, Range, Text};
use serin_policy::{HookPlan, PolicyPlan, Target};

use crate::attach::{self, Attempt};
use crate::counters::{self, HookCount};
use crate::error::chain;
use crate::lower::{Lowered, lower, overrides, text};
use crate::programs::{Loader, Object, map, map_error, program, program_error};
use crate::wire::Wire;
use crate::{AttemptError, Backend, Enforcement, Kernel, KernelError};

/// A policy that has been attached.
#[derive(Debug)]
pub struct LoadedPolicy {
    /// The policy's name.
    pub name: String,
    /// Its hooks. Those left out by `ignore.callNotFound` are missing.
    pub hooks: Vec<LoadedHook>,
}

/// A hook that has been attached.
#[derive(Debug)]
pub struct LoadedHook {
    /// The id that its records carry.
    pub id: u32,
    /// Its place in [`PolicyPlan::hooks`].
    pub index: usize,
    /// The kernel function, e.g. `__x64_sys_symlinkat`.
    pub function: String,
    /// How it is attached.
    pub backend: Backend,
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

/// What keeps a hook attached.
pub(crate) struct Attached {
    pub(crate) id: u32,
    pub(crate) ebpf: Ebpf,
    /// System call and slot, if the dispatcher calls it.
    pub(crate) dispatched: Option<(u32, u32)>,
    /// The LSM hooks that must be held for it to refuse.
    pub(crate) held: Vec<&'static str>,
    pub(crate) function: String,
}

/// A hook about to be attached.
struct Prepared<'p> {
    policy: &'p str,
    index: usize,
    plan: &'p HookPlan,
    lowered: Lowered,
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
        let mut prepared = Vec::new();
        for policy in policies {
            for (index, plan) in policy.hooks.iter().enumerate() {
                let id = self.next_hook;
                self.next_hook += 1;
                prepared.push(self.prepare(&policy.name, index, plan, id)?);
            }
        }
        // The loader borrows what it hands to the programs, and outlives every hook's turn.
        let (btf, offsets) = (Arc::clone(&self.btf), self.offsets);
        let mut loader = Loader::new(&btf, self.pins.path(), self.sizes, &offsets);
        let mut loaded: Vec<LoadedPolicy> = policies
            .iter()
            .map(|policy| LoadedPolicy { name: policy.name.clone(), hooks: Vec::new() })
            .collect();
        for hook in &prepared {
            let attached = self.attach_prepared(&mut loader, hook)?;
            let policy = loaded.iter_mut().find(|policy| policy.name == hook.policy);
            if let (Some(attached), Some(policy)) = (attached, policy) {
                policy.hooks.push(attached);
            }
        }
        Ok(loaded)
    }

    /// What each attached hook counted, by hook id.
    ///
    /// # Errors
    /// If the counters cannot be read.
    pub fn hook_counts(&self) -> Result<Vec<(u32, HookCount)>, KernelError> {
        self.hooks.iter().map(|hook| Ok((hook.id, hook.count()?))).collect()
    }

    fn prepare<'p>(
        &self,
        policy: &'p str,
        index: usize,
        plan: &'p HookPlan,
        id: u32,
    ) -> Result<Prepared<'p>, KernelError> {
        let find = |structure: &str, path: &str| self.types.field(structure, path);
        let lowered = lower(plan, id, &self.binaries, &find).map_err(|limit| KernelError::Limit {
            policy: policy.into(),
            hook: attach::function(&plan.target),
            limit,
        })?;
        let attempts = attach::plan(plan, &self.probe, |lsm| self.lsm_hook_matches(lsm));
        let tries = attempts.tries.into_iter().map(|attempt| (attempt, OnceCell::new())).collect();
        Ok(Prepared { policy, index, plan, lowered, tries, ruled_out: attempts.ruled_out })
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

    /// Tries the ways of attaching a hook in turn; `None` if its function may be missing and is.
    fn attach_prepared<'l>(
        &mut self,
        loader: &mut Loader<'l>,
        hook: &'l Prepared<'_>,
    ) -> Result<Option<LoadedHook>, KernelError> {
        let mut failed = Vec::new();
        for (attempt, config) in &hook.tries {
            match self.attempt(loader, hook, attempt, config) {
                Ok(attached) => {
                    self.hooks.push(attached);
                    return Ok(Some(LoadedHook {
                        id: hook.lowered.config.hook,
                        index: hook.index,
                        function: attach::function(&hook.plan.target),
                        backend: attempt.backend,
                        enforcement: attempt.enforcement.clone(),
                    }));
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
            return Ok(None);
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
        if let Some(Enforcement::DenyByLsm(hooks)) = &attempt.enforcement {
            self.deniers.points.bits(hooks);
            for &lsm in hooks {
                self.deniers.hold(loader, &btf, lsm)?;
            }
            self.deniers.clear_after(loader, &btf, &function)?;
        }
        let configured = self.configure(hook, attempt)?;
        let lowered = &hook.lowered;
        let mut ebpf = loader
            .global("HOOK_CONFIG", config.get_or_init(|| Wire(configured)))
            .entries("MEMBERS", lowered.members.len())
            .entries("TEXTS", lowered.texts.len())
            .entries("RANGES", lowered.ranges.len())
            .load(Object::Hook)?;
        fill(&mut ebpf, lowered)?;
        attach::attach(&mut ebpf, attempt.backend, &function, &btf)?;
        let mut dispatched = None;
        if let (Backend::SysEnter, Target::Syscall { number, .. }) = (attempt.backend, &hook.plan.target) {
            let name = "hook_sys_enter";
            let loaded: &mut BtfTracePoint = program(&mut ebpf, name)?;
            let fd = loaded.fd().map_err(|error| program_error(name, error))?;
            dispatched = Some((*number, self.dispatcher.add(*number, fd)?));
            self.attach_dispatcher()?;
        }
        let held = match &attempt.enforcement {
            Some(Enforcement::DenyByLsm(hooks)) => hooks.clone(),
            _ => Vec::new(),
        };
        Ok(Attached { id: lowered.config.hook, ebpf, dispatched, held, function })
    }

    /// Completes a hook's configuration for one way of attaching it.
    fn configure(&mut self, hook: &Prepared<'_>, attempt: &Attempt) -> Result<HookConfig, KernelError> {
        let limit = |limit: String| KernelError::Limit {
            policy: hook.policy.into(),
            hook: attach::function(&hook.plan.target),
            limit,
        };
        let mut config = hook.lowered.config;
        let overriding = attempt.overriding(&mut self.deniers.points);
        (config.override_by, config.points) =
            overriding.ok_or_else(|| limit("more than 64 LSM hooks are held by policies".into()))?;
        if let (Backend::SysEnter, Target::Syscall { number, .. }) = (attempt.backend, &hook.plan.target) {
            config.next = self.dispatcher.next(*number).map_err(limit)?;
        }
        Ok(config)
    }
}

impl Attached {
    fn count(&self) -> Result<HookCount, KernelError> {
        let name = "HOOK_COUNTERS";
        let map = self.ebpf.map(name).ok_or(KernelError::Missing(name))?;
        counters::of_hook(&PerCpuArray::try_from(map).map_err(|error| map_error(name, error))?)
    }
}

/// Puts a hook's values into its maps.
fn fill(ebpf: &mut Ebpf, lowered: &Lowered) -> Result<(), KernelError> {
    let mut members: HashMap<_, Wire<Member>, u8> = map(ebpf, "MEMBERS")?;
    for member in &lowered.members {
        members.insert(Wire(*member), 1, 0).map_err(|error| map_error("MEMBERS", error))?;
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
