//! Which hooks of a policy share a program.

use std::ops::Range;

use serin_policy::{ArgumentSource, HookPlan, PolicyPlan, Stacks, Target};

use crate::conflict::Conflicts;
use crate::lower::overrides;
use crate::{Kernel, attach, target};

impl Kernel {
    /// The hooks of a policy in groups that share a program.
    pub(crate) fn sharing(&self, policy: &PolicyPlan, conflicts: &Conflicts) -> Vec<Range<usize>> {
        let many = |hook: &HookPlan| {
            self.probe.many.is_ok()
                && !policy.one_by_one
                && !conflicts.is_overridden(&target::function(&hook.target))
        };
        groups(&policy.hooks, many)
    }
}

/// Hooks in groups that share a program: those that an entry with a list of system calls or functions stands for, unless
/// they override, or types say where their arguments are. `many` says whether a function may be hooked with others.
fn groups(hooks: &[HookPlan], many: impl Fn(&HookPlan) -> bool) -> Vec<Range<usize>> {
    let share = |one: &HookPlan, other: &HookPlan| {
        one.position == other.position
            && !overrides(one)
            && one.arguments.iter().all(|argument| argument.resolve.is_none())
            && (share_calls(one, other) || share_functions(one, other) && many(one) && many(other))
    };
    let mut start = 0;
    let range = |group: &[HookPlan]| {
        start += group.len();
        start - group.len()..start
    };
    hooks.chunk_by(share).map(range).collect()
}

/// Whether a dispatcher can call one program for the system calls of both.
fn share_calls(one: &HookPlan, other: &HookPlan) -> bool {
    attach::syscall_slot(&one.target).is_some()
        && std::mem::discriminant(&one.target) == std::mem::discriminant(&other.target)
        && one.returns == other.returns
}

/// Whether one program can be on the functions of both: what it does is the same, and takes no way of its own. Only
/// breakpoints see all registers, and some kernels lose the stack on the way.
fn share_functions(one: &HookPlan, other: &HookPlan) -> bool {
    let reads_registers = one.arguments.iter().any(|it| matches!(it.source, ArgumentSource::Register(_)));
    matches!((&one.target, &other.target), (Target::Function(_), Target::Function(_)))
        && one.target != other.target
        && one.arguments == other.arguments
        && one.returns == other.returns
        && one.return_action == other.return_action
        && one.selectors == other.selectors
        && one.ignore_not_found == other.ignore_not_found
        && !reads_registers
        && one.selectors.iter().all(|selector| selector.stacks == Stacks::default())
}

#[cfg(test)]
mod tests {
    use serin_btf::Element;
    use serin_policy::{ActionPlan, ArgumentKind, ArgumentPlan, Register, Resolve, SelectorPlan};

    use super::*;

    /// What it is called, whether both hooks have it, and what it does to them.
    type Change<'c> = (&'c str, bool, &'c dyn Fn(&mut HookPlan));

    fn argument(kind: ArgumentKind, source: ArgumentSource) -> ArgumentPlan {
        ArgumentPlan { index: 0, kind, label: String::new(), source, resolve: None }
    }

    fn on(target: Target) -> HookPlan {
        HookPlan {
            target,
            arguments: vec![argument(ArgumentKind::Int, ArgumentSource::Parameter)],
            returns: None,
            return_action: None,
            selectors: vec![SelectorPlan { actions: vec![ActionPlan::Post], ..SelectorPlan::default() }],
            message: String::new(),
            tags: Vec::new(),
            ignore_not_found: false,
            position: (1, 1),
        }
    }

    fn function(name: &str) -> HookPlan {
        on(Target::Function(name.into()))
    }

    fn call(number: u32) -> HookPlan {
        on(Target::Syscall { name: number.to_string(), number })
    }

    #[test]
    fn members_of_a_list_share_a_program_if_they_are_alike() {
        let hooks =
            [function("a"), function("b"), call(1), call(2), function("c"), function("d"), function("d")];
        assert_eq!(groups(&hooks, |_| true), [0..2, 2..4, 4..6, 6..7]);
        // System calls need no help of the kernel.
        assert_eq!(groups(&hooks, |_| false), [0..1, 1..2, 2..4, 4..5, 5..6, 6..7]);
        let not_c = |hook: &HookPlan| hook.target != Target::Function("c".into());
        assert_eq!(groups(&hooks, not_c), [0..2, 2..4, 4..5, 5..6, 6..7]);
        assert!(groups(&[], |_| true).is_empty());
    }

    #[test]
    fn functions_that_differ_or_take_a_way_of_their_own_do_not() {
        let resolve = Resolve { path: vec![Element::Field("f".into())], structure: None, module: None };
        let register = ArgumentSource::Register(Register { field: "ax", size: 8 });
        let changes: [Change<'_>; 8] = [
            ("another entry", false, &|hook| hook.position = (2, 1)),
            ("another argument", false, &|hook| hook.arguments[0].kind = ArgumentKind::Long),
            ("a return", false, &|hook| hook.returns = hook.arguments.first().cloned()),
            ("another selector", false, &|hook| hook.selectors.push(SelectorPlan::default())),
            ("override", true, &|hook| hook.selectors[0].actions = vec![ActionPlan::Override(-1)]),
            ("registers", true, &|hook| hook.arguments[0].source = register),
            ("stacks", true, &|hook| hook.selectors[0].stacks.kernel = true),
            ("resolve", true, &|hook| hook.arguments[0].resolve = Some(resolve.clone())),
        ];
        for (what, in_both, change) in changes {
            let mut hooks = [function("a"), function("b")];
            change(&mut hooks[0]);
            if in_both {
                change(&mut hooks[1]);
            }
            assert_eq!(groups(&hooks, |_| true), [0..1, 1..2], "{what}");
        }
    }
}
