//! What hooks are attached to, by name.

use serin_policy::Target;

/// The kernel function, LSM hook, trace event or place in a program that a target is attached to.
pub(crate) fn function(target: &Target) -> String {
    match target {
        Target::Function(name) | Target::Lsm(name) => name.clone(),
        Target::Syscall { name, .. } => format!("__x64_sys_{name}"),
        Target::CompatSyscall { name, .. } => format!("__ia32_sys_{name}"),
        Target::Tracepoint(event) | Target::RawTracepoint(event) => event.to_string(),
        Target::Uprobe(probe) => probe.to_string(),
        Target::Usdt(probe) => probe.to_string(),
        Target::Loader => "loader".into(),
    }
}
