//! Finding processes, and keeping their number bounded.

use std::collections::HashSet;
use std::sync::Arc;

use serin_event::Process;
use serin_event::process::Flags;
use serin_event::record::Task;

use super::ProcessCache;
use crate::exec_id::exec_id;
use crate::scan::{Scanned, pids};
use crate::table::{Entry, Key};

/// Processes that may be read from /proc in one second of boot time: about a tenth of a core.
///
/// Processes are unknown when records were lost, which is when the reader has no time to spare.
const READS_PER_SECOND: u32 = 1000;

/// When the table is full of processes that are still there, one in this many makes room.
const EVICTED_SHARE: usize = 16;

/// What is left of [`READS_PER_SECOND`].
#[derive(Debug, Default)]
pub(super) struct Budget {
    second: u64,
    spent: u32,
}

impl Budget {
    fn take(&mut self, now: u64) -> bool {
        let second = now / 1_000_000_000;
        if second != self.second {
            *self = Self { second, spent: 0 };
        }
        self.spent = self.spent.saturating_add(1);
        self.spent <= READS_PER_SECOND
    }
}

/// A process and its parent.
pub(super) type Related = (Arc<Process>, Option<Arc<Process>>);

impl ProcessCache {
    /// The process of a task; from /proc if it is not known.
    pub(super) fn find(&mut self, task: Task, now: u64) -> Related {
        if task.pid == 0 {
            return (Arc::clone(&self.kernel), None);
        }
        match self.table.get(task.into(), now) {
            Some(entry) => (Arc::clone(&entry.image), entry.parent.clone()),
            None => self.miss(task, now),
        }
    }

    /// The process that has an id now, or had it last, where nothing tells when it started; from /proc if it is not known.
    pub(super) fn find_by_id(&mut self, pid: u32, now: u64) -> Related {
        let known = self.table.newest(pid).map(|entry| entry.start_time);
        let start_time = known.or_else(|| self.read(pid, now).map(|found| found.start_time));
        self.find(Task { pid, tid: pid, start_time: start_time.unwrap_or_default() }, now)
    }

    fn miss(&mut self, task: Task, now: u64) -> Related {
        self.counters.misses += 1;
        let key = Key::from(task);
        let found = self.read(task.pid, now).filter(|found| Key::new(found.pid, found.start_time) == key);
        let exited = if found.is_some() { None } else { Some(now) };
        let (image, parent) = match found {
            Some(found) => {
                let (parent_exec_id, parent) = self.parent_of(&found, now);
                let flags = Flags { miss: true, ..Flags::default() };
                // The record knows the start more exactly than /proc.
                let found = Scanned { start_time: task.start_time, ..found };
                (self.host.scanned(&found, parent_exec_id, flags), parent)
            }
            None => {
                self.counters.unknown += 1;
                (self.host.unknown(task), None)
            }
        };
        let image = Arc::new(image);
        let related = (Arc::clone(&image), parent.clone());
        self.insert(key, Entry { image, parent, start_time: task.start_time, exited, seen: now });
        related
    }

    fn read(&mut self, pid: u32, now: u64) -> Option<Scanned> {
        if self.reads.take(now) { Scanned::read(&self.config.procfs, pid).ok() } else { None }
    }

    /// The parent's exec_id, empty if it is gone; and the parent, if it is known.
    fn parent_of(&mut self, child: &Scanned, now: u64) -> (String, Option<Arc<Process>>) {
        if child.parent_pid == 0 {
            return (self.kernel.exec_id.clone(), Some(Arc::clone(&self.kernel)));
        }
        let Some(parent) = self.read(child.parent_pid, now) else { return (String::new(), None) };
        self.parent_named(parent.pid, parent.start_time, now)
    }

    /// The parent's exec_id, and the parent, if it is known.
    pub(super) fn parent_named(
        &mut self,
        pid: u32,
        start_time: u64,
        now: u64,
    ) -> (String, Option<Arc<Process>>) {
        match self.table.get(Key::new(pid, start_time), now) {
            Some(entry) => (entry.image.exec_id.clone(), Some(Arc::clone(&entry.image))),
            None => (exec_id(&self.host.node_name, start_time, pid), None),
        }
    }

    /// Adds a process or replaces it, after making room if it must.
    pub(super) fn insert(&mut self, key: Key, entry: Entry) {
        if self.table.len() >= self.config.capacity && self.table.get(key, entry.seen).is_none() {
            self.make_room(entry.seen);
        }
        self.table.insert(key, entry);
    }

    /// Exited processes go first. If there are none, exits may have been lost, so ask /proc who is left, and let
    /// those go that were idle for longest: an evicted process that does something is read from /proc again.
    fn make_room(&mut self, now: u64) {
        if self.table.evict_exited() {
            self.counters.evicted_exited += 1;
            return;
        }
        let wanted = (self.config.capacity / EVICTED_SHARE).max(1);
        let reaped = match pids(&self.config.procfs) {
            Ok(pids) => {
                let in_use: HashSet<u32> = pids.collect();
                self.table.reap(now, |pid| in_use.contains(&pid))
            }
            Err(_) => 0,
        };
        self.counters.reaped += reaped as u64;
        if self.table.evict_exited() {
            self.counters.evicted_exited += 1;
        }
        // At least one in sixteen each time, so that the look at /proc is worth its time.
        self.counters.evicted_live += self.table.evict_live(wanted.saturating_sub(reaped)) as u64;
    }
}
