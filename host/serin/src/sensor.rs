//! Sets up the kernel side and what the reader needs to know of it.

use std::path::Path;

use anyhow::{Context, Result};
use serin_kernel::{Kernel, KernelConfig, Reader};
use serin_policy::{Policy, PolicyPlan};
use serin_process::{Clock, Config, ProcessCache, Scanned};

use crate::live::LivePolicies;
use crate::policies;
use crate::table::HookTable;

const PROCFS: &str = "/proc";

/// Everything attached, nothing read yet.
pub(crate) struct Sensor {
    /// The kernel, with everything that is attached.
    pub policies: LivePolicies,
    pub reader: Reader,
    pub processes: ProcessCache,
    pub hooks: HookTable,
}

impl Sensor {
    /// Attaches the process programs first, then looks at the processes that are there, then attaches the
    /// policies: so every hit finds its process.
    ///
    /// # Errors
    /// If the kernel refuses anything. Nothing stays attached then.
    pub(crate) fn start(config: &KernelConfig, node_name: &str, policies: Vec<Policy>) -> Result<Self> {
        let mut kernel = Kernel::open(config)?;
        let reader = kernel.take_reader().context("the reader was taken before")?;
        kernel.name_binaries(&policies::plans(&policies))?;
        kernel.attach_processes()?;
        let mut processes = ProcessCache::new(Config::new(node_name), Clock::system());
        bootstrap(&mut kernel, &mut processes)?;
        let (changes, hooks) = HookTable::new();
        let policies = LivePolicies::attach(kernel, policies, changes)?;
        Ok(Self { policies, reader, processes, hooks })
    }
}

fn bootstrap(kernel: &mut Kernel, processes: &mut ProcessCache) -> Result<()> {
    let scanned: Vec<_> = scan()?.collect();
    for process in &scanned {
        kernel.add_process(process.pid, &String::from_utf8_lossy(&process.binary))?;
    }
    processes.bootstrap(scanned);
    Ok(())
}

/// Tells the kernel programs which processes run a binary that only this policy names.
pub(crate) fn name_processes(kernel: &mut Kernel, policy: &PolicyPlan) -> Result<()> {
    let selectors = policy.hooks.iter().flat_map(|hook| &hook.selectors);
    let named: Vec<_> =
        selectors.flat_map(|selector| &selector.binaries).flat_map(|filter| &filter.values).collect();
    for process in scan()? {
        let binary = String::from_utf8_lossy(&process.binary);
        if named.iter().any(|name| **name == binary) {
            kernel.name_process(process.pid, &binary)?;
        }
    }
    Ok(())
}

fn scan() -> Result<impl Iterator<Item = Scanned>> {
    serin_process::scan(Path::new(PROCFS)).with_context(|| format!("cannot read {PROCFS}"))
}
