//! Maps that all programs share; the agent pins them while it runs.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray, ProgramArray, RingBuf};
use serin_abi::binaries::{BinarySets, BinaryTable, Pattern};
use serin_abi::identity::Origin;
use serin_abi::workload::{Cgroup, ContainerId, Scopes};
use serin_abi::{
    BINARY_KEY, BINARY_PATHS, CpuCounters, DISPATCH_SLOTS, Descriptor, EnforcedCall, MAX_ARGUMENTS,
    MAX_CGROUPS, MAX_ENFORCED, Mark, Process,
};

use crate::follow::Followed;
use crate::scratch::{LEVELS, Slot, Work};

/// `BPF_F_NO_PREALLOC`: memory is taken only for entries that there are.
pub const NO_PREALLOC: u32 = 1;

/// Records for the agent. The agent sets the size.
#[map]
pub static EVENTS: RingBuf = RingBuf::pinned(8 << 20, 0);

/// What each CPU counted; one entry.
#[map]
pub static CPU_COUNTERS: PerCpuArray<CpuCounters> = PerCpuArray::pinned(1, 0);

/// Processes by pid (`tgid`).
#[map]
pub static PROCESSES: HashMap<u32, Process> = HashMap::pinned(32_768, 0);

/// Paths of binaries that policies name, padded with zeros, to the filters that name them. The agent fills it.
#[map]
pub static BINARIES: HashMap<[u8; BINARY_KEY], BinarySets> = HashMap::pinned(BINARY_PATHS, 0);

/// What binaries' paths start or end with, and paths too long for [`BINARIES`]. The agent sets the size and fills it.
#[map]
pub static BINARY_PATTERNS: Array<Pattern> = Array::pinned(1, 0);

/// What to know of the filters on binaries; one entry, which the agent fills.
#[map]
pub static BINARY_TABLE: Array<BinaryTable> = Array::pinned(1, 0);

/// What processes were when they were forked or executed their programs. The agent sets the size.
#[map]
pub static ORIGINS: HashMap<u32, Origin> = HashMap::pinned(1, 0);

/// Cgroups of containers, and those below them, by id. Takes memory only for those that there are.
#[map]
pub static CGROUPS: HashMap<u64, Cgroup> = HashMap::pinned(MAX_CGROUPS, NO_PREALLOC);

/// The scopes of containers that are not those of [`EVERY_CONTAINER`]. The agent fills it.
#[map]
pub static CONTAINERS: HashMap<ContainerId, Scopes> = HashMap::pinned(MAX_CGROUPS, NO_PREALLOC);

/// The scopes that any container is in; one entry, which the agent fills.
#[map]
pub static EVERY_CONTAINER: Array<Scopes> = Array::pinned(1, 0);

/// Descriptors that are followed. The agent sets the size.
#[map]
pub static FOLLOWED: HashMap<Descriptor, Followed> = HashMap::pinned(1, 0);

/// Tasks (`pid_tgid`) in a system call that the LSM hooks on its way must refuse.
#[map]
pub static MARKS: HashMap<u64, Mark> = HashMap::pinned(4096, 0);

/// System calls of enforcers, and the points that refuse them ([`Mark::points`]). The agent fills it.
#[map]
pub static ENFORCED: HashMap<EnforcedCall, u64> = HashMap::pinned(MAX_ENFORCED, NO_PREALLOC);

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
