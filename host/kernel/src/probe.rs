//! What this kernel lets us do, found out by doing it.

use std::fmt;
use std::os::fd::AsFd as _;
use std::path::Path;

use aya::maps::HashMap;
use aya::programs::{FExit, Lsm, ProgramType, UProbe};
use aya::sys::{BpfHelper, is_helper_supported};
use aya::{Btf, Ebpf};
use rustix::process::{getpgid, getpid};
use rustix::thread::gettid;
use serin_abi::Mark;

use crate::KernelError;
use crate::code::Code;
use crate::error::chain;
use crate::kprobe_multi::Moment;
use crate::link::Link;
use crate::programs::{Loader, Object, program, program_error, take_map};
use crate::wire::Wire;

/// An LSM hook on the way of `getpgid(pid)`, that nothing else depends on.
const PROBE_HOOK: &str = "task_getpgid";

/// What the kernel offers. Each is `Ok`, or the reason why not.
#[derive(Debug, Clone)]
pub struct Probe {
    /// BPF trampolines: fentry and fexit.
    pub trampolines: Result<(), String>,
    /// BPF LSM programs that are also asked: `bpf` is among the active LSMs.
    pub lsm: Result<(), String>,
    /// Kprobes.
    pub kprobes: Result<(), String>,
    /// One program on many functions, told which it is called for (kprobe.multi; Linux 5.18).
    pub many: Result<(), String>,
    /// Uprobes that change the registers of programs (Linux 6.18).
    pub registers: Result<(), String>,
    /// Uprobes that may sleep, and so read memory that is to be brought in first (Linux 6.0).
    pub sleepable: Result<(), String>,
    /// Hashes of files, by the kernel's integrity measurement (IMA).
    pub hashes: Result<(), String>,
}

impl Probe {
    /// Tries each, and leaves nothing behind.
    ///
    /// `point` must be the global `POINT` the loader has been given.
    pub(crate) fn run(loader: &mut Loader<'_>, (btf, types): (&Btf, &serin_btf::Btf), point: u64) -> Self {
        Probe {
            trampolines: trampolines(loader, btf).map_err(|error| chain(&error)),
            lsm: lsm(loader, btf, point),
            kprobes: kprobes(),
            many: many(loader).map_err(|error| chain(&error)),
            registers: registers(loader),
            sleepable: sleepable(loader),
            hashes: hashes(types),
        }
    }
}

/// Whether the kernel lets programs write to the memory of processes, as `Set` does.
#[must_use]
pub fn writes_to_programs() -> bool {
    is_helper_supported(ProgramType::KProbe, BpfHelper::BPF_FUNC_probe_write_user).unwrap_or(false)
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("fentry/fexit", &self.trampolines),
            ("BPF LSM", &self.lsm),
            ("kprobes", &self.kprobes),
            ("many functions at once", &self.many),
            ("registers of programs", &self.registers),
            ("memory of programs that is not there yet", &self.sleepable),
            ("hashes of files", &self.hashes),
        ];
        for (name, result) in parts {
            match result {
                Ok(()) => writeln!(f, "{name}: yes")?,
                Err(reason) => writeln!(f, "{name}: no ({reason})")?,
            }
        }
        writeln!(f, "sys_enter: yes")
    }
}

fn trampolines(loader: &mut Loader<'_>, btf: &Btf) -> Result<(), KernelError> {
    let mut ebpf = loader.load(Object::Deny)?;
    let clear: &mut FExit = program(&mut ebpf, "clear")?;
    clear.load("__x64_sys_getpgid", btf).map_err(|error| program_error("clear", error))?;
    clear.attach().map_err(|error| program_error("clear", error))?;
    Ok(())
}

fn many(loader: &mut Loader<'_>) -> Result<(), KernelError> {
    let ebpf = loader.load(Object::Deny)?;
    let tell = Code::of(&ebpf, Object::Deny)?.load("tell")?;
    let functions = ["__x64_sys_getpgid", "__x64_sys_getpid"].map(String::from);
    let functions: Vec<_> = functions.into_iter().zip(1..).collect();
    for moment in [Moment::Entry, Moment::Return] {
        Link::on_many("tell", tell.as_fd(), &functions, moment)?;
    }
    Ok(())
}

/// Marks this thread, and sees whether `getpgid` is refused.
fn lsm(loader: &mut Loader<'_>, btf: &Btf, point: u64) -> Result<(), String> {
    let mut ebpf = attach_deny(loader, btf).map_err(|error| chain(&error))?;
    let mut marks: HashMap<_, u64, Wire<Mark>> =
        take_map(&mut ebpf, "MARKS").map_err(|error| chain(&error))?;
    let key = (getpid().as_raw_nonzero().get() as u64) << 32 | gettid().as_raw_nonzero().get() as u64;
    let mark = Wire(Mark { points: point, error: -libc::EPERM, enforcer: 0, call: 0, reserved: 0 });
    marks.insert(key, mark, 0).map_err(|error| chain(&error))?;
    let refused = getpgid(Some(getpid())).is_err();
    let removed = marks.remove(&key);
    if let Err(error) = removed {
        return Err(chain(&error));
    }
    if refused {
        return Ok(());
    }
    Err("`bpf` is not among the active LSMs: add it to the kernel's `lsm=` parameter".into())
}

fn attach_deny(loader: &mut Loader<'_>, btf: &Btf) -> Result<Ebpf, KernelError> {
    let mut ebpf = loader.load(Object::Deny)?;
    let deny: &mut Lsm = program(&mut ebpf, "deny")?;
    deny.load(PROBE_HOOK, btf).map_err(|error| program_error("deny", error))?;
    deny.attach().map_err(|error| program_error("deny", error))?;
    Ok(ebpf)
}

fn registers(loader: &mut Loader<'_>) -> Result<(), String> {
    load_uprobe(loader, "change", "this kernel lets no program change the registers of processes")
}

fn sleepable(loader: &mut Loader<'_>) -> Result<(), String> {
    load_uprobe(loader, "touch", "this kernel lets no uprobe wait for memory, as Linux 6.0 does")
}

/// Whether the kernel takes a program on a uprobe. The verifier's log would say no more than `otherwise`.
fn load_uprobe(loader: &mut Loader<'_>, name: &'static str, otherwise: &str) -> Result<(), String> {
    let mut ebpf = loader.load(Object::Deny).map_err(|error| chain(&error))?;
    let uprobe: &mut UProbe = program(&mut ebpf, name).map_err(|error| chain(&error))?;
    uprobe.load().map_err(|_| otherwise.into())
}

/// Without IMA, the helper is there and fails.
fn hashes(types: &serin_btf::Btf) -> Result<(), String> {
    if types.function_id("ima_file_hash").is_some() {
        return Ok(());
    }
    Err("this kernel is built without IMA (CONFIG_IMA), which computes the hashes".into())
}

fn kprobes() -> Result<(), String> {
    const PMU: &str = "/sys/bus/event_source/devices/kprobe";
    if Path::new(PMU).exists() {
        return Ok(());
    }
    Err(format!("{PMU} does not exist: the kernel is built without CONFIG_KPROBE_EVENTS"))
}
