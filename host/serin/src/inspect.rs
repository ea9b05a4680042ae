//! `serin probe` and `serin doctor`: what the kernel and this host offer, and what could be done about the rest.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};
use serin_kernel::{Kernel, KernelConfig, KernelError, Probe};

use crate::cli::KernelArguments;

/// The least that a ring buffer and a table can have: nothing is read here.
const RING: u32 = 4096;
const PROCESSES: u32 = 16;

/// Opens the kernel to look at it, beside an agent that may be running.
///
/// # Errors
/// See [`Kernel::open`].
pub(crate) fn open(arguments: &KernelArguments) -> Result<Kernel, KernelError> {
    let config = arguments.config();
    let mut own = config.bpffs.clone().into_os_string();
    own.push(format!("-inspect-{}", std::process::id()));
    Kernel::open(&KernelConfig { bpffs: PathBuf::from(own), ring_size: RING, processes: PROCESSES, ..config })
}

/// `serin probe`
pub(crate) fn probe(arguments: &KernelArguments) -> Result<()> {
    print!("{}", open(arguments)?.probe());
    Ok(())
}

/// Something that an agent wants of its host.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    what: &'static str,
    /// Why it is not there.
    missing: Option<String>,
    /// What one loses by that, and how to get it.
    advice: &'static str,
}

/// `serin doctor`
///
/// # Errors
/// An agent could not run on this host.
pub(crate) fn doctor(arguments: &KernelArguments) -> Result<()> {
    let release = rustix::system::uname();
    println!("Linux {}", release.release().to_string_lossy());
    let kernel = match open(arguments) {
        Ok(kernel) => kernel,
        Err(error) => bail!("serin can't run here: {error}"),
    };
    for finding in findings(kernel.probe(), error_injection()) {
        println!("{finding}");
    }
    Ok(())
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.missing {
            None => write!(f, "[ok] {}", self.what),
            Some(reason) => write!(f, "[--] {}\n     why: {reason}\n     {}", self.what, self.advice),
        }
    }
}

fn findings(probe: &Probe, error_injection: Result<(), String>) -> Vec<Finding> {
    let finding = |what, result: Result<(), String>, advice| Finding { what, missing: result.err(), advice };
    vec![
        finding("type information, a BPF file system, and the privileges to use them", Ok(()), ""),
        finding("hooks on system calls", Ok(()), ""),
        finding(
            "hooks on kernel functions, the quick way (fentry)",
            probe.trampolines.clone(),
            "with kprobes nothing is missed, only slower; to get it: CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS=y",
        ),
        finding(
            "hooks on kernel functions, the other way (kprobes)",
            probe.kprobes.clone(),
            "without either way policies on functions are refused; to get it: CONFIG_KPROBE_EVENTS=y",
        ),
        finding(
            "hooks on the functions of a list all at once (kprobe.multi)",
            probe.many.clone(),
            "each function takes a program of its own; to get it: CONFIG_FPROBE=y, from Linux 5.18 on",
        ),
        finding(
            "Override on `security_*` functions and on system calls that files pass (BPF LSM)",
            probe.lsm.clone(),
            "policies that need it are refused, `Sigkill` works; to get it: CONFIG_BPF_LSM=y and `lsm=…,bpf`",
        ),
        finding(
            "Override on any system call (error injection)",
            error_injection,
            "the BPF LSM does most of it; to get it: CONFIG_BPF_KPROBE_OVERRIDE=y and \
             CONFIG_FUNCTION_ERROR_INJECTION=y",
        ),
        finding(
            "hashes of files (`imaHash`)",
            probe.hashes.clone(),
            "policies that ask for them are refused; to get it: CONFIG_IMA=y",
        ),
        finding(
            "Override in programs (registers)",
            probe.registers.clone(),
            "policies that need it are refused, `Sigkill` works; Linux 6.18 has it",
        ),
        finding(
            "texts and buffers of programs that are not in memory yet (sleepable uprobes)",
            probe.sleepable.clone(),
            "filters on them count as unreadable, and those that enforce act; Linux 6.0 has it",
        ),
    ]
}

/// Whether the kernel can make system calls fail, as debugfs tells.
fn error_injection() -> Result<(), String> {
    const LIST: &str = "/sys/kernel/debug/error_injection/list";
    let list = fs::read_to_string(LIST).map_err(|error| format!("{LIST}: {error}"))?;
    let calls = list.lines().any(|line| line.starts_with("__x64_sys_"));
    if calls { Ok(()) } else { Err(format!("{LIST} has no system calls")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_comes_with_its_reason_and_advice() {
        let probe = Probe {
            trampolines: Ok(()),
            lsm: Err("not active".into()),
            kprobes: Ok(()),
            many: Ok(()),
            registers: Ok(()),
            sleepable: Ok(()),
            hashes: Ok(()),
        };
        let findings = findings(&probe, Err("no list".into()));
        let text: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(findings.iter().filter(|finding| finding.missing.is_some()).count(), 2);
        for words in ["why: not active", "`lsm=…,bpf`", "why: no list", "CONFIG_BPF_KPROBE_OVERRIDE=y"] {
            assert!(text.iter().any(|text| text.contains(words)), "no {words} in {text:?}");
        }
        assert!(text.iter().any(|text| text.starts_with("[ok] hooks on system calls")));
    }
}
