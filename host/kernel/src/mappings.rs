//! Files that processes map to execute them: programs, interpreters, libraries.
//!
//! The kernel tells of them by itself, with the build IDs of ELF files, to whoever has a perf event open that asks for it:
//! one for each CPU, whose records stand in memory that is shared with the agent. No program is attached.

mod order;
mod ring;

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serin_event::Record;
use serin_policy::PolicyPlan;

pub(crate) use self::order::Order;
use self::ring::{Item, PerfRing};
use crate::loss::LossTracker;
use crate::target::function;
use crate::{AttemptError, Backend, HookCount, Kernel, KernelError, LoadedHook};

/// The initial pid namespace: `PROC_PID_INIT_INO`.
///
/// <https://elixir.bootlin.com/linux/v6.12/source/include/linux/proc_ns.h#L43>
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Whether the kernel would tell this process of others by ids that mean the same to both.
pub(crate) fn check() -> Result<(), String> {
    let namespace =
        fs::read_link("/proc/self/ns/pid").map_err(|error| format!("/proc/self/ns/pid: {error}"))?;
    if namespace.as_os_str() == INITIAL_PID_NAMESPACE {
        return Ok(());
    }
    Err("the agent is in a pid namespace of its own, which the kernel tells of no other processes; run it in the \
         host's (`hostPID: true`, `--pid=host`)"
        .into())
}

/// The perf events, shared by the kernel side, which opens and stops them, and the reader.
#[derive(Debug, Default)]
pub(crate) struct Mappings {
    rings: Mutex<Rings>,
    delivered: AtomicU64,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Rings {
    rings: Vec<PerfRing>,
    /// The CPUs that were online when that was last looked at.
    online: Vec<u32>,
    losses: LossTracker,
    /// Nothing new comes; what is there has to be read once more.
    stopped: bool,
}

impl Mappings {
    fn lock(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens an event for each CPU, unless that has been done.
    pub(crate) fn open(&self) -> Result<(), KernelError> {
        let mut state = self.lock();
        if !state.rings.is_empty() && !state.stopped {
            return Ok(());
        }
        let online = aya::util::online_cpus().map_err(|(_, error)| KernelError::PerfEvent(error))?;
        let rings = online.iter().map(|cpu| PerfRing::open(*cpu, 0)).collect::<Result<Vec<_>, _>>();
        *state = Rings { rings: rings.map_err(KernelError::PerfEvent)?, online, ..Rings::default() };
        Ok(())
    }

    /// Has the kernel write no more records. Those that are there are left to the reader.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.rings.iter().for_each(PerfRing::disable);
        state.stopped = true;
    }

    /// Takes what is there, and appends the losses that it proves.
    fn take(&self, time: u64, items: &mut Vec<Item>, records: &mut Vec<Record>) {
        let mut state = self.lock();
        let Rings { rings, losses, stopped, .. } = &mut *state;
        for ring in rings.iter_mut() {
            let before = items.len();
            ring.read(items);
            let mapped = items.iter().skip(before).filter(|item| matches!(item, Item::Mapping(_))).count();
            self.delivered.fetch_add(mapped as u64, Ordering::Relaxed);
            if *stopped {
                ring.count_lost();
            }
            self.report(ring, losses, time, records);
        }
        if *stopped {
            rings.clear();
        }
    }

    /// Appends the losses that the kernel has counted and no record has proved yet, and opens events for CPUs that have come
    /// online. To be called about once a second.
    pub(crate) fn reconcile(&self, time: u64, records: &mut Vec<Record>) {
        let mut state = self.lock();
        let Rings { rings, losses, .. } = &mut *state;
        for ring in rings {
            ring.count_lost();
            self.report(ring, losses, time, records);
        }
        state.follow_cpus();
    }

    fn report(&self, ring: &PerfRing, losses: &mut LossTracker, time: u64, records: &mut Vec<Record>) {
        if let Some(loss) = losses.reconcile(ring.cpu(), ring.lost(), time) {
            self.lost.fetch_add(loss.count, Ordering::Relaxed);
            records.push(Record::Loss(loss));
        }
    }

