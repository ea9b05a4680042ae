//! How a hook would be attached, without attaching it.

use serin_policy::{HookPlan, PolicyPlan};

use crate::attach::Attempts;
use crate::conflict::Conflicts;
use crate::lower::may_be_late;
use crate::{AttemptError, Backend, Enforcement, Kernel, attach, target};

/// The way of attaching a hook that is tried first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// How it would be attached.
    pub backend: Backend,
    /// How it would learn of the function's return, if it waits for that.
    pub returns: Option<Backend>,
    /// How it would override, if it asks for that.
    pub enforcement: Option<Enforcement>,
}

impl Kernel {
    /// The kernel function that a hook is on, as [`crate::LoadedHook::function`] names it.
    #[must_use]
    pub fn function_of(hook: &HookPlan) -> String {
        target::function(&hook.target)
    }

    /// How each hook of a policy would be attached on this kernel, as far as can be told without trying: where
    /// there is no way, why each is out of the question. Other policies can change it.
    #[must_use]
    pub fn ways(&self, policy: &PolicyPlan) -> Vec<Result<Way, Vec<AttemptError>>> {
        let mut conflicts = Conflicts::default();
        conflicts.announce(std::slice::from_ref(policy));
        let mut ways = Vec::new();
        for group in self.sharing(policy, &conflicts) {
            let is_shared = group.len() > 1;
            for hook in &policy.hooks[group] {
                let overridden = conflicts.is_overridden(&target::function(&hook.target));
                ways.push(self.way(hook, is_shared, overridden));
            }
        }
        ways
    }

    fn way(&self, hook: &HookPlan, is_shared: bool, overridden: bool) -> Result<Way, Vec<AttemptError>> {
        let attempts = if is_shared {
            attach::plan_shared(&hook.target, &self.probe)
        } else {
            attach::plan(hook, &self.probe, overridden, |lsm| self.lsm_hook_matches(lsm))
        };
        let mut way = attempts.best()?;
        if hook.returns.is_some() || may_be_late(hook) {
            let attempts = if is_shared {
                attach::plan_shared_return(&hook.target, &self.probe)
            } else {
                attach::plan_return(&hook.target, &self.probe, overridden)
            };
            way.returns = Some(attempts.best()?.backend);
        }
        Ok(way)
    }
}

impl Attempts {
    /// The way that is tried first, or why there is none.
    pub(crate) fn best(self) -> Result<Way, Vec<AttemptError>> {
        let first = self.tries.into_iter().next();
        let refused = |(backend, reason)| AttemptError { backend, reason };
        first
            .map(|attempt| Way { backend: attempt.backend, returns: None, enforcement: attempt.enforcement })
            .ok_or_else(|| self.ruled_out.into_iter().map(refused).collect())
    }
}
