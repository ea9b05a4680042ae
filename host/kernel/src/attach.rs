//! Attaching one hook: which ways to try, in which order, and trying them.

use aya::programs::{BtfTracePoint, FEntry, KProbe, Lsm};
use aya::{Btf, Ebpf};
use serin_abi::config::{OVERRIDE_MARK, OVERRIDE_RESULT, OVERRIDE_RETURN};
use serin_policy::{HookPlan, Target};

use crate::deny::{self, Points};
use crate::lower::overrides;
use crate::programs::{program, program_error};
use crate::{Backend, Enforcement, KernelError, Probe};

/// One way of attaching a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) backend: Backend,
    /// How it overrides, if the hook asks for that.
    pub(crate) enforcement: Option<Enforcement>,
}

/// The ways to try, best first, and why others are out of the question.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Attempts {
    pub(crate) tries: Vec<Attempt>,
    pub(crate) ruled_out: Vec<(Backend, String)>,
}

/// Plans a hook's attachment. `lsm_matches` says whether the LSM hook of a
/// `security_*` function has the function's parameters.
pub(crate) fn plan(hook: &HookPlan, probe: &Probe, lsm_matches: impl Fn(&str) -> bool) -> Attempts {
    let mut attempts = Attempts::default();
    match (&hook.target, overrides(hook)) {
        (Target::Syscall { .. }, false) => {
            attempts.consider(Backend::Fentry, None, &probe.trampolines);
            attempts.consider(Backend::Kprobe, None, &probe.kprobes);
            attempts.consider(Backend::SysEnter, None, &Ok(()));
        }
        (Target::Syscall { name, .. }, true) => {
            attempts.consider(Backend::Kprobe, Some(Enforcement::OverrideReturn), &probe.kprobes);
            attempts.consider_deny_by_lsm(name, probe);
        }
        (Target::Function(name), overrides) => {
            let enforcement = overrides.then_some(Enforcement::LsmResult);
            let lsm = name.strip_prefix("security_");
            match lsm {
                Some(lsm) if lsm_matches(lsm) => attempts.consider(Backend::Lsm, enforcement, &probe.lsm),
                Some(lsm) => attempts.rule_out(
                    Backend::Lsm,
                    &format!("this kernel has no LSM hook `{lsm}` with the parameters of `{name}`"),
                ),
                None => {}
            }
            if !overrides {
                attempts.consider(Backend::Fentry, None, &probe.trampolines);
                attempts.consider(Backend::Kprobe, None, &probe.kprobes);
            }
        }
    }
    attempts
}

impl Attempts {
    fn consider(
        &mut self,
        backend: Backend,
        enforcement: Option<Enforcement>,
        available: &Result<(), String>,
    ) {
        match available {
            Ok(()) => self.tries.push(Attempt { backend, enforcement }),
            Err(reason) => self.rule_out(backend, reason),
        }
    }

    fn consider_deny_by_lsm(&mut self, syscall: &str, probe: &Probe) {
        let Some(hooks) = deny::hooks_of(syscall) else {
            let reason = format!("no LSM hook is known that every way to the effect of `{syscall}` passes");
            return self.rule_out(Backend::Lsm, &reason);
        };
        if let Err(reason) = &probe.lsm {
            return self.rule_out(Backend::Lsm, reason);
        }
        let enforcement = || Some(Enforcement::DenyByLsm(hooks.to_vec()));
        self.consider(Backend::Fentry, enforcement(), &probe.trampolines);
        self.consider(Backend::Kprobe, enforcement(), &probe.kprobes);
    }

    fn rule_out(&mut self, backend: Backend, reason: &str) {
        self.ruled_out.push((backend, reason.into()));
    }
}

impl Attempt {
    /// `override_by` and `points` of the hook's configuration.
    pub(crate) fn overriding(&self, points: &mut Points) -> Option<(u32, u64)> {
        Some(match &self.enforcement {
            None => (0, 0),
            Some(Enforcement::OverrideReturn) => (OVERRIDE_RETURN, 0),
            Some(Enforcement::LsmResult) => (OVERRIDE_RESULT, 0),
            Some(Enforcement::DenyByLsm(hooks)) => (OVERRIDE_MARK, points.bits(hooks)?),
        })
    }
}

/// The kernel function that a target is attached to.
pub(crate) fn function(target: &Target) -> String {
    match target {
        Target::Function(name) => name.clone(),
        Target::Syscall { name, .. } => format!("__x64_sys_{name}"),
    }
}

