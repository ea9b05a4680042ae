//! Ways of attaching that defeat each other.
//!
//! `bpf_override_return` has a kprobe go on where the function's caller is. A trampoline (fentry, fexit) on the same
//! function undoes that, whichever was attached first, and other kprobes on it are not called any more. The
//! dispatchers see the call and its return in any case.

use std::collections::HashSet;

use serin_policy::{PolicyPlan, Target};

use crate::enforcers::refuses;
use crate::lower::overrides;
use crate::target::function;

/// Functions where one of two ways that defeat each other is in use.
#[derive(Debug, Default)]
pub(crate) struct Conflicts {
    overridden: HashSet<String>,
    trampolines: HashSet<String>,
}

impl Conflicts {
    /// Takes note of the system calls that these policies override, before any of their hooks is attached.
    pub(crate) fn announce(&mut self, policies: &[PolicyPlan]) {
        let hooks = policies.iter().flat_map(|policy| &policy.hooks);
        let overridden =
            hooks.filter(|hook| matches!(hook.target, Target::Syscall { .. }) && overrides(hook));
        self.overridden.extend(overridden.map(|hook| function(&hook.target)));
        let enforced = policies.iter().filter(|policy| refuses(policy)).flat_map(|policy| &policy.enforced);
        self.overridden.extend(enforced.map(|call| function(&call.target)));
    }

    /// Whether a policy overrides this function.
    pub(crate) fn is_overridden(&self, function: &str) -> bool {
        self.overridden.contains(function)
    }

    /// Takes note of a trampoline on this function.
    pub(crate) fn has_trampoline_now(&mut self, function: &str) {
        self.trampolines.insert(function.into());
    }

    /// Forgets the trampolines on all functions but these. That a policy overrides a function is never forgotten: it
    /// may come back, and would find itself defeated.
    pub(crate) fn retain_trampolines(&mut self, functions: &HashSet<&str>) {
        self.trampolines.retain(|function| functions.contains(function.as_str()));
    }

    /// Whether there is a trampoline on this function.
    pub(crate) fn has_trampoline(&self, function: &str) -> bool {
        self.trampolines.contains(function)
    }
}
