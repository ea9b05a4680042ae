//! Attaching policies.

mod attached;
mod prepared;
mod sharing;
mod together;

use std::collections::BTreeMap;
use std::sync::Arc;

use serin_policy::{HookPlan, PolicyPlan, Target};

pub(crate) use self::attached::{Attached, Dispatched};
use crate::counters::{HookCount, SelectorCount};
use crate::digests::Programs;
use crate::enforcers::LoadedCalls;
use crate::programs::Loader;
use crate::target;
use crate::{Backend, Enforcement, Kernel, KernelError};

/// A policy that has been attached.
#[derive(Debug)]
pub struct LoadedPolicy {
    /// The policy's name.
    pub name: String,
    /// Its hooks. Those left out by `ignore.callNotFound` and `ignore.digestVerificationFailure` are missing.
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
            function: target::function(&hook.target),
        };
        policy.hooks.iter().enumerate().zip(self.next_hook..).map(planned).collect()
    }

    fn attach_all(&mut self, policies: &[PolicyPlan]) -> Result<Vec<LoadedPolicy>, KernelError> {
        self.conflicts.announce(policies);
        self.name_scopes(policies)?;
        let programs = Programs::open(policies);
        let mut prepared = Vec::new();
        let mut ids = Vec::new();
        let mut loaders = Vec::new();
        for policy in policies {
            let first_of_policy = self.next_hook;
            for indices in self.sharing(policy, &self.conflicts) {
                let first = self.next_hook;
                self.next_hook += indices.len() as u32;
                if policy.hooks[indices.start].target == Target::Loader {
                    loaders.push((policy, indices.start, first));
                    continue;
                }
                if programs.leave_out(&policy.hooks[indices.start]) {
                    let function = target::function(&policy.hooks[indices.start].target);
                    tracing::warn!(
                        "policy `{}`: the file of `{function}` has none of its digests; left out as the policy says",
                        policy.name
                    );
                    continue;
                }
                let mut hook = self.prepare(policy, indices, first, &programs)?;
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
            for (id, sum) in (hook.id..).zip(hook.counters.sums()?) {
                let count = counts.entry(id).or_default();
                *count = *count + sum;
            }
        }
        for (id, count) in &mut counts {
            let ended = self.ended.of(*id);
            count.lost += ended.lost;
            count.unreadable += ended.unreadable;
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
}
