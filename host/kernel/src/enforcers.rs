//! Enforcers: the calls that `NotifyEnforcer` has refused.
//!
//! Who notifies an enforcer marks the task, as `Override` does where the kernel has no error injection, if the system call that
//! is under way is one of these. What refuses marked tasks stands where each of the calls begins (`bpf_override_return`), or at
//! the LSM hooks that the call must pass. An enforcer can also name such a hook itself, by the function that asks it
//! (`security_…`): then any system call is marked, and refused if it comes by.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use aya::Ebpf;
use aya::programs::KProbe;
use serin_abi::{ANY_CALL, ENTRY_POINT, EnforcedCall as Key, MAX_ENFORCED};
use serin_policy::{EnforcedCall, HookPlan, PolicyPlan, Target};

use crate::attach::{self, Attempt, Attempts};
use crate::deny::{ALL_CALLS, LsmHook, MAX_POINTS, POINT_BITS};
use crate::error::chain;
use crate::link::Link;
use crate::lower::notification;
use crate::programs::{Loader, Object, map_error, program, program_error};
use crate::wire::Wire;
use crate::{AttemptError, Enforcement, Kernel, KernelError, Way, target};

/// System calls that an enforcer refuses in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedCalls {
    /// Their functions, e.g. `__x64_sys_dup`.
    pub functions: Vec<String>,
    /// How they are refused; `None` if no notification asks for that, but only for a signal.
    pub enforcement: Option<Enforcement>,
}

/// An enforcer that is attached.
pub(crate) struct Enforcer {
    id: u32,
    /// The ids of its policy's hooks. It goes with the last of them.
    hooks: Range<u32>,
    slots: Vec<u32>,
    links: Vec<Link>,
    /// The program that refuses where calls begin, while it is being attached.
    entry: Option<Ebpf>,
    /// Functions that are refused where they begin.
    overridden: Vec<String>,
    /// The LSM hooks that must be held for it to refuse.
    pub(crate) held: Vec<LsmHook>,
    /// Functions that marks are cleared after, by trampolines.
    pub(crate) cleared: Vec<String>,
}

/// Whether a policy's enforcers make calls fail, and do not only send signals.
pub(crate) fn refuses(policy: &PolicyPlan) -> bool {
    policy.hooks.iter().any(notifies_of_error)
}

fn notifications(hook: &HookPlan) -> impl Iterator<Item = (i32, u32)> {
    hook.selectors.iter().flat_map(|selector| &selector.actions).filter_map(notification)
}

fn notifies_of_error(hook: &HookPlan) -> bool {
    notifications(hook).any(|(error, _)| error != 0)
}

/// Whether a hook notifies of an error when a call may be past its beginning. Where enforcers refuse a call at its beginning,
/// hooks on the call itself are called by the dispatcher, which comes first.
fn is_late(hook: &HookPlan) -> bool {
    let begins = match &hook.target {
        Target::Syscall { .. } | Target::CompatSyscall { .. } => true,
        Target::Tracepoint(event) | Target::RawTracepoint(event) => {
            event.name == "sys_enter" || event.name.starts_with("sys_enter_")
        }
        _ => false,
    };
    !begins && notifies_of_error(hook)
}

impl Enforcer {
    pub(crate) fn into_links(self) -> Vec<Link> {
        self.links
    }
}

impl Kernel {
    /// The number by which hooks of a policy notify its enforcer, if its first hook has this id.
    pub(crate) fn enforcer_id(policy: &PolicyPlan, first_hook: u32) -> u32 {
        if policy.enforced.is_empty() { 0 } else { first_hook + 1 }
    }

    /// Attaches what refuses the calls of a policy's enforcers. It is kept even if that fails, to be detached with the
    /// policy's hooks.
    pub(crate) fn attach_enforcer(
        &mut self,
        loader: &mut Loader<'_>,
        policy: &PolicyPlan,
        hooks: Range<u32>,
    ) -> Result<Vec<LoadedCalls>, KernelError> {
        if policy.enforced.is_empty() || !policy.hooks.iter().any(|hook| notifications(hook).next().is_some())
        {
            return Ok(Vec::new());
        }
        let mut enforcer = Enforcer {
            id: Self::enforcer_id(policy, hooks.start),
            hooks,
            slots: Vec::new(),
            links: Vec::new(),
            entry: None,
            overridden: Vec::new(),
            held: Vec::new(),
            cleared: Vec::new(),
        };
        let attached = self.attach_calls(loader, policy, &mut enforcer);
        // The program is held by its links.
        enforcer.entry = None;
        self.enforcers.push(enforcer);
        attached
    }