/// Loads and attaches the program of a back-end. The one of the dispatcher is
/// only loaded: it is attached by being put into the dispatcher's table.
pub(crate) fn attach(
    ebpf: &mut Ebpf,
    backend: Backend,
    function: &str,
    btf: &Btf,
) -> Result<(), KernelError> {
    match backend {
        Backend::Fentry => {
            let name = "hook_fentry";
            let hook: &mut FEntry = program(ebpf, name)?;
            hook.load(function, btf).map_err(|error| program_error(name, error))?;
            hook.attach().map_err(|error| program_error(name, error))?;
        }
        Backend::Kprobe => {
            let name = "hook_kprobe";
            let hook: &mut KProbe = program(ebpf, name)?;
            hook.load().map_err(|error| program_error(name, error))?;
            hook.attach(function, 0).map_err(|error| program_error(name, error))?;
        }
        Backend::Lsm => {
            let name = "hook_lsm";
            let lsm = function.strip_prefix("security_").unwrap_or(function);
            let hook: &mut Lsm = program(ebpf, name)?;
            hook.load(lsm, btf).map_err(|error| program_error(name, error))?;
            hook.attach().map_err(|error| program_error(name, error))?;
        }
        Backend::SysEnter => {
            let name = "hook_sys_enter";
            let hook: &mut BtfTracePoint = program(ebpf, name)?;
            hook.load("sys_enter", btf).map_err(|error| program_error(name, error))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serin_policy::{ActionPlan, SelectorPlan};

    use super::*;

    fn hook(target: Target, action: ActionPlan) -> HookPlan {
        HookPlan {
            target,
            arguments: Vec::new(),
            selectors: vec![SelectorPlan { actions: vec![action], ..SelectorPlan::default() }],
            message: String::new(),
            tags: Vec::new(),
            ignore_not_found: false,
            position: (1, 1),
        }
    }

    fn syscall(name: &str) -> Target {
        Target::Syscall { name: name.into(), number: 0 }
    }

    fn offers(trampolines: bool, lsm: bool, kprobes: bool) -> Probe {
        let result = |yes: bool| if yes { Ok(()) } else { Err("no".to_string()) };
        Probe { trampolines: result(trampolines), lsm: result(lsm), kprobes: result(kprobes) }
    }

    #[test]
    fn the_best_that_the_kernel_offers_comes_first() {
        let function = |name: &str| Target::Function(name.into());
        let deny = ActionPlan::Override(-1);
        let everything = offers(true, true, true);
        let nothing = offers(false, false, false);
        let cases: [(Target, ActionPlan, &Probe, &[&str]); 8] = [
            (syscall("symlinkat"), ActionPlan::Post, &everything, &["fentry", "kprobe", "sys_enter"]),
            (syscall("symlinkat"), ActionPlan::Sigkill, &nothing, &["sys_enter"]),
            (
                syscall("symlinkat"),
                deny.clone(),
                &everything,
                &[
                    "kprobe by bpf_override_return",
                    "fentry by deny by LSM (path_symlink)",
                    "kprobe by deny by LSM (path_symlink)",
                ],
            ),
            (syscall("getpid"), deny.clone(), &everything, &["kprobe by bpf_override_return"]),
            (syscall("symlinkat"), deny.clone(), &nothing, &[]),
            (function("fd_install"), ActionPlan::Post, &everything, &["fentry", "kprobe"]),
            (function("security_file_open"), ActionPlan::Post, &everything, &["lsm", "fentry", "kprobe"]),
            (function("security_file_open"), deny, &everything, &["lsm by LSM result"]),
        ];
        for (target, action, probe, expected) in cases {
            let plan = plan(&hook(target.clone(), action.clone()), probe, |_| true);
            let found: Vec<String> = plan
                .tries
                .iter()
                .map(|attempt| match &attempt.enforcement {
                    None => attempt.backend.to_string(),
                    Some(enforcement) => format!("{} by {enforcement}", attempt.backend),
                })
                .collect();
            assert_eq!(found, expected, "{target:?} {action:?}");
        }
    }

    #[test]
    fn what_is_ruled_out_has_a_reason() {
        let plan =
            plan(&hook(syscall("symlinkat"), ActionPlan::Override(-1)), &offers(true, false, false), |_| {
                true
            });
        assert_eq!(plan.ruled_out, [(Backend::Kprobe, "no".into()), (Backend::Lsm, "no".into())]);
    }
}
