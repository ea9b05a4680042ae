//! Calls that hooks wait for and that never return, as far as they saw it.
//!
//! What a hook saw where a call begins is kept, by the thread, until the call returns. A call can end otherwise: the kernel
//! misses returns by kretprobe, a thread that is not the first calls execve(2) and goes on as the first, the hook is taken
//! away. What is kept for those is removed here, or it would fill the tables; each counts as lost.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aya::maps::{HashMap, Map, MapData};
use serin_abi::Call;
use serin_abi::record::{MAX_RECORD, SHORT_RECORD};

use crate::kernel::is_absent;
use crate::programs::map_error;
use crate::wire::Wire;
use crate::{Kernel, KernelError, mappings};

/// Where the kernel lists threads: `/proc/PID/task/TID`.
const PROCFS: &str = "/proc";

/// What was removed.
#[derive(Debug, Default)]
pub(crate) struct EndedCalls {
    by_hook: BTreeMap<u32, EndedOf>,
    /// Records that are lost by it, over all hooks, also those that have gone.
    lost: Arc<AtomicU64>,
}

/// The same of one hook.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndedOf {
    /// Records that were kept.
    pub(crate) lost: u64,
    /// Calls that were to be decided when they return.
    pub(crate) unreadable: u64,
}

impl EndedCalls {
    pub(crate) fn of(&self, hook: u32) -> EndedOf {
        self.by_hook.get(&hook).copied().unwrap_or_default()
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// The same number, wherever it is looked at.
    pub(crate) fn shared(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.lost)
    }

    fn add(&mut self, ended: BTreeMap<u32, EndedOf>) {
        for (hook, EndedOf { lost, unreadable }) in ended {
            self.lost.fetch_add(lost, Ordering::Relaxed);
            let all = self.by_hook.entry(hook).or_default();
            all.lost += lost;
            all.unreadable += unreadable;
        }
    }
}

impl Kernel {
    /// Forgets calls that can't return to their hook any more, as their thread has gone. To be called now and then.
    ///
    /// # Errors
    /// A table can't be read or written.
    pub fn forget_calls(&mut self) -> Result<(), KernelError> {
        // Elsewhere the threads that are listed are others.
        if mappings::check().is_err() {
            return Ok(());
        }
        self.forget(|call| !is_there(Path::new(PROCFS), call.task))
    }

    /// Forgets the calls of hooks that have been detached.
    pub(crate) fn forget_calls_of(&mut self, gone: impl Fn(u32) -> bool) -> Result<(), KernelError> {
        self.forget(|call| gone(call.hook))?;
        self.ended.by_hook.retain(|hook, _| !gone(*hook));
        Ok(())
    }

    fn forget(&mut self, ends: impl Fn(&Call) -> bool) -> Result<(), KernelError> {
        let mut ended: BTreeMap<u32, EndedOf> = BTreeMap::new();
        let pins = self.pins.path();
        remove::<[u8; SHORT_RECORD]>(pins, "CALLS", &ends, |hook| ended.entry(hook).or_default().lost += 1)?;
        remove::<[u8; MAX_RECORD]>(pins, "LONG_CALLS", &ends, |hook| {
            ended.entry(hook).or_default().lost += 1
        })?;
        // Their number in the kernel stays too high by these: it says that there may be some, and no more.
        remove::<u32>(pins, "UNDECIDED", &ends, |hook| ended.entry(hook).or_default().unreadable += 1)?;
        self.ended.add(ended);
        Ok(())
    }
}

/// Removes calls from a table, which is there once a hook has been attached that waits for returns.
fn remove<V: aya::Pod>(
    pins: &Path,
    name: &'static str,
    ends: &impl Fn(&Call) -> bool,
    mut removed: impl FnMut(u32),
) -> Result<(), KernelError> {
    let path = pins.join(name);
    if !path.exists() {
        return Ok(());
    }
    let failed = |error| map_error(name, error);
    let table = MapData::from_pin(&path).and_then(Map::from_map_data).map_err(failed)?;
    let mut table: HashMap<_, Wire<Call>, V> = HashMap::try_from(table).map_err(failed)?;
    let calls: Vec<Wire<Call>> = table.keys().collect::<Result<_, _>>().map_err(failed)?;
    for call in calls.into_iter().filter(|Wire(call)| ends(call)) {
        match table.remove(&call) {
            Ok(()) => removed(call.0.hook),
            // It has returned meanwhile.
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

/// Whether there is a thread with this id, as `bpf_get_current_pid_tgid` gives it.
fn is_there(procfs: &Path, task: u64) -> bool {
    let (process, thread) = (task >> 32, task as u32);
    procfs.join(format!("{process}/task/{thread}")).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_there_until_they_end() {
        let task = |thread: u32| u64::from(std::process::id()) << 32 | u64::from(thread);
        let id = || rustix::thread::gettid().as_raw_nonzero().get() as u32;
        let here = task(id());
        let (other, stays) = std::thread::scope(|scope| {
            scope.spawn(|| (task(id()), is_there(Path::new(PROCFS), task(id())))).join().unwrap_or_default()
        });
        assert!(is_there(Path::new(PROCFS), here) && stays);
        // The kernel may list a thread for a moment after it was joined.
        let gone = (0..1000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            !is_there(Path::new(PROCFS), other)
        });
        assert!(gone, "thread {other:#x} is still there");
    }

    #[test]
    fn what_was_removed_adds_up() {
        let mut all = EndedCalls::default();
        let one = EndedOf { lost: 1, unreadable: 2 };
        all.add([(7, one), (8, one)].into());
        all.add([(7, one)].into());
        assert_eq!((all.of(7), all.of(8)), (EndedOf { lost: 2, unreadable: 4 }, one));
        assert_eq!((all.of(9), all.lost()), (EndedOf::default(), 3));
    }
}