    fn attach_calls(
        &mut self,
        loader: &mut Loader<'_>,
        policy: &PolicyPlan,
        enforcer: &mut Enforcer,
    ) -> Result<Vec<LoadedCalls>, KernelError> {
        let mut loaded: Vec<LoadedCalls> = Vec::new();
        // Functions first: a call that stands beside them is refused there as well.
        let (functions, calls): (Vec<_>, Vec<_>) =
            policy.enforced.iter().partition(|call| matches!(call.target, Target::Function(_)));
        let mut on_the_way = 0;
        for call in functions.into_iter().chain(calls) {
            let function = self.function_of_call(&call.target);
            if call.ignore_not_found && self.types.function(&function).is_none() {
                continue;
            }
            let (enforcement, points) = if refuses(policy) {
                let (enforcement, points) = self.attach_call(loader, policy, call, &function, enforcer)?;
                (Some(enforcement), points)
            } else {
                (None, 0)
            };
            let points = points | on_the_way;
            match attach::syscall_slot(&call.target) {
                Some(slot) => self.list_call(enforcer, slot, points)?,
                None => on_the_way = points,
            }
            match loaded.iter_mut().find(|calls| calls.enforcement == enforcement) {
                Some(calls) => calls.functions.push(function),
                None => loaded.push(LoadedCalls { functions: vec![function], enforcement }),
            }
        }
        if policy.enforced.iter().any(|call| matches!(call.target, Target::Function(_))) {
            self.list_call(enforcer, ANY_CALL, on_the_way)?;
        }
        Ok(loaded)
    }

    /// Has the programs that notify the enforcer find a call.
    fn list_call(&mut self, enforcer: &mut Enforcer, slot: u32, points: u64) -> Result<(), KernelError> {
        let key = Wire(Key { enforcer: enforcer.id, call: slot });
        self.enforced.insert(key, points, 0).map_err(|error| match error {
            aya::maps::MapError::SyscallError(_) => KernelError::TooManyEnforced(MAX_ENFORCED),
            error => map_error("ENFORCED", error),
        })?;
        enforcer.slots.push(slot);
        Ok(())
    }

    /// Attaches what refuses one call; how, and the points of its marks.
    fn attach_call(
        &mut self,
        loader: &mut Loader<'_>,
        policy: &PolicyPlan,
        call: &EnforcedCall,
        function: &str,
        enforcer: &mut Enforcer,
    ) -> Result<(Enforcement, u64), KernelError> {
        let Attempts { tries, ruled_out } = self.plan_call(policy, call);
        let mut failed: Vec<_> =
            ruled_out.into_iter().map(|(backend, reason)| AttemptError { backend, reason }).collect();
        for Attempt { backend, enforcement } in tries {
            let Some(enforcement) = enforcement else { continue };
            let attached = match &enforcement {
                Enforcement::DenyByLsm(hooks) if matches!(call.target, Target::Function(_)) => {
                    self.refuse_on_the_way(loader, hooks, enforcer)
                }
                Enforcement::DenyByLsm(hooks) => self.refuse_by_lsm(loader, function, hooks, enforcer),
                _ => self.refuse_entry(loader, function, enforcer),
            };
            match attached {
                Ok(points) => return Ok((enforcement, points)),
                Err(error) => {
                    failed.push(AttemptError { backend, reason: format!("{enforcement}: {}", chain(&error)) })
                }
            }
        }
        Err(KernelError::Unattachable {
            policy: policy.name.clone(),
            hook: function.into(),
            line: call.position.0,
            column: call.position.1,
            what: "refused",
            attempts: failed,
        })
    }

    fn plan_call(&self, policy: &PolicyPlan, call: &EnforcedCall) -> Attempts {
        attach::plan_enforced(&call.target, &self.probe, policy.hooks.iter().any(is_late))
    }

