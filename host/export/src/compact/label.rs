//! What a line begins with: a picture and a word, those of `tetra` where it has some.

use serin_event::{EventKind, Place};

/// The functions that `tetra` has words for. System calls are named without what comes before their names.
const FUNCTIONS: &[(&str, &str)] = &[
    ("bpf_check", "🐝 bpf    "),
    ("fd_install", "📬 open   "),
    ("security_bpf_map_alloc", "🗺️ bpf_map"),
    ("security_bpf_map_create", "🗺️ bpf_map"),
    ("security_file_truncate", "📝 trunc  "),
    ("security_path_truncate", "📝 trunc  "),
    ("security_perf_event_alloc", "🐝 perf   "),
    ("sys_clock_settime", "⏰ clock  "),
    ("sys_close", "📪 close  "),
    ("sys_mount", "💾 mount  "),
    ("sys_open", "📬 open   "),
    ("sys_openat", "📬 openat "),
    ("sys_pivot_root", "💾 pivot  "),
    ("sys_read", "📚 read   "),
    ("sys_setns", "🔧 setns  "),
    ("sys_setuid", "🔑 setuid "),
    ("sys_write", "📝 write  "),
    ("tcp_close", "🧹 close  "),
    ("tcp_connect", "🔌 connect"),
    ("tcp_sendmsg", "📤 sendmsg"),
];

/// The label of an event, as wide as all others.
pub(super) fn of(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Exec => "🚀 process",
        EventKind::Exit { .. } => "💥 exit   ",
        EventKind::Kprobe(hook) => match &hook.place {
            Place::Function => function(&hook.function_name),
            Place::Lsm => "🔒 LSM    ",
            Place::Tracepoint => "⁉️ tracept",
            Place::Program(_) => "🪝 uprobe ",
            Place::Probe(_) => "🕵️ usdt   ",
        },
        EventKind::Loader(_) => "🧬 loader ",
        EventKind::Loss { .. } => "🕳️ loss   ",
        EventKind::ActionResult(_) => "🐤 canary ",
        EventKind::Alert(_) => "🚨 alert  ",
        EventKind::PluginError(_) => "🧩 plugin ",
    }
}

fn function(name: &str) -> &'static str {
    let call = name.strip_prefix("__x64_").or_else(|| name.strip_prefix("__ia32_")).unwrap_or(name);
    let found = FUNCTIONS.binary_search_by_key(&call, |(function, _)| function);
    found.ok().and_then(|index| FUNCTIONS.get(index)).map_or("🎯 hook   ", |(_, label)| label)
}

#[cfg(test)]
mod tests {
    use super::FUNCTIONS;

    #[test]
    fn functions_are_in_order() {
        assert!(FUNCTIONS.is_sorted_by_key(|(function, _)| function));
    }
}
