//! How a hook would be attached, without attaching it.

use serin_policy::HookPlan;

use crate::{AttemptError, Backend, Enforcement, Kernel, attach};

/// The way of attaching a hook that is tried first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// How it would be attached.
    pub backend: Backend,
    /// How it would override, if it asks for that.
    pub enforcement: Option<Enforcement>,
}

impl Kernel {
    /// The kernel function that a hook is on, as [`crate::LoadedHook::function`] names it.
    #[must_use]
    pub fn function_of(hook: &HookPlan) -> String {
        attach::function(&hook.target)
    }

    /// How a hook would be attached on this kernel, as far as can be told without trying.
    ///
    /// # Errors
    /// There is no way; why each is out of the question.
    pub fn way(&self, hook: &HookPlan) -> Result<Way, Vec<AttemptError>> {
        let attempts = attach::plan(hook, &self.probe, |lsm| self.lsm_hook_matches(lsm));
        let first = attempts.tries.into_iter().next();
        let refused = |(backend, reason)| AttemptError { backend, reason };
        first
            .map(|attempt| Way { backend: attempt.backend, enforcement: attempt.enforcement })
            .ok_or_else(|| attempts.ruled_out.into_iter().map(refused).collect())
    }
}
