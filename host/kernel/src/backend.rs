//! Ways of attaching a hook, and of enforcing.

use std::borrow::Cow;
use std::fmt;

/// How a hook is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Backend {
    /// A BPF trampoline at the function's entry (Linux 5.5).
    Fentry,
    /// A kprobe on the function.
    Kprobe,
    /// One program on several functions (Linux 5.18).
    KprobeMulti,
    /// A BPF LSM program on the hook that the `security_*` function calls (Linux 5.7).
    Lsm,
    /// A BPF LSM program on the same hook that may sleep, to have a file hashed (Linux 6.1).
    LsmHash,
    /// The dispatcher on the raw tracepoint sys_enter, by system call number.
    SysEnter,
    /// A BPF trampoline at the function's return (Linux 5.17, for what it returns).
    Fexit,
    /// A kretprobe on the function.
    Kretprobe,
    /// One program at the returns of several functions (Linux 5.18).
    KretprobeMulti,
    /// The dispatcher on the raw tracepoint sys_exit, by system call number.
    SysExit,
    /// A program on the trace event (Linux 4.7).
    Tracepoint,
    /// A program on the tracepoint behind the trace event (Linux 4.17).
    RawTracepoint,
    /// A uprobe (Linux 4.17).
    Uprobe,
    /// A uprobe that may sleep, to have memory brought in that the other reads (Linux 6.0).
    UprobeFaultIn,
    /// A uretprobe.
    Uretprobe,
    /// Perf events that tell of mapped files, read without a program (Linux 5.12).
    PerfEvent,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Fentry => "fentry",
            Backend::Kprobe => "kprobe",
            Backend::KprobeMulti => "kprobe.multi",
            Backend::Lsm => "lsm",
            Backend::LsmHash => "lsm.s",
            Backend::SysEnter => "sys_enter",
            Backend::Fexit => "fexit",
            Backend::Kretprobe => "kretprobe",
            Backend::KretprobeMulti => "kretprobe.multi",
            Backend::SysExit => "sys_exit",
            Backend::Tracepoint => "tracepoint",
            Backend::RawTracepoint => "raw_tracepoint",
            Backend::Uprobe => "uprobe",
            Backend::UprobeFaultIn => "uprobe.s",
            Backend::Uretprobe => "uretprobe",
            Backend::PerfEvent => "perf_event",
        })
    }
}

/// How `Override` is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enforcement {
    /// `bpf_override_return`: the function does not run.
    OverrideReturn,
    /// The LSM program's result.
    LsmResult,
    /// Registers of the program are set.
    Registers,
    /// The task is marked, and these LSM hooks refuse.
    DenyByLsm(Vec<Cow<'static, str>>),
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Enforcement::OverrideReturn => f.write_str("bpf_override_return"),
            Enforcement::LsmResult => f.write_str("LSM result"),
            Enforcement::Registers => f.write_str("registers"),
            Enforcement::DenyByLsm(hooks) => write!(f, "deny by LSM ({})", hooks.join(", ")),
        }
    }
}
