//! Taking hooks out of the kernel, and what they hold there.

use std::collections::BTreeSet;

use crate::policies::{Attached, Dispatched};
use crate::{Kernel, KernelError};

impl Kernel {
    /// Detaches hooks, and all that nothing else needs any more. Their last records may still come.
    ///
    /// # Errors
    /// If the dispatcher's table can't be written. The hooks are gone all the same.
    pub fn detach_hooks(&mut self, ids: &[u32]) -> Result<(), KernelError> {
        self.detach(|id| ids.contains(&id))
    }

    pub(crate) fn detach(&mut self, goes: impl Fn(u32) -> bool) -> Result<(), KernelError> {
        let (mut going, staying): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.hooks).into_iter().partition(|hook| goes(hook.id));
        self.hooks = staying;
        let removed: Vec<_> = going.iter().map(|hook| self.remove_dispatched(&hook.dispatched)).collect();
        let in_programs = going.iter_mut().filter(|hook| hook.is_in_program);
        self.detacher.detach(in_programs.flat_map(Attached::take_links).collect());
        let waited = going.iter().any(|hook| hook.returns.is_some());
        drop(going);
        self.loaders.detach(&goes);
        self.detach_enforcers()?;
        let held_by_hooks = self.hooks.iter().flat_map(|hook| &hook.held);
        let held_by_enforcers = self.enforcers.iter().flat_map(|enforcer| &enforcer.held);
        let held: BTreeSet<_> = held_by_hooks.chain(held_by_enforcers).map(AsRef::as_ref).collect();
        let marking = self.hooks.iter().filter(|hook| !hook.held.is_empty());
        let cleared = self.enforcers.iter().flat_map(|enforcer| &enforcer.cleared).map(String::as_str);
        let marked: BTreeSet<_> = marking.map(|hook| hook.function.as_str()).chain(cleared.clone()).collect();
        self.deniers.retain(|hook| held.contains(hook), |function| marked.contains(function));
        let trampolines = self.hooks.iter().filter(|hook| hook.has_trampoline);
        let trampolines = trampolines.map(|hook| hook.function.as_str()).chain(cleared);
        self.conflicts.retain_trampolines(&trampolines.collect());
        self.detach_dispatchers()?;
        if waited {
            self.forget_calls_of(&goes)?;
        }
        removed.into_iter().collect()
    }

    /// Takes a program out of the dispatchers' tables: calls first, so that no call is kept whose return goes unnoticed.
    pub(crate) fn remove_dispatched(&mut self, dispatched: &Dispatched) -> Result<(), KernelError> {
        let calls: Vec<_> =
            dispatched.calls.iter().map(|&(call, slot)| self.dispatcher.remove(call, slot)).collect();
        let returns: Vec<_> = dispatched
            .returns
            .iter()
            .map(|&(call, slot)| self.return_dispatcher.remove(call, slot))
            .collect();
        calls.into_iter().chain(returns).collect()
    }

    /// Bytes of kernel memory that hooks have for themselves: their programs and maps.
    #[must_use]
    pub fn memory(&self, ids: &[u32]) -> u64 {
        self.hooks.iter().filter(|hook| ids.contains(&hook.id)).map(|hook| hook.memory.bytes()).sum()
    }
}
