//! Attaching one hook: which ways to try, in which order.

use serin_abi::COMPAT_SLOT;
use serin_abi::config::{OVERRIDE_MARK, OVERRIDE_REGISTERS, OVERRIDE_RESULT, OVERRIDE_RETURN};
use serin_policy::{ArgumentSource, HookPlan, Target};

use crate::deny::{self, Points};
use crate::lower::overrides;
use crate::{Backend, Enforcement, Probe, mappings};

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
/// `security_*` function has the function's parameters, and `overridden` whether any policy overrides the system call:
/// then those that don't stay out of the way (see [`crate::conflict`]).
pub(crate) fn plan(
    hook: &HookPlan,
    probe: &Probe,
    overridden: bool,
    lsm_matches: impl Fn(&str) -> bool,
) -> Attempts {
    let mut attempts = Attempts::default();
    match (&hook.target, overrides(hook)) {
        (Target::Syscall { .. }, false) if overridden => {
            attempts.consider(Backend::SysEnter, None, &Ok(()));
        }
        (Target::Syscall { .. }, false) => {
            attempts.consider(Backend::Fentry, None, &probe.trampolines);
            attempts.consider(Backend::Kprobe, None, &probe.kprobes);
            attempts.consider(Backend::SysEnter, None, &Ok(()));
        }
        (Target::Syscall { name, .. }, true) => {
            attempts.consider(Backend::Kprobe, Some(Enforcement::OverrideReturn), &probe.kprobes);
            attempts.consider_deny_by_lsm(name, probe);
        }
        // What runs them has no name that is the same in every kernel.
        (Target::CompatSyscall { .. }, false) => attempts.consider(Backend::SysEnter, None, &Ok(())),
        (Target::CompatSyscall { name, .. }, true) => {
            let reason = format!("calls of 32-bit programs, such as `{name}`, can be seen but not refused");
            attempts.rule_out(Backend::SysEnter, &reason);
        }
        (Target::Lsm(_), overrides) => {
            let enforcement = overrides.then_some(Enforcement::LsmResult);
            match &probe.hashes {
                Err(reason) if hashes(hook) => attempts.rule_out(Backend::LsmHash, reason),
                _ => attempts.consider(Backend::Lsm, enforcement, &probe.lsm),
            }
        }
        // Policies that override there are refused when they are read.
        (Target::Tracepoint(_), _) => attempts.consider(Backend::Tracepoint, None, &Ok(())),
        (Target::RawTracepoint(_), _) => attempts.consider(Backend::RawTracepoint, None, &Ok(())),
        (Target::Uprobe(_), true) => {
            attempts.consider(Backend::Uprobe, Some(Enforcement::Registers), &probe.registers);
        }
        (Target::Uprobe(_) | Target::Usdt(_), _) => attempts.consider(Backend::Uprobe, None, &Ok(())),
        (Target::Loader, _) => attempts.consider(Backend::PerfEvent, None, &mappings::check()),
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
    if asks_for_registers(hook) && matches!(hook.target, Target::Function(_)) {
        attempts.keep_kprobes();
    }
    attempts
}

/// Whether a hook has files hashed.
fn hashes(hook: &HookPlan) -> bool {
    hook.selectors.iter().any(|selector| selector.hash.is_some())
}

/// Whether a hook reads registers (`pt_regs`), which of the ways to a function a breakpoint alone has.
fn asks_for_registers(hook: &HookPlan) -> bool {
    hook.arguments.iter().any(|argument| matches!(argument.source, ArgumentSource::Register(_)))
}

/// Plans how a hook learns of its function's return. Where some policy overrides the function, only the dispatcher
/// sees every return and leaves the override alone.
pub(crate) fn plan_return(target: &Target, probe: &Probe, overridden: bool) -> Attempts {
    let mut attempts = Attempts::default();
    if overridden || matches!(target, Target::CompatSyscall { .. }) {
        attempts.consider(Backend::SysExit, None, &Ok(()));
        return attempts;
    }
    if matches!(target, Target::Uprobe(_)) {
        attempts.consider(Backend::Uretprobe, None, &Ok(()));
        return attempts;
    }
    attempts.consider(Backend::Fexit, None, &probe.trampolines);
    attempts.consider(Backend::Kretprobe, None, &probe.kprobes);
    if matches!(target, Target::Syscall { .. }) {
        attempts.consider(Backend::SysExit, None, &Ok(()));
    }
    attempts
}

/// Plans how an enforcer refuses a call. `late` says that it is notified while the call is under way, and not only
/// where it begins.
pub(crate) fn plan_enforced(target: &Target, probe: &Probe, late: bool) -> Attempts {
    let mut attempts = Attempts::default();
    if let Target::Function(name) = target {
        let hook = name.strip_prefix("security_").unwrap_or(name).to_owned();
        attempts.consider(Backend::Lsm, Some(Enforcement::DenyByLsm(vec![hook.into()])), &probe.lsm);
        return attempts;
    }
    if late {
        let reason = "it refuses a call where it begins, and a hook notifies the enforcer after that";
        attempts.rule_out(Backend::Kprobe, reason);
    } else {
        attempts.consider(Backend::Kprobe, Some(Enforcement::OverrideReturn), &probe.kprobes);
    }
    match target {
        Target::Syscall { name, .. } => match (deny::hooks_of(name), &probe.lsm) {
            (Some(hooks), Ok(())) => {
                let enforcement = Enforcement::DenyByLsm(hooks);
                attempts.consider(Backend::Lsm, Some(enforcement), &probe.trampolines);
            }
            (Some(_), Err(reason)) => attempts.rule_out(Backend::Lsm, reason),
            (None, _) => attempts.rule_out(Backend::Lsm, &no_lsm_hook(name)),
        },
        _ => attempts.rule_out(Backend::Lsm, "calls of 32-bit programs are refused where they begin only"),
    }
    attempts
}

fn no_lsm_hook(syscall: &str) -> String {
    format!("no LSM hook is known that every way to the effect of `{syscall}` passes")
}

/// The same for hooks on several functions or system calls that share a program.
pub(crate) fn plan_shared_return(target: &Target, probe: &Probe) -> Attempts {
    let mut attempts = Attempts::default();
    match target {
        Target::Function(_) => attempts.consider(Backend::KretprobeMulti, None, &probe.many),
        _ => attempts.consider(Backend::SysExit, None, &Ok(())),
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
            return self.rule_out(Backend::Lsm, &no_lsm_hook(syscall));
        };
        if let Err(reason) = &probe.lsm {
            return self.rule_out(Backend::Lsm, reason);
        }
        let enforcement = || Some(Enforcement::DenyByLsm(hooks.clone()));
        self.consider(Backend::Fentry, enforcement(), &probe.trampolines);
        self.consider(Backend::Kprobe, enforcement(), &probe.kprobes);
    }

    fn keep_kprobes(&mut self) {
        let (kept, others) =
            self.tries.drain(..).partition::<Vec<_>, _>(|attempt| attempt.backend == Backend::Kprobe);
        self.tries = kept;
        for attempt in others {
            self.rule_out(attempt.backend, "it does not see the registers that `pt_regs` asks for");
        }
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
            Some(Enforcement::Registers) => (OVERRIDE_REGISTERS, 0),
            Some(Enforcement::DenyByLsm(hooks)) => (OVERRIDE_MARK, points.bits(hooks)?),
        })
    }
}

