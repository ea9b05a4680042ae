//! What the kernel programs counted.

use std::sync::Arc;

use aya::maps::{MapData, PerCpuArray};
use serin_abi::{CpuCounters, HookCounters};

use crate::KernelError;
use crate::programs::map_error;
use crate::wire::Wire;

/// What all programs counted, over all CPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KernelCount {
    /// Records written or lost.
    pub records: u64,
    /// Records that found the ring buffer full.
    pub lost_full: u64,
    /// Records that found no scratch memory.
    pub lost_busy: u64,
    /// Processes that found the process table full.
    pub processes_full: u64,
    /// Calls that could not be kept until they return, or never did.
    pub lost_calls: u64,
    /// Descriptors that found the table of followed ones full.
    pub followed_full: u64,
    /// Cgroups of containers that found their table full: their processes count as the host's.
    pub cgroups_full: u64,
}

/// What one hook counted, over all CPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HookCount {
    /// Times a selector matched: `posted + lost + unposted`, and the calls whose return is still waited for.
    pub hits: u64,
    /// Hits whose record was written.
    pub posted: u64,
    /// Hits whose record was lost.
    pub lost: u64,
    /// Filters that could not read their argument.
    pub unreadable: u64,
    /// Enforcement that could not be carried out.
    pub unenforced: u64,
    /// Hits that the policy does not want to be reported, those in `limited` included.
    pub unposted: u64,
    /// Hits held back by `rateLimit`.
    pub limited: u64,
}

/// The map `CPU_COUNTERS`, which the reader reads as well.
#[derive(Clone)]
pub(crate) struct CpuCounterMap(pub(crate) Arc<PerCpuArray<MapData, Wire<CpuCounters>>>);

impl CpuCounterMap {
    /// Each CPU's counters.
    pub(crate) fn read(&self) -> Result<Vec<CpuCounters>, KernelError> {
        let values = self.0.get(&0, 0).map_err(|error| map_error("CPU_COUNTERS", error))?;
        Ok(values.iter().map(|Wire(counters)| *counters).collect())
    }

    pub(crate) fn sum(&self) -> Result<KernelCount, KernelError> {
        let add = |sum: KernelCount, cpu: &CpuCounters| KernelCount {
            records: sum.records + cpu.sequence,
            lost_full: sum.lost_full + cpu.lost_full,
            lost_busy: sum.lost_busy + cpu.lost_busy,
            processes_full: sum.processes_full + cpu.processes_full,
            lost_calls: sum.lost_calls + cpu.lost_calls,
            followed_full: sum.followed_full + cpu.followed_full,
            cgroups_full: sum.cgroups_full + cpu.cgroups_full,
        };
        Ok(self.read()?.iter().fold(KernelCount::default(), add))
    }
}

/// Adds up the map `HOOK_COUNTERS` of a hook.
pub(crate) fn of_hook(map: &PerCpuArray<&MapData, Wire<HookCounters>>) -> Result<HookCount, KernelError> {
    let values = map.get(&0, 0).map_err(|error| map_error("HOOK_COUNTERS", error))?;
    let add = |sum: HookCount, Wire(cpu): &Wire<HookCounters>| HookCount {
        hits: sum.hits + cpu.hits,
        posted: sum.posted + cpu.posted,
        lost: sum.lost + cpu.lost,
        unreadable: sum.unreadable + cpu.unreadable,
        unenforced: sum.unenforced + cpu.unenforced,
        unposted: sum.unposted + cpu.unposted,
        limited: sum.limited + cpu.limited,
    };
    Ok(values.iter().fold(HookCount::default(), add))
}
