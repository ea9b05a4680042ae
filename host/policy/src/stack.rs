//! Reads `kernelStackTrace` and `userStackTrace`.

use crate::action::Action;
use crate::fields::{Fields, is_default};
use crate::hook::Context;
use crate::report::Report;
use crate::{Stacks, Target};

/// Reads which stacks an action `Post` reports; `None` if something was refused.
pub(crate) fn read(post: &Fields<'_>, context: &Context<'_>, report: &mut Report<'_>) -> Option<Stacks> {
    let mut wanted = |name| {
        let Some(field) = post.get(name).filter(|field| !is_default(field.node)) else { return Some(false) };
        let wanted = field.boolean(report)?;
        let foreign = context.targets.iter().any(|target| {
            use Target::{CompatSyscall, Function, Syscall};
            !matches!(target, Function(_) | Syscall { .. } | CompatSyscall { .. })
        });
        if wanted && foreign {
            let message =
                format!("`{name}` belongs to `kprobes` and `fentries`: other events have no stacks");
            report.error_with_help(field.span(), message, "hook a function with `kprobes`, or leave it out");
            return None;
        }
        Some(wanted)
    };
    let (kernel, user) = (wanted("kernelStackTrace"), wanted("userStackTrace"));
    Some(Stacks { kernel: kernel?, user: user? })
}

/// Those that any of a selector's actions reports.
pub(crate) fn all(actions: &[Action]) -> Stacks {
    Stacks {
        kernel: actions.iter().any(|action| action.stacks.kernel),
        user: actions.iter().any(|action| action.stacks.user),
    }
}
