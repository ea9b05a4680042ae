//! Hooks about to be attached.

use std::cell::OnceCell;
use std::ops;
use std::sync::Arc;

use serin_abi::NO_FIELD;
use serin_abi::config::{Assignment, HASHED_ALONE, HookConfig, MAX_ASSIGNMENTS, OPERAND_MEMORY};
use serin_btf::{Format, Tracefs};
use serin_policy::{HookPlan, PlaceError, PolicyPlan, Target};

use crate::attach::{self, Attempt};
use crate::digests::{self, Programs};
use crate::executable::ProgramFile;
use crate::lower::{Lowered, OfTarget, follows, leads_to_memory, lower};
use crate::uprobe::CodePlace;
use crate::wire::Wire;
use crate::{Backend, Kernel, KernelError, identity, target, usdt};

/// A hook about to be attached, or several that share a program.
pub(super) struct Prepared<'p> {
    pub(super) policy: &'p str,
    /// The policy as a whole.
    of: &'p PolicyPlan,
    /// Where the hooks stand in their policy. Their ids are as many from that of `lowered` on.
    pub(super) indices: ops::Range<usize>,
    /// The first; the others differ from it only in their targets.
    pub(super) plan: &'p HookPlan,
    pub(super) targets: Vec<&'p Target>,
    pub(super) lowered: Lowered,
    /// What `Override` sets in a program.
    pub(super) assignments: Wire<[Assignment; MAX_ASSIGNMENTS]>,
    /// Where it is in a program's file.
    pub(super) places: Vec<CodePlace>,
    /// That file, if it was opened to be verified.
    pub(super) file: Option<Arc<ProgramFile>>,
    pub(super) tries: Vec<(Attempt, OnceCell<Wire<HookConfig>>)>,
    pub(super) ruled_out: Vec<(Backend, String)>,
    /// Those that are attached in its stead, if it could not be.
    pub(super) parts: OnceCell<Vec<Prepared<'p>>>,
}

impl Kernel {
    /// Lowers a hook, and finds the ways of attaching it.
    pub(super) fn prepare<'p>(
        &self,
        policy: &'p PolicyPlan,
        indices: ops::Range<usize>,
        id: u32,
        programs: &Programs<'p>,
    ) -> Result<Prepared<'p>, KernelError> {
        let of = policy;
        let (plan, policy, hooks) = (&of.hooks[indices.start], &of.name, &of.hooks[indices.clone()]);
        let targets: Vec<_> = hooks.iter().map(|hook| &hook.target).collect();
        self.check_namespaces(policy, plan)?;
        self.check_room(policy, plan)?;
        let file = programs.file(policy, plan)?;
        let types = OfTarget { kernel: &self.types, program: file.as_deref() };
        let format = format(plan)?;
        let mut lowered = lower(plan, id, (&self.binaries, &self.workloads.scopes), format.as_ref(), &types)
            .map_err(|limit| KernelError::Limit {
                policy: policy.into(),
                hook: target::function(&plan.target),
                limit,
            })?;
        lowered.config.shared = u32::from(targets.len() > 1);
        // What the kernel calls before a program that may sleep, which it may start on a CPU where it is under way.
        if lowered.config.hashed != 0 && self.types.function_id("__bpf_prog_enter_sleepable_recur").is_none()
        {
            lowered.config.hashed |= HASHED_ALONE;
        }
        let attempts = if targets.len() > 1 {
            attach::plan_shared(&plan.target, &self.probe)
        } else {
            let overridden = self.conflicts.is_overridden(&target::function(&plan.target));
            attach::plan(plan, &self.probe, overridden, |lsm| self.lsm_hook_matches(lsm))
        };
        let tries = attempts.tries.into_iter().map(|attempt| (attempt, OnceCell::new())).collect();
        let places = match &plan.target {
            Target::Uprobe(probe) => vec![digests::place_of(probe, file.as_deref())?],
            _ => Vec::new(),
        };
        let ruled_out = attempts.ruled_out;
        let assignments = Wire(lowered.all_assignments());
        Ok(Prepared {
            policy,
            of,
            indices,
            plan,
            targets,
            lowered,
            assignments,
            places,
            file,
            tries,
            ruled_out,
            parts: OnceCell::new(),
        })
    }

    /// Hooks that could not be attached together, in groups of at most as many as are given.
    pub(super) fn divide<'p>(
        &self,
        hook: &Prepared<'p>,
        together: usize,
    ) -> Result<Vec<Prepared<'p>>, KernelError> {
        let part = |start: usize| {
            let indices = start..hook.indices.end.min(start + together);
            let id = hook.lowered.config.hook + (start - hook.indices.start) as u32;
            let mut part = self.prepare(hook.of, indices, id, &Programs::default())?;
            part.lowered.config.enforcer = hook.lowered.config.enforcer;
            Ok(part)
        };
        hook.indices.clone().step_by(together).map(part).collect()
    }

    fn check_namespaces(&self, policy: &str, plan: &HookPlan) -> Result<(), KernelError> {
        let mut kinds = plan.selectors.iter().flat_map(identity::kinds);
        let missing = kinds.find(|&kind| self.offsets.0.inum[kind as usize] == NO_FIELD);
        let Some(kind) = missing else { return Ok(()) };
        let limit = format!("this kernel has no namespaces of the kind `{kind:?}`");
        Err(KernelError::Limit { policy: policy.into(), hook: target::function(&plan.target), limit })
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
        Err(KernelError::Limit { policy: policy.into(), hook: target::function(&plan.target), limit })
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
}

impl Prepared<'_> {
    /// The hook; one on a USDT probe once for each way in which its places pass their arguments, under the same id.
    pub(super) fn by_arguments(self) -> Result<Vec<Self>, KernelError> {
        let Target::Usdt(probe) = &self.plan.target else { return Ok(vec![self]) };
        let sites = usdt::find_sites(probe).map_err(|error| match error {
            PlaceError::Program(reason) | PlaceError::Digests(reason) => KernelError::Executable(reason),
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
                        of: self.of,
                        indices: self.indices.clone(),
                        plan: self.plan,
                        targets: self.targets.clone(),
                        lowered,
                        assignments: self.assignments,
                        places: vec![place],
                        file: None,
                        tries,
                        ruled_out: self.ruled_out.clone(),
                        parts: OnceCell::new(),
                    });
                }
            }
        }
        Ok(hooks)
    }

    /// Whether something is done, or at times must be decided, when what it hooks returns.
    pub(super) fn waits_for_return(&self) -> bool {
        self.plan.returns.is_some() || self.lowered.config.late != 0
    }

    /// Whether an argument lies in memory, and not in what is passed.
    pub(super) fn reads_memory(&self) -> bool {
        self.plan.arguments.iter().any(leads_to_memory)
            || self.lowered.config.operands.iter().any(|operand| operand.kind == OPERAND_MEMORY)
    }

    /// Whether one program is on several functions.
    pub(super) fn is_on_functions(&self) -> bool {
        self.targets.len() > 1 && matches!(self.plan.target, Target::Function(_))
    }

    /// The slots of the system calls that it hooks.
    pub(super) fn slots(&self) -> impl Iterator<Item = u32> {
        self.targets.iter().filter_map(|target| attach::syscall_slot(target))
    }
}

/// The format of a hook's record, if it is on a tracepoint that has one. Policies that name others are refused when they
/// are checked.
fn format(plan: &HookPlan) -> Result<Option<Format>, KernelError> {
    let Target::Tracepoint(event) = &plan.target else { return Ok(None) };
    Ok(Tracefs::open()?.format(&event.subsystem, &event.name)?)
}
