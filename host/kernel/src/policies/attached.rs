//! Hooks, attached in the first way that works.

use std::cell::OnceCell;
use std::error::Error;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use aya::maps::{Array, HashMap};
use aya::programs::{BtfTracePoint, ProgramFd};
use aya::{Btf, Ebpf};
use serin_abi::config::HookConfig;
use serin_abi::{HookCounters, Member, Range, SelectorCounters, Sharer, Text};
use serin_policy::Target;

use super::LoadedHook;
use super::prepared::Prepared;
use super::together::Instance;
use crate::attach::{self, Attempt, Attempts};
use crate::bpffs::PinDirectory;
use crate::code::Code;
use crate::conflict::Diversion;
use crate::counters::{Counters, HOOK_COUNTERS, SELECTOR_COUNTERS};
use crate::deny::{LsmHook, MAX_POINTS};
use crate::error::chain;
use crate::kprobe_multi::Moment;
use crate::link::{self, Link};
use crate::lower::{Lowered, overrides};
use crate::memory::Memory;
use crate::programs::{Loader, Object, map, map_error, program, program_error};
use crate::text::text;
use crate::wire::Wire;
use crate::{AttemptError, Backend, Enforcement, Kernel, KernelError, target};

/// A hook that is attached.
pub(crate) struct Attached {
    /// The first of the ids of its hooks.
    pub(crate) id: u32,
    pub(crate) returns: Option<Backend>,
    /// What keeps its programs attached, but for those that a dispatcher calls.
    pub(super) links: Vec<Link>,
    /// What it takes of the kernel's memory.
    pub(crate) memory: Memory,
    pub(super) counters: Counters<HookCounters>,
    pub(super) selectors: Counters<SelectorCounters>,
    /// Its places on the dispatchers.
    pub(crate) dispatched: Dispatched,
    /// The LSM hooks that must be held for it to refuse.
    pub(crate) held: Vec<LsmHook>,
    pub(crate) function: String,
    /// It is on the function by a trampoline.
    pub(crate) has_trampoline: bool,
    /// It is in a program.
    pub(crate) is_in_program: bool,
    /// It may do something to processes or their calls.
    pub(crate) enforces: bool,
    /// It overrides by `bpf_override_return`.
    pub(crate) overrides_return: bool,
    /// Where in programs it sets registers, or waits for the return.
    pub(crate) diversion: Diversion,
}

/// Where the dispatchers call a program: slots of system calls, each with the program's own slot in that call's chain.
#[derive(Debug, Default)]
pub(crate) struct Dispatched {
    pub(crate) calls: Vec<(u32, u32)>,
    pub(crate) returns: Vec<(u32, u32)>,
}

