//! Ways of attaching that defeat each other.
//!
//! `bpf_override_return` has a kprobe go on where the function's caller is. A trampoline (fentry, fexit) on the same
//! function undoes that, whichever was attached first, and other kprobes on it are not called any more. The
//! dispatchers see the call and its return in any case.
//!
//! Where a uretprobe is on a function of a program, the kernel has it return to elsewhere once the programs have run
//! (`prepare_uretprobe`): it writes over the top of the stack. If one of them has had the function return by then, that is its
//! caller's.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;

use serin_policy::{HookPlan, PolicyPlan, Target};

use crate::enforcers::refuses;
use crate::executable::ProgramFile;
use crate::lower::overrides;
use crate::target::function;
use crate::uprobe::CodePlace;

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

/// Where a hook in a program sets registers, or waits for the return: of two at one place only one can do either.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Diversion {
    /// Device, inode and offset.
    places: Vec<(u64, u64, u64)>,
    sets_registers: bool,
}

impl Diversion {
    /// That of a hook at these places of its file, which may have been opened.
    pub(crate) fn of(hook: &HookPlan, places: &[CodePlace], file: Option<&ProgramFile>) -> Self {
        let Target::Uprobe(probe) = &hook.target else { return Self::default() };
        let sets_registers = overrides(hook);
        let file = file.map_or_else(|| std::fs::metadata(&probe.path), ProgramFile::metadata).ok();
        let file = file.filter(|_| sets_registers || hook.returns.is_some());
        let place = |file: std::fs::Metadata| {
            places.iter().map(move |place| (file.dev(), file.ino(), place.offset)).collect()
        };
        Self { places: file.map(place).unwrap_or_default(), sets_registers }
    }

    /// Whether the other cannot be beside it.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        self.sets_registers != other.sets_registers
            && self.places.iter().any(|place| other.places.contains(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sets_registers_and_who_waits_exclude_each_other_at_a_place() {
        let at = |offset, sets_registers| Diversion { places: vec![(1, 2, offset)], sets_registers };
        for (one, other, expected) in [
            (at(7, true), at(7, false), true),
            (at(7, false), at(7, true), true),
            (at(7, true), at(7, true), false),
            (at(7, false), at(7, false), false),
            (at(7, true), at(8, false), false),
            (at(7, true), Diversion::default(), false),
        ] {
            assert_eq!(one.excludes(&other), expected, "{one:?} {other:?}");
        }
    }
}