    fn refuse_entry(
        &mut self,
        loader: &mut Loader<'_>,
        function: &str,
        enforcer: &mut Enforcer,
    ) -> Result<u64, KernelError> {
        const ENTRY: &u64 = &POINT_BITS[MAX_POINTS];
        const { assert!(*ENTRY == ENTRY_POINT) };
        if self.conflicts.has_trampoline(function) {
            return Err(KernelError::OverrideDefeated);
        }
        let failed = |error| program_error("enforce", error);
        let ebpf = match &mut enforcer.entry {
            Some(ebpf) => ebpf,
            None => {
                let mut ebpf = loader.global("POINT", ENTRY).load(Object::Deny)?;
                let enforce: &mut KProbe = program(&mut ebpf, "enforce")?;
                enforce.load().map_err(failed)?;
                enforcer.entry.insert(ebpf)
            }
        };
        let enforce: &mut KProbe = program(ebpf, "enforce")?;
        let link = enforce.attach(function, 0).and_then(|link| Link::new(enforce.take_link(link)?));
        let pin = format!("enforcer-{}-{}", enforcer.id, enforcer.links.len());
        enforcer.links.push(self.pins.keep(&pin, link.map_err(failed)?)?);
        enforcer.overridden.push(function.into());
        Ok(*ENTRY)
    }

    fn refuse_by_lsm(
        &mut self,
        loader: &mut Loader<'_>,
        function: &str,
        hooks: &[LsmHook],
        enforcer: &mut Enforcer,
    ) -> Result<u64, KernelError> {
        if self.is_refused_at_entry(function) {
            return Err(KernelError::WouldDefeatOverride);
        }
        let points = self.refuse_at(loader, hooks, enforcer)?;
        let btf = Arc::clone(&self.btf);
        self.deniers.clear_after(loader, (&btf, &self.pins), function)?;
        enforcer.cleared.push(function.into());
        self.conflicts.has_trampoline_now(function);
        Ok(points)
    }

    /// Has any call refused that asks these hooks; the points of its marks.
    fn refuse_on_the_way(
        &mut self,
        loader: &mut Loader<'_>,
        hooks: &[LsmHook],
        enforcer: &mut Enforcer,
    ) -> Result<u64, KernelError> {
        let btf = Arc::clone(&self.btf);
        self.deniers.clear_after_all(loader, (&btf, &self.pins))?;
        enforcer.cleared.push(ALL_CALLS.into());
        self.refuse_at(loader, hooks, enforcer)
    }

    /// Attaches what refuses at these hooks; their points.
    fn refuse_at(
        &mut self,
        loader: &mut Loader<'_>,
        hooks: &[LsmHook],
        enforcer: &mut Enforcer,
    ) -> Result<u64, KernelError> {
        let btf = Arc::clone(&self.btf);
        enforcer.held.extend_from_slice(hooks);
        self.deniers.hold_all(loader, (&btf, &self.pins), hooks)
    }

    /// Whether `bpf_override_return` is in use on a function, which a trampoline would defeat.
    fn is_refused_at_entry(&self, function: &str) -> bool {
        let by_hooks = self.hooks.iter().any(|hook| hook.overrides_return && hook.function == function);
        let mut overridden = self.enforcers.iter().flat_map(|enforcer| &enforcer.overridden);
        by_hooks || overridden.any(|other| other == function)
    }

    /// The function that runs a call. Those of 32-bit programs have one of their own if their arguments are laid out otherwise.
    fn function_of_call(&self, target: &Target) -> String {
        if let Target::CompatSyscall { name, .. } = target {
            let function = format!("__ia32_compat_sys_{name}");
            if self.types.function(&function).is_some() {
                return function;
            }
        }
        target::function(target)
    }

    /// Takes out the enforcers whose hooks have all gone.
    pub(crate) fn detach_enforcers(&mut self) -> Result<(), KernelError> {
        let there = |enforcer: &Enforcer| self.hooks.iter().any(|hook| enforcer.hooks.contains(&hook.id));
        let (staying, going): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.enforcers).into_iter().partition(there);
        self.enforcers = staying;
        for Enforcer { id, slots, .. } in going {
            for call in slots {
                let removed = self.enforced.remove(&Wire(Key { enforcer: id, call }));
                removed.map_err(|error| map_error("ENFORCED", error))?;
            }
        }
        Ok(())
    }

    /// How each call of a policy's enforcers would be refused on this kernel, by its function, as [`Kernel::ways`] tells it
    /// of hooks; nothing if no hook asks for that.
    #[must_use]
    pub fn ways_of_enforcers(&self, policy: &PolicyPlan) -> Vec<(String, Result<Way, Vec<AttemptError>>)> {
        let mut ways = BTreeMap::new();
        for call in policy.enforced.iter().filter(|_| refuses(policy)) {
            ways.insert(self.function_of_call(&call.target), self.plan_call(policy, call).best());
        }
        ways.into_iter().collect()
    }
}