impl Kernel {
    /// Tries the ways of attaching a hook in turn; none are attached if its function may be missing and is.
    pub(super) fn attach_prepared<'l>(
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
                        function: target::function(target),
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
        if hook.is_on_functions() {
            return self.attach_parts(loader, hook, &failed);
        }
        let function = target::function(&hook.plan.target);
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
        let function = target::function(&hook.plan.target);
        let btf = Arc::clone(&self.btf);
        if attempt.enforcement == Some(Enforcement::OverrideReturn)
            && self.conflicts.has_trampoline(&function)
        {
            return Err(KernelError::OverrideDefeated);
        }
        if let Some(Enforcement::DenyByLsm(hooks)) = &attempt.enforcement {
            self.deniers.hold_all(loader, (&btf, &self.pins), hooks)?;
            self.deniers.clear_after(loader, (&btf, &self.pins), &function)?;
        }
        let diversion = Diversion::of(hook.plan, &hook.places, hook.file.as_deref());
        if self.hooks.iter().any(|other| other.diversion.excludes(&diversion)) {
            return Err(KernelError::Diverted);
        }
        let configured = self.configure(hook, attempt)?;
        let sharers = self.sharers(hook)?;
        let lowered = &hook.lowered;
        let mut ebpf = loader
            .global("HOOK_CONFIG", config.get_or_init(|| Wire(configured)))
            .global("ASSIGNMENTS", &hook.assignments)
            .entries("MEMBERS", lowered.members.len())
            .entries("TEXTS", lowered.texts.len())
            .entries("RANGES", lowered.ranges.len())
            .entries("SHARERS", sharers.len())
            .entries("RATES", lowered.rates())
            .entries(HOOK_COUNTERS, hook.targets.len())
            .entries(SELECTOR_COUNTERS, lowered.config.selector_count as usize)
            .load(Object::Hook(attempt.backend))?;
        fill(&mut ebpf, lowered, &sharers)?;
        let code = match attempt.backend {
            Backend::KprobeMulti => Some(Code::of(&ebpf, Object::Hook(attempt.backend))?),
            _ => None,
        };
        let mut instance = Instance { ebpf, code };
        let mut attached = Attached {
            id: lowered.config.hook,
            returns: None,
            links: Vec::new(),
            memory: Memory::of_maps(&instance.ebpf, self.pins.path())?,
            counters: Counters::take(&mut instance.ebpf, HOOK_COUNTERS)?,
            selectors: Counters::take(&mut instance.ebpf, SELECTOR_COUNTERS)?,
            dispatched: Dispatched::default(),
            held: match &attempt.enforcement {
                Some(Enforcement::DenyByLsm(hooks)) => hooks.clone(),
                _ => Vec::new(),
            },
            function,
            has_trampoline: false,
            is_in_program: !hook.places.is_empty(),
            overrides_return: attempt.enforcement == Some(Enforcement::OverrideReturn),
            diversion,
            enforces: hook.plan.enforces(),
        };
        if let Err(error) = self.attach_programs(hook, attempt.backend, &mut instance, &mut attached) {
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
        instance: &mut Instance,
        attached: &mut Attached,
    ) -> Result<(), KernelError> {
        // First, so that no call is kept whose return goes unnoticed.
        attached.returns = self.attach_return(hook, instance, attached)?;
        if hook.lowered.config.hashed != 0 {
            attached.attach(instance, Backend::LsmHash, hook, (&self.btf, &self.pins))?;
            attached.returns = Some(Backend::LsmHash);
        }
        attached.attach(instance, backend, hook, (&self.btf, &self.pins))?;
        if backend == Backend::Uprobe && self.probe.sleepable.is_ok() && hook.reads_memory() {
            attached.attach(instance, Backend::UprobeFaultIn, hook, (&self.btf, &self.pins))?;
        }
        if backend == Backend::SysEnter {
            let program = fd_of(&mut instance.ebpf, backend)?;
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
        instance: &mut Instance,
        attached: &mut Attached,
    ) -> Result<Option<Backend>, KernelError> {
        if !hook.waits_for_return() {
            return Ok(None);
        }
        let Attempts { tries, ruled_out } = if hook.targets.len() > 1 {
            attach::plan_shared_return(&hook.plan.target, &self.probe)
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
            match attached.attach(instance, backend, hook, (&self.btf, &self.pins)) {
                Ok(()) => {
                    if backend == Backend::SysExit {
                        let program = fd_of(&mut instance.ebpf, backend)?;
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
            hook: target::function(&hook.plan.target),
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
        if let (true, Some(slot)) = (hook.waits_for_return(), hook.slots().next()) {
            config.next_return = self.return_dispatcher.next(slot).map_err(limit)?;
        }
        Ok(config)
    }

    /// The hooks that share a program, by the slots of their calls; none if it has but one.
    fn sharers(&self, hook: &Prepared<'_>) -> Result<Vec<(u32, Sharer)>, KernelError> {
        if hook.targets.len() < 2 || hook.is_on_functions() {
            return Ok(Vec::new());
        }
        let returns = hook.waits_for_return();
        let sharer = |(id, slot): (u32, u32)| {
            let next = self.dispatcher.next(slot)?;
            let next_return = if returns { self.return_dispatcher.next(slot)? } else { 0 };
            Ok((slot, Sharer { hook: id, next, next_return, reserved: 0 }))
        };
        let sharers = (hook.lowered.config.hook..).zip(hook.slots()).map(sharer);
        sharers.collect::<Result<_, String>>().map_err(|limit| KernelError::Limit {
            policy: hook.policy.into(),
            hook: target::function(&hook.plan.target),
            limit,
        })
    }
}

impl Attached {
    /// What keeps its programs attached, which nothing does any more when that is dropped.
    pub(crate) fn take_links(&mut self) -> Vec<Link> {
        std::mem::take(&mut self.links)
    }

    /// Attaches one of the hook's programs.
    fn attach(
        &mut self,
        instance: &mut Instance,
        backend: Backend,
        hook: &Prepared<'_>,
        (btf, pins): (&Btf, &PinDirectory),
    ) -> Result<(), KernelError> {
        let name = link::program_name(backend);
        let links = match backend {
            Backend::KprobeMulti => vec![self.attach_to_many(instance, name, hook, Moment::Entry)?],
            Backend::KretprobeMulti => vec![self.attach_to_many(instance, name, hook, Moment::Return)?],
            _ => {
                let ebpf = &mut instance.ebpf;
                let links = link::attach(
                    ebpf,
                    backend,
                    &hook.plan.target,
                    (&hook.places, hook.file.as_deref()),
                    btf,
                )?;
                let program = ebpf.program(name).ok_or(KernelError::Missing(name))?;
                let descriptor = program.fd().map_err(|error| program_error(name, error))?;
                self.memory.add(descriptor.as_fd())?;
                links
            }
        };
        // Of a probe whose arguments are passed in several ways, each has a program, under the same id.
        let place = hook.places.first().map_or(0, |place| place.offset);
        for link in links {
            let pin = format!("{}-{name}-{place:x}-{}", self.id, self.links.len());
            let link = if self.enforces { pins.keep(&pin, link)? } else { link };
            self.links.push(link);
        }
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
    let mut reason = chain(error);
    // Since a place that is no instruction can be named: `perf_uprobe_event_init` in kernel/events/core.c.
    if attempt.backend == Backend::Uprobe && is_denied(error) {
        reason.push_str("; on this kernel probes of programs take CAP_SYS_ADMIN");
    }
    match &attempt.enforcement {
        Some(enforcement) => format!("{enforcement}: {reason}"),
        None => reason,
    }
}

/// Whether the kernel has refused it for want of a capability.
fn is_denied(error: &KernelError) -> bool {
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
            return true;
        }
        next = error.source();
    }
    false
}
