//! Sets up the kernel side and what the reader needs to know of it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use serin_kernel::{ExistingProcess, Kernel, KernelConfig, LoadedHook, LoadedPolicy, Reader};
use serin_policy::{Policy, PolicyPlan};
use serin_process::{Clock, Config, Hooks, ProcessCache};

use crate::hooks::{self, Canaries};
use crate::policies;

const PROCFS: &str = "/proc";

/// Everything attached, nothing read yet.
pub(crate) struct Sensor {
    /// Dropping it detaches everything.
    pub kernel: Kernel,
    pub reader: Reader,
    pub processes: ProcessCache,
    pub hooks: Hooks,
    pub canaries: Canaries,
    pub loaded: Vec<LoadedPolicy>,
}

impl Sensor {
    /// Attaches the process programs first, then looks at the processes that are there, then attaches the
    /// policies: so every hit finds its process.
    ///
    /// # Errors
    /// If the kernel refuses anything. Nothing stays attached then.
    pub(crate) fn start(config: &KernelConfig, node_name: &str, policies: &[Policy]) -> Result<Self> {
        let plans = policies::plans(policies);
        let mut kernel = Kernel::open(&config.with_room_for(&plans))?;
        let reader = kernel.take_reader().context("the reader was taken before")?;
        kernel.name_binaries(&plans)?;
        kernel.attach_processes()?;
        let mut processes = ProcessCache::new(Config::new(node_name), Clock::system());
        bootstrap(&mut kernel, &mut processes)?;
        let loaded = kernel.attach_policies(&plans).map_err(|error| policies::at_hook(error, policies))?;
        let (hooks, canaries) = index(&plans, &loaded);
        Ok(Self { kernel, reader, processes, hooks, canaries, loaded })
    }
}

fn bootstrap(kernel: &mut Kernel, processes: &mut ProcessCache) -> Result<()> {
    let scanned: Vec<_> =
        serin_process::scan(Path::new(PROCFS)).with_context(|| format!("cannot read {PROCFS}"))?.collect();
    let binaries: Vec<_> = scanned.iter().map(|process| String::from_utf8_lossy(&process.binary)).collect();
    let existing: Vec<_> = scanned
        .iter()
        .zip(&binaries)
        .map(|(process, binary)| ExistingProcess { pid: process.pid, parent: process.parent_pid, binary })
        .collect();
    kernel.add_processes(&existing)?;
    processes.bootstrap(scanned);
    Ok(())
}

fn index(plans: &[PolicyPlan], loaded: &[LoadedPolicy]) -> (Hooks, Canaries) {
    let (mut infos, mut canaries) = (Hooks::new(), Canaries::default());
    for (plan, loaded) in plans.iter().zip(loaded) {
        let name: Arc<str> = plan.name.as_str().into();
        for hook in &loaded.hooks {
            let Some(plan) = plan.hooks.get(hook.index) else { continue };
            infos.insert(hook.id, hooks::info(&name, &hook.function, plan));
            canaries.add(hook.id, &name, plan);
        }
        // What an entry with a list stands for is told in one line.
        let position = |hook: &LoadedHook| plan.hooks.get(hook.index).map(|plan| plan.position);
        for hooks in loaded.hooks.chunk_by(|one, other| position(one) == position(other)) {
            let [hook, more @ ..] = hooks else { continue };
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            let enforcement = hook.enforcement.as_ref().map(|way| format!(", overridden by {way}"));
            let enforcement = enforcement.unwrap_or_default();
            let returns = hook.returns.map(|backend| format!(" and {backend}")).unwrap_or_default();
            let (function, backend) = (&hook.function, hook.backend);
            tracing::info!("policy {name}: {function}{more} attached by {backend}{returns}{enforcement}");
        }
    }
    (infos, canaries)
}
