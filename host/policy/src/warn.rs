//! What a policy says that is right and yet may not do what its author wants.

use crate::{ActionPlan, ArgumentKind, ArgumentSource, Diagnostic, HookPlan, Policy, Target};

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
    /// Warnings about enforcement that a program can get around: an argument that a filter compares when the system
    /// call begins, and that the kernel reads again afterwards.
    ///
    /// Another thread can change a string in between, or open another file under the same number.
    #[must_use]
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let hooks = self.plan().hooks.iter().enumerate();
        hooks.filter_map(|(index, hook)| self.changeable(index, hook)).collect()
    }

    fn changeable(&self, index: usize, hook: &HookPlan) -> Option<Diagnostic> {
        let Target::Syscall { name, .. } = &hook.target else { return None };
        let enforcing =
            hook.selectors.iter().filter(|selector| selector.actions.iter().any(ActionPlan::enforces));
        let compared = enforcing.flat_map(|selector| &selector.arguments);
        let mut arguments = compared.filter_map(|filter| hook.arguments.get(filter.slot));
        let argument = arguments.find(|argument| {
            argument.source == ArgumentSource::Parameter
                && (is_read_again(argument.kind) || argument.resolve.is_some())
        })?;
        let message = format!(
            "a program can change argument {} of `{name}` after it is compared and before the kernel uses it",
            argument.index
        );
        let later = LATER.iter().find(|(names, _)| names.contains(&name.as_str()));
        let help = later.map(|(_, function)| {
            format!(
                "to enforce, hook `{function}` with `syscall: false`, which sees what the kernel works on"
            )
        });
        Some(self.hook_error(index, message, help))
    }
}

/// Whether the register holds only where it is.
fn is_read_again(kind: ArgumentKind) -> bool {
    matches!(kind, ArgumentKind::String | ArgumentKind::Descriptor | ArgumentKind::Bytes { .. })
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
        for (call, kind, action, expected) in [
            ("sys_symlinkat", "string", kill, Some("hook `security_path_symlink`")),
            (
                "sys_symlinkat",
                "string",
                "{action: Override, argError: -1}",
                Some("change argument 0 of `symlinkat`"),
            ),
            ("sys_write", "fd", kill, Some("hook `security_file_permission`")),
            ("sys_swapon", "string", kill, Some("change argument 0 of `swapon`")),
            ("sys_symlinkat", "string", "{action: Post}", None),
            ("sys_clock_settime", "int", kill, None),
        ] {
            let warnings = warnings(call, kind, action);
            match expected {
                None => assert_eq!(warnings, [] as [&str; 0], "{call}"),
                Some(text) => {
                    assert!(warnings.len() == 1 && warnings[0].contains(text), "{call}: {warnings:?}")
                }
            }
        }
    }
}
