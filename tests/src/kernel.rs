//! What this kernel can do, found out by trying, independently of the agent.

use std::path::Path;

use serin_btf::{Btf, KERNEL_BTF};

use crate::{bpf, trigger};

/// The features that scenarios depend on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kernel {
    /// `uname -r`
    pub(crate) release: String,
    /// Kernel functions can be probed.
    pub(crate) kprobes: bool,
    /// One program can be attached to many functions.
    pub(crate) many_functions: bool,
    /// Programs can be attached to functions by trampoline (fentry).
    pub(crate) trampolines: bool,
    /// Programs can be attached to LSM hooks and have a say.
    pub(crate) lsm: bool,
    /// `bpf_override_return` works on system calls.
    pub(crate) error_injection: bool,
    /// System calls can be made as 32-bit programs make them.
    pub(crate) compat_calls: bool,
    /// There is a trace event for each system call.
    pub(crate) syscall_events: bool,
    /// Programs can write to the memory of processes.
    pub(crate) user_writes: bool,
    /// Programs can change the registers of processes.
    pub(crate) register_changes: bool,
    /// Files are hashed (IMA).
    pub(crate) hashes: bool,
}

impl Kernel {
    /// Tries everything.
    pub(crate) fn probe() -> Self {
        let hook =
            Btf::load(Path::new(KERNEL_BTF)).ok().and_then(|btf| btf.function_id("security_file_open"));
        let lsm_hook =
            Btf::load(Path::new(KERNEL_BTF)).ok().and_then(|btf| btf.function_id("bpf_lsm_file_open"));
        let active = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
        let lsm_loads = lsm_hook.is_some_and(|id| bpf::loads(bpf::LSM, id));
        Self {
            release: rustix::system::uname().release().to_string_lossy().into_owned(),
            kprobes: Path::new("/sys/bus/event_source/devices/kprobe").exists(),
            many_functions: Btf::load(Path::new(KERNEL_BTF))
                .is_ok_and(|btf| btf.function_id("register_fprobe_ips").is_some()),
            trampolines: hook.is_some_and(|id| bpf::loads(bpf::FENTRY, id)),
            lsm: active.split(',').any(|name| name == "bpf") && lsm_loads,
            error_injection: injectable("__x64_sys_symlinkat"),
            syscall_events: Btf::load(Path::new(KERNEL_BTF))
                .is_ok_and(|btf| btf.function_id("perf_syscall_enter").is_some()),
            user_writes: bpf::writes_user_memory(),
            register_changes: bpf::changes_registers(),
            hashes: Path::new("/sys/kernel/security/ima").exists(),
            compat_calls: trigger::compat_dup(-1).is_ok_and(|ended| ended.errno == Some(libc::EBADF)),
        }
    }

    /// What it has, for people.
    pub(crate) fn features(&self) -> String {
        let features = [
            (true, "tracepoints"),
            (self.kprobes, "kprobes"),
            (self.many_functions, "kprobe.multi"),
            (self.trampolines, "fentry"),
            (self.lsm, "BPF LSM"),
            (self.error_injection, "error injection"),
            (self.compat_calls, "32-bit system calls"),
            (self.syscall_events, "trace events of system calls"),
            (self.user_writes, "writes to processes"),
            (self.register_changes, "changes of registers"),
            (self.hashes, "hashes of files"),
        ];
        features.into_iter().filter_map(|(there, name)| there.then_some(name)).collect::<Vec<_>>().join(", ")
    }

    /// Function hooks work one way or the other.
    pub(crate) fn function_hooks(&self) -> Result<(), String> {
        if self.kprobes || self.trampolines {
            Ok(())
        } else {
            Err("this kernel has neither kprobes nor fentry, so functions can't be hooked".to_owned())
        }
    }

    /// 32-bit system calls are there.
    pub(crate) fn compat_calls(&self) -> Result<(), String> {
        if self.compat_calls { Ok(()) } else { Err("this kernel runs no 32-bit system calls".to_owned()) }
    }

    /// There is a trace event for each system call.
    pub(crate) fn syscall_events(&self) -> Result<(), String> {
        if self.syscall_events {
            Ok(())
        } else {
            Err("this kernel is built without CONFIG_FTRACE_SYSCALLS".to_owned())
        }
    }

    /// Programs can write to the memory of processes.
    pub(crate) fn user_writes(&self) -> Result<(), String> {
        if self.user_writes {
            Ok(())
        } else {
            Err("this kernel lets no program write to processes".to_owned())
        }
    }

    /// They can't.
    pub(crate) fn no_user_writes(&self) -> Result<(), String> {
        match self.user_writes() {
            Ok(()) => Err("this kernel lets programs write to processes".to_owned()),
            Err(_) => Ok(()),
        }
    }

    /// Programs can change the registers of processes.
    pub(crate) fn register_changes(&self) -> Result<(), String> {
        if self.register_changes {
            Ok(())
        } else {
            Err("this kernel lets no program change the registers of processes".to_owned())
        }
    }

    /// They can't.
    pub(crate) fn no_register_changes(&self) -> Result<(), String> {
        match self.register_changes() {
            Ok(()) => Err("this kernel lets programs change the registers of processes".to_owned()),
            Err(_) => Ok(()),
        }
    }

    /// Programs on LSM hooks have a say.
    pub(crate) fn lsm_hooks(&self) -> Result<(), String> {
        if self.lsm { Ok(()) } else { Err("this kernel does not have `bpf` among its LSMs".to_owned()) }
    }

    /// Programs on LSM hooks can have files hashed.
    pub(crate) fn hashed_files(&self) -> Result<(), String> {
        if self.hashes { self.lsm_hooks() } else { Err("this kernel is built without IMA".to_owned()) }
    }

    /// They can't, for want of who does it.
    pub(crate) fn no_hashed_files(&self) -> Result<(), String> {
        if self.hashes { Err("this kernel has IMA".to_owned()) } else { self.lsm_hooks() }
    }

    /// System calls can be made to fail one way or the other.
    pub(crate) fn enforcement(&self) -> Result<(), String> {
        if self.error_injection || self.lsm {
            Ok(())
        } else {
            Err("this kernel has neither error injection nor the BPF LSM, so nothing can be overridden"
                .to_owned())
        }
    }

    /// System calls can be made to fail when they have begun already.
    pub(crate) fn late_enforcement(&self) -> Result<(), String> {
        if self.trampolines { self.lsm_hooks() } else { Err("this kernel has no fentry".to_owned()) }
    }

    /// System calls can be made to fail where they begin.
    pub(crate) fn error_injection(&self) -> Result<(), String> {
        if self.error_injection { Ok(()) } else { Err("this kernel has no error injection".to_owned()) }
    }

    /// System calls can't be made to fail where they begin.
    pub(crate) fn no_error_injection(&self) -> Result<(), String> {
        match self.error_injection() {
            Ok(()) => Err("this kernel can refuse every call; refusing is for those that can't".to_owned()),
            Err(_) => Ok(()),
        }
    }

    /// System calls can't be made to fail.
    pub(crate) fn no_enforcement(&self) -> Result<(), String> {
        match self.enforcement() {
            Ok(()) => Err("this kernel can override; refusing is for those that can't".to_owned()),
            Err(_) => Ok(()),
        }
    }
}

/// Whether a function is on the list of those that error injection may fail.
fn injectable(function: &str) -> bool {
    std::fs::read_to_string("/sys/kernel/debug/error_injection/list")
        .is_ok_and(|list| list.lines().any(|line| line.split_whitespace().next() == Some(function)))
}