/// The dispatchers' slot of a system call.
pub(crate) fn syscall_slot(target: &Target) -> Option<u32> {
    match target {
        Target::Syscall { number, .. } => Some(*number),
        Target::CompatSyscall { number, .. } => Some(COMPAT_SLOT + number),
        _ => None,
    }
}

/// The way to attach one program for hooks on several functions or system calls, of which this is one; it cannot override.
pub(crate) fn plan_shared(target: &Target, probe: &Probe) -> Attempts {
    let mut attempts = Attempts::default();
    match target {
        Target::Function(_) => attempts.consider(Backend::KprobeMulti, None, &probe.many),
        _ => attempts.consider(Backend::SysEnter, None, &Ok(())),
    }
    attempts
}

#[cfg(test)]
mod tests {
    use serin_policy::{ActionPlan, HashedFile, ProgramOverride, ProgramPlace, SelectorPlan, Uprobe};

    use super::*;

    fn hook(target: Target, action: ActionPlan) -> HookPlan {
        HookPlan {
            target,
            arguments: Vec::new(),
            returns: None,
            return_action: None,
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
        let (trampolines, kprobes) = (result(trampolines), result(kprobes));
        Probe {
            trampolines,
            lsm: result(lsm),
            many: kprobes.clone(),
            kprobes,
            registers: result(true),
            sleepable: result(true),
            hashes: result(true),
        }
    }

    #[test]
    fn the_best_that_the_kernel_offers_comes_first() {
        let function = |name: &str| Target::Function(name.into());
        let deny = ActionPlan::Override(-1);
        let everything = offers(true, true, true);
        let nothing = offers(false, false, false);
        let cases: [(Target, ActionPlan, &Probe, &[&str]); 10] = [
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
            (function("security_file_open"), deny.clone(), &everything, &["lsm by LSM result"]),
            (Target::Lsm("file_open".into()), ActionPlan::Post, &everything, &["lsm"]),
            (Target::Lsm("file_open".into()), deny, &everything, &["lsm by LSM result"]),
        ];
        for (target, action, probe, expected) in cases {
            let plan = plan(&hook(target.clone(), action.clone()), probe, false, |_| true);
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
    fn programs_are_overridden_where_the_kernel_lets_their_registers_be_changed() {
        let place = ProgramPlace::Offset(1);
        let probe = Uprobe {
            path: "/p".into(),
            place: place.clone(),
            types: None,
            counter: 0,
            digests: [].into(),
            ignore_digests: false,
        };
        let override_it = ActionPlan::OverrideInProgram(ProgramOverride::Place(place));
        let hook = hook(Target::Uprobe(probe), override_it);
        let able = offers(true, true, true);
        let attempt = Attempt { backend: Backend::Uprobe, enforcement: Some(Enforcement::Registers) };
        assert_eq!(plan(&hook, &able, false, |_| true).tries, [attempt]);
        let unable = Probe { registers: Err("no".into()), ..able };
        let refused = plan(&hook, &unable, false, |_| true);
        assert_eq!((refused.tries, refused.ruled_out), (Vec::new(), vec![(Backend::Uprobe, "no".into())]));
    }

    #[test]
    fn files_are_hashed_where_the_kernel_measures_them() {
        let mut hook = hook(Target::Lsm("file_open".into()), ActionPlan::Post);
        hook.selectors[0].hash = Some(HashedFile::Itself);
        let able = offers(true, true, true);
        let attempt = Attempt { backend: Backend::Lsm, enforcement: None };
        assert_eq!(plan(&hook, &able, false, |_| true).tries, [attempt]);
        let unable = Probe { hashes: Err("no".into()), ..able };
        let refused = plan(&hook, &unable, false, |_| true);
        assert_eq!((refused.tries, refused.ruled_out), (Vec::new(), vec![(Backend::LsmHash, "no".into())]));
    }

    #[test]
    fn enforcers_refuse_where_a_call_begins_or_on_its_way() {
        let compat = || Target::CompatSyscall { name: "dup".into(), number: 41 };
        let (everything, no_lsm) = (offers(true, true, true), offers(true, false, true));
        let no_trampolines = offers(false, true, true);
        let (entry, way) = ("bpf_override_return", "deny by LSM (path_symlink)");
        let cases: [(Target, &Probe, bool, &[&str]); 7] = [
            (syscall("symlinkat"), &everything, false, &[entry, way]),
            (syscall("symlinkat"), &everything, true, &[way]),
            (syscall("symlinkat"), &no_lsm, true, &[]),
            (syscall("symlinkat"), &no_trampolines, false, &[entry]),
            (syscall("dup"), &everything, false, &[entry]),
            (compat(), &everything, false, &[entry]),
            (compat(), &everything, true, &[]),
        ];
        for (target, probe, late, expected) in cases {
            let Attempts { tries, ruled_out } = plan_enforced(&target, probe, late);
            let found: Vec<_> =
                tries.iter().flat_map(|attempt| &attempt.enforcement).map(ToString::to_string).collect();
            assert_eq!(found, expected, "{target:?}, late: {late}");
            assert_eq!(found.len() + ruled_out.len(), 2, "{target:?}, late: {late}: {ruled_out:?}");
        }
    }

    #[test]
    fn functions_are_hooked_together_where_the_kernel_can() {
        let function = Target::Function("vfs_read".into());
        let tries = |attempts: Attempts| attempts.tries.into_iter().map(|it| it.backend).collect::<Vec<_>>();
        let able = offers(true, true, true);
        assert_eq!(tries(plan_shared(&function, &able)), [Backend::KprobeMulti]);
        assert_eq!(tries(plan_shared_return(&function, &able)), [Backend::KretprobeMulti]);
        let unable = plan_shared(&function, &offers(true, true, false));
        assert_eq!(unable.ruled_out, [(Backend::KprobeMulti, "no".into())]);
        assert_eq!(tries(plan_shared(&syscall("dup"), &able)), [Backend::SysEnter]);
        assert_eq!(tries(plan_shared_return(&syscall("dup"), &able)), [Backend::SysExit]);
    }

    #[test]
    fn who_only_looks_leaves_overrides_alone() {
        let plan =
            plan(&hook(syscall("symlinkat"), ActionPlan::Post), &offers(true, true, true), true, |_| true);
        let found: Vec<_> = plan.tries.iter().map(|attempt| attempt.backend).collect();
        assert_eq!(found, [Backend::SysEnter]);
    }

    #[test]
    fn returns_are_waited_for_in_a_way_that_leaves_overrides_alone() {
        let (everything, nothing) = (offers(true, true, true), offers(false, false, false));
        let compat = Target::CompatSyscall { name: "dup".into(), number: 41 };
        let cases: [(Target, bool, &Probe, &[&str]); 5] = [
            (syscall("symlinkat"), false, &everything, &["fexit", "kretprobe", "sys_exit"]),
            (syscall("symlinkat"), false, &nothing, &["sys_exit"]),
            (syscall("symlinkat"), true, &everything, &["sys_exit"]),
            (compat, false, &everything, &["sys_exit"]),
            (Target::Function("fd_install".into()), false, &everything, &["fexit", "kretprobe"]),
        ];
        for (target, overridden, probe, expected) in cases {
            let plan = plan_return(&target, probe, overridden);
            let found: Vec<_> = plan.tries.iter().map(|attempt| attempt.backend.to_string()).collect();
            assert_eq!(found, expected, "{target:?}, overridden: {overridden}");
        }
    }

    #[test]
    fn what_is_ruled_out_has_a_reason() {
        let plan = plan(
            &hook(syscall("symlinkat"), ActionPlan::Override(-1)),
            &offers(true, false, false),
            true,
            |_| true,
        );
        assert_eq!(plan.ruled_out, [(Backend::Kprobe, "no".into()), (Backend::Lsm, "no".into())]);
    }
}
