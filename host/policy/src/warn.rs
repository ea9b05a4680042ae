//! What a policy says that is right and yet may not do what its author wants.

use crate::{ArgumentFilter, ArgumentKind, ArgumentSource, Diagnostic, HookPlan, Policy, Target};

/// Functions of the kernel that see what a system call will really work on, by the system call's name.
const LATER: &[(&[&str], &str)] = &[
    (&["open", "openat", "openat2", "creat"], "security_file_open"),
    (&["read", "pread64", "readv", "write", "pwrite64", "writev"], "security_file_permission"),
    (&["symlink", "symlinkat"], "security_path_symlink"),
    (&["link", "linkat"], "security_path_link"),
    (&["unlink", "unlinkat"], "security_path_unlink"),
    (&["rmdir"], "security_path_rmdir"),
    (&["mkdir", "mkdirat"], "security_path_mkdir"),
    (&["mknod", "mknodat"], "security_path_mknod"),
    (&["rename", "renameat", "renameat2"], "security_path_rename"),
    (&["chmod", "fchmodat"], "security_path_chmod"),
    (&["chown", "lchown", "fchownat"], "security_path_chown"),
    (&["truncate"], "security_path_truncate"),
    (&["chroot"], "security_path_chroot"),
    (&["mount"], "security_sb_mount"),
    (&["execve", "execveat"], "security_bprm_check"),
];

impl Policy {
    /// Warnings about enforcement by what a system call is given: another thread can change a string after it is compared,
    /// or open another file under the same number, and what cannot be read counts as a match.
    #[must_use]
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let hooks = self.plan().hooks.iter().enumerate();
        hooks.flat_map(|(index, hook)| self.warnings_of(index, hook)).collect()
    }

    fn warnings_of(&self, index: usize, hook: &HookPlan) -> Vec<Diagnostic> {
        let (Target::Syscall { name, .. } | Target::CompatSyscall { name, .. }) = &hook.target else {
            return Vec::new();
        };
        let enforcing = hook.selectors.iter().filter(|selector| selector.enforces());
        let compared = enforcing.flat_map(|selector| &selector.arguments).flat_map(ArgumentFilter::slots);
        let arguments = compared.filter_map(|slot| hook.arguments.get(slot));
        let given: Vec<_> =
            arguments.filter(|argument| argument.source == ArgumentSource::Parameter).collect();
        let first = |is: fn(ArgumentKind) -> bool| {
            given.iter().find(|argument| is(argument.kind) || argument.resolve.is_some())
        };
        let changed = first(is_read_again).map(|argument| {
            let index = argument.index;
            format!("a program can change argument {index} of `{name}` after it is compared and before the kernel uses it")
        });
        let unread = first(is_in_memory).map(|argument| {
            let index = argument.index;
            format!("argument {index} of `{name}` counts as a match where it cannot be read, as in a page not used yet")
        });
        let warn = |message| self.hook_error(index, message, later(name));
        changed.into_iter().chain(unread).map(warn).collect()
    }
}

/// What to hook instead of a system call.
fn later(call: &str) -> Option<String> {
    let (_, function) = LATER.iter().find(|(names, _)| names.contains(&call))?;
    Some(format!("to enforce, hook `{function}` with `syscall: false`, which sees what the kernel works on"))
}

/// Whether the register holds only where it is.
fn is_read_again(kind: ArgumentKind) -> bool {
    is_in_memory(kind) || kind == ArgumentKind::Descriptor
}

/// Whether it is in the program's memory.
fn is_in_memory(kind: ArgumentKind) -> bool {
    use ArgumentKind::{Bytes, Segments, Sockaddr, SockaddrUn, String};
    matches!(kind, String | Bytes { .. } | Segments { .. } | Sockaddr | SockaddrUn)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use crate::Policy;

    fn warnings(call: &str, kind: &str, action: &str) -> Vec<String> {
        let text = format!(
            "{{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {{name: p}}, spec: {{kprobes: [{{\
             call: {call}, args: [{{index: 0, type: {kind}}}], selectors: [{{matchArgs: [{{index: 0, operator: Equal, \
             values: [\"1\"]}}], matchActions: [{action}]}}]}}]}}}}"
        );
        let policies = Policy::parse(&text, Path::new("p.yaml")).unwrap();
        policies[0].warnings().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn enforcement_on_what_can_change_is_warned_of() {
        let kill = "{action: Sigkill}";
        let refuse = "{action: Override, argError: -1}";
        let unread = "argument 0 of `X` counts as a match";
        for (call, kind, action, expected) in [
            ("symlinkat", "string", kill, &["hook `security_path_symlink`", unread][..]),
            ("symlinkat", "string", refuse, &["change argument 0 of `symlinkat`", unread]),
            ("write", "fd", kill, &["hook `security_file_permission`"]),
            ("swapon", "string", kill, &["change argument 0 of `swapon`", unread]),
            ("symlinkat", "string", "{action: Post}", &[]),
            ("clock_settime", "int", kill, &[]),
        ] {
            let warnings = warnings(&format!("sys_{call}"), kind, action);
            let said = |(warning, text): (&String, &&str)| warning.contains(&text.replace('X', call));
            let all = warnings.len() == expected.len() && warnings.iter().zip(expected).all(said);
            assert!(all, "{call}: {warnings:?}");
        }
    }
}
