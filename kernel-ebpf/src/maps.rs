//! Maps that all programs share; the agent pins them while it runs.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{HashMap, PerCpuArray, ProgramArray, RingBuf};
use serin_abi::{BINARY_KEY, CpuCounters, DISPATCH_SLOTS, MAX_ARGUMENTS, Mark, Process};

use crate::scratch::{LEVELS, Slot, Work};

/// Records for the agent. The agent sets the size.
#[map]
pub static EVENTS: RingBuf = RingBuf::pinned(8 << 20, 0);

/// What each CPU counted; one entry.
#[map]
pub static CPU_COUNTERS: PerCpuArray<CpuCounters> = PerCpuArray::pinned(1, 0);

/// Processes by pid (`tgid`).
#[map]
pub static PROCESSES: HashMap<u32, Process> = HashMap::pinned(32_768, 0);

/// Paths of binaries that policies name, padded with zeros, to their ids. The agent fills it.
#[map]
pub static BINARIES: HashMap<[u8; BINARY_KEY], u32> = HashMap::pinned(4096, 0);

/// Tasks (`pid_tgid`) in a system call that the LSM hooks on its way must refuse.
#[map]
pub static MARKS: HashMap<u64, Mark> = HashMap::pinned(4096, 0);

/// Hook programs by system call, for kernels where each call has no function to attach to;
/// from [`serin_abi::CHAIN_SLOT`] on, further hooks on the same call.
#[map]
pub static SYSCALLS: ProgramArray = ProgramArray::pinned(DISPATCH_SLOTS, 0);

/// The same for returns from system calls.
#[map]
pub static SYSCALL_RETURNS: ProgramArray = ProgramArray::pinned(DISPATCH_SLOTS, 0);

/// Memory to build a record in.
#[map]
pub static WORK: PerCpuArray<Work> = PerCpuArray::pinned(LEVELS, 0);

/// Memory to read arguments into.
#[map]
pub static SLOTS: PerCpuArray<Slot> = PerCpuArray::pinned(LEVELS * MAX_ARGUMENTS as u32, 0);
