//! What the selectors of hooks counted.

use aya::maps::PerCpuArray;
use serin_abi::SelectorCounters;

use crate::programs::map_error;
use crate::wire::Wire;
use crate::{Kernel, KernelError};

/// The map of an instance that has the counters.
pub(crate) const MAP: &str = "SELECTOR_COUNTERS";

/// What one selector counted, over all CPUs. Hooks that share a program share it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SelectorCount {
    /// Times that it was the first of its hook that matched.
    pub hits: u64,
    /// Hits that it does not want to be reported, those held back by `rateLimit` included.
    pub unposted: u64,
}

impl Kernel {
    /// What the selectors of each attached hook counted, by hook id and in the policy's order.
    ///
    /// # Errors
    /// The counters can't be read.
    pub fn selector_counts(&self) -> Result<Vec<(u32, Vec<SelectorCount>)>, KernelError> {
        self.hooks.iter().map(|hook| Ok((hook.id, of_hook(&hook.ebpf)?))).collect()
    }
}

fn of_hook(ebpf: &aya::Ebpf) -> Result<Vec<SelectorCount>, KernelError> {
    let map = ebpf.map(MAP).ok_or(KernelError::Missing(MAP))?;
    let map: PerCpuArray<_, Wire<SelectorCounters>> =
        PerCpuArray::try_from(map).map_err(|error| map_error(MAP, error))?;
    let add = |sum: SelectorCount, Wire(cpu): &Wire<SelectorCounters>| SelectorCount {
        hits: sum.hits + cpu.hits,
        unposted: sum.unposted + cpu.unposted,
    };
    let sum = |index| {
        let values = map.get(&index, 0).map_err(|error| map_error(MAP, error))?;
        Ok(values.iter().fold(SelectorCount::default(), add))
    };
    (0..map.len()).map(sum).collect()
}
