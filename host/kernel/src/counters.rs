//! What the kernel programs counted.

use std::iter::Sum;
use std::ops::Add;

use aya::Ebpf;
use aya::maps::{MapData, PerCpuArray};
use serin_abi::{CpuCounters, HookCounters, SelectorCounters};

use crate::KernelError;
use crate::programs::{map_error, take_map};
use crate::wire::{Plain, Wire};

/// The map that has the counters of the hooks of a program.
pub(crate) const HOOK_COUNTERS: &str = "HOOK_COUNTERS";

/// The map that has the counters of a hook's selectors.
pub(crate) const SELECTOR_COUNTERS: &str = "SELECTOR_COUNTERS";

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
    /// Records of mapped files that found their buffer full.
    pub lost_mappings: u64,
    /// Descriptors that found the table of followed ones full.
    pub followed_full: u64,
    /// Cgroups of containers that found their table full: their processes count as the host's.
    pub cgroups_full: u64,
    /// Notifications of enforcers that refused nothing.
    pub missed_notifications: u64,
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

impl Add for HookCount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            posted: self.posted + other.posted,
            lost: self.lost + other.lost,
            unreadable: self.unreadable + other.unreadable,
            unenforced: self.unenforced + other.unenforced,
            unposted: self.unposted + other.unposted,
            limited: self.limited + other.limited,
        }
    }
}

impl Sum for HookCount {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Self::add)
    }
}

impl From<HookCounters> for HookCount {
    fn from(cpu: HookCounters) -> Self {
        let HookCounters { hits, posted, lost, unreadable, unenforced, unposted, limited } = cpu;
        Self { hits, posted, lost, unreadable, unenforced, unposted, limited }
    }
}

/// What one selector counted, over all CPUs. Hooks that share a program share it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SelectorCount {
    /// Times that it was the first of its hook that matched.
    pub hits: u64,
    /// Hits that it does not want to be reported, those held back by `rateLimit` included.
    pub unposted: u64,
}

impl Add for SelectorCount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { hits: self.hits + other.hits, unposted: self.unposted + other.unposted }
    }
}

/// An array of counters of which each CPU has its own.
pub(crate) struct Counters<C: Plain> {
    map: PerCpuArray<MapData, Wire<C>>,
    name: &'static str,
}

impl<C: Plain> Counters<C> {
    /// Takes the map of this name out of an instance.
    pub(crate) fn take(ebpf: &mut Ebpf, name: &'static str) -> Result<Self, KernelError> {
        Ok(Self { map: take_map(ebpf, name)?, name })
    }

    /// Each CPU's counters in one entry.
    pub(crate) fn of_each_cpu(&self, index: u32) -> Result<Vec<C>, KernelError> {
        let values = self.map.get(&index, 0).map_err(|error| map_error(self.name, error))?;
        Ok(values.iter().map(|Wire(counters)| *counters).collect())
    }
}

impl Counters<CpuCounters> {
    /// What all programs counted.
    pub(crate) fn sum(&self) -> Result<KernelCount, KernelError> {
        let add = |sum: KernelCount, cpu: CpuCounters| KernelCount {
            records: sum.records + cpu.sequence,
            lost_full: sum.lost_full + cpu.lost_full,
            lost_busy: sum.lost_busy + cpu.lost_busy,
            processes_full: sum.processes_full + cpu.processes_full,
            lost_calls: sum.lost_calls + cpu.lost_calls,
            followed_full: sum.followed_full + cpu.followed_full,
            cgroups_full: sum.cgroups_full + cpu.cgroups_full,
            missed_notifications: sum.missed_notifications + cpu.missed_notifications,
            lost_mappings: 0,
        };
        Ok(self.of_each_cpu(0)?.into_iter().fold(KernelCount::default(), add))
    }
}

impl Counters<HookCounters> {
    /// What each of the hooks that share them counted.
    pub(crate) fn sums(&self) -> Result<Vec<HookCount>, KernelError> {
        let sum = |index| Ok(self.of_each_cpu(index)?.into_iter().map(HookCount::from).sum());
        (0..self.map.len()).map(sum).collect()
    }
}

impl Counters<SelectorCounters> {
    /// What each selector of a hook counted.
    pub(crate) fn sums(&self) -> Result<Vec<SelectorCount>, KernelError> {
        let add = |sum: SelectorCount, cpu: SelectorCounters| SelectorCount {
            hits: sum.hits + cpu.hits,
            unposted: sum.unposted + cpu.unposted,
        };
        let sum = |index| Ok(self.of_each_cpu(index)?.into_iter().fold(SelectorCount::default(), add));
        (0..self.map.len()).map(sum).collect()
    }
}
