//! Sets up the kernel side and what the reader needs to know of it.

use std::borrow::Cow;
use std::path::Path;

use anyhow::{Context, Result};
use serin_kernel::{ExistingProcess, Kernel, KernelConfig, KernelError, NewFilters, Reader};
use serin_policy::Policy;
use serin_process::{Clock, Config, ProcessCache, Scanned};

use crate::containers::Containers;
use crate::live::LivePolicies;
use crate::node::Labels;
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
    pub(crate) fn start(
        config: &KernelConfig,
        (node_name, labels): (&str, Labels),
        policies: Vec<Policy>,
        containers: Option<&Containers>,
    ) -> Result<Self> {
        let plans = policies::plans(&policies);
        let config =
            KernelConfig { containers_described: containers.is_some(), ..config.with_room_for(&plans) };
        let mut kernel = Kernel::open(&config)?;
        let known = containers.map(Containers::read).transpose()?.unwrap_or_default();
        kernel.describe_containers(known.descriptions)?;
        let reader = kernel.take_reader().context("the reader was taken before")?;
        kernel.name_binaries(&plans)?;
        kernel.attach_processes()?;
        let mut processes = ProcessCache::new(Config::new(node_name), Clock::system());
        processes.describe_containers(known.pods);
        bootstrap(&mut kernel, &mut processes)?;
        let (changes, hooks) = HookTable::new();
        let policies = LivePolicies::attach(kernel, policies, labels, changes)?;
        Ok(Self { policies, reader, processes, hooks })
    }
}

fn bootstrap(kernel: &mut Kernel, processes: &mut ProcessCache) -> Result<()> {
    let scanned = scan()?;
    let binaries = binaries(&scanned);
    kernel.add_processes(&existing(&scanned, &binaries))?;
    processes.bootstrap(scanned);
    Ok(())
}

/// Holds the processes that run against filters on binaries that have come while they did.
pub(crate) fn classify_again(kernel: &mut Kernel, new: &NewFilters) -> Result<()> {
    /// Each takes some milliseconds, and the second mostly finds nothing any more.
    const LOOKS: usize = 32;
    for _ in 0..LOOKS {
        let scanned = scan()?;
        let binaries = binaries(&scanned);
        if !kernel.classify_again(new, &existing(&scanned, &binaries), binary_of)? {
            return Ok(());
        }
    }
    Err(KernelError::Restless.into())
}

/// What a process runs now.
fn binary_of(pid: u32) -> Option<String> {
    let binary = serin_process::binary(Path::new(PROCFS), pid).ok()?;
    Some(String::from_utf8_lossy(&binary).into_owned())
}

fn scan() -> Result<Vec<Scanned>> {
    let processes = serin_process::scan(Path::new(PROCFS));
    Ok(processes.with_context(|| format!("cannot read {PROCFS}"))?.collect())
}

fn binaries(scanned: &[Scanned]) -> Vec<Cow<'_, str>> {
    scanned.iter().map(|process| String::from_utf8_lossy(&process.binary)).collect()
}

fn existing<'p>(scanned: &[Scanned], binaries: &'p [Cow<'_, str>]) -> Vec<ExistingProcess<'p>> {
    let existing = |(process, binary): (&Scanned, &'p Cow<'_, str>)| ExistingProcess {
        pid: process.pid,
        parent: process.parent_pid,
        binary,
    };
    scanned.iter().zip(binaries).map(existing).collect()
}