    /// Mapped files that were told of, and records that found their buffer full.
    pub(crate) fn count(&self) -> HookCount {
        let posted = self.delivered.load(Ordering::Relaxed);
        let lost = self.lost.load(Ordering::Relaxed);
        HookCount { hits: posted + lost, posted, lost, ..HookCount::default() }
    }
}

impl Rings {
    /// Opens events for CPUs that were not online before. What the kernel wrote for a CPU that went offline is left to be read
    /// until it comes back, when its event is another one.
    fn follow_cpus(&mut self) {
        if self.rings.is_empty() || self.stopped {
            return;
        }
        let Ok(online) = aya::util::online_cpus() else { return };
        let before = std::mem::replace(&mut self.online, online);
        let came = self.online.iter().filter(|cpu| !before.contains(cpu)).copied();
        for cpu in came.collect::<Vec<_>>() {
            self.open_again(cpu);
        }
    }

    fn open_again(&mut self, cpu: u32) {
        let old = self.rings.iter().position(|ring| u32::from(ring.cpu()) == cpu);
        let lost = old.map_or(0, |old| self.rings[old].lost());
        match PerfRing::open(cpu, lost) {
            Ok(ring) => {
                tracing::info!(
                    "CPU {cpu} has come online: files that are mapped there are told of from now on"
                );
                if let Some(old) = old {
                    self.rings.swap_remove(old);
                }
                self.rings.push(ring);
            }
            Err(error) => {
                tracing::warn!(
                    "CPU {cpu} has come online, and files that are mapped there are not told of: {error}"
                );
            }
        }
    }
}

/// The kernel side's part in it: what the events are open for.
#[derive(Debug, Default)]
pub(crate) struct Loaders {
    mappings: Arc<Mappings>,
    /// Ids of the hooks that want them, each with what had been counted before.
    hooks: Vec<(u32, HookCount)>,
}

impl Loaders {
    /// What the reader reads.
    pub(crate) fn mappings(&self) -> Arc<Mappings> {
        Arc::clone(&self.mappings)
    }

    /// Adds a hook.
    pub(crate) fn attach(&mut self, hook: u32) -> Result<(), KernelError> {
        self.mappings.open()?;
        self.hooks.push((hook, self.mappings.count()));
        Ok(())
    }

    /// Takes hooks out; without any, the events go.
    pub(crate) fn detach(&mut self, goes: impl Fn(u32) -> bool) {
        let before = self.hooks.len();
        self.hooks.retain(|(hook, _)| !goes(*hook));
        if self.hooks.is_empty() && before > 0 {
            self.mappings.stop();
        }
    }

    /// What has been counted while each hook was there.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (u32, HookCount)> + '_ {
        let now = self.mappings.count();
        self.hooks.iter().map(move |(hook, before)| {
            let (posted, lost) = (now.posted - before.posted, now.lost - before.lost);
            (*hook, HookCount { hits: posted + lost, posted, lost, ..HookCount::default() })
        })
    }

    /// Records that found their buffer full, since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.mappings.count().lost
    }
}

impl Kernel {
    /// Has mapped files told of for a policy.
    pub(crate) fn attach_loader(
        &mut self,
        policy: &PolicyPlan,
        index: usize,
        id: u32,
    ) -> Result<LoadedHook, KernelError> {
        let plan = &policy.hooks[index];
        let attached = check().and_then(|()| self.loaders.attach(id).map_err(|error| error.to_string()));
        let function = function(&plan.target);
        let backend = Backend::PerfEvent;
        match attached {
            Ok(()) => Ok(LoadedHook { id, index, function, backend, returns: None, enforcement: None }),
            Err(reason) => Err(KernelError::Unattachable {
                policy: policy.name.clone(),
                hook: function,
                line: plan.position.0,
                column: plan.position.1,
                what: "hooked",
                attempts: vec![AttemptError { backend, reason }],
            }),
        }
    }
}

impl Drop for Loaders {
    fn drop(&mut self) {
        self.mappings.stop();
    }
}
