//! The processes that are remembered, bounded in number and, once they have exited, in time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serin_event::Process;
use serin_event::record::Task;

use crate::census::Remembered;
use crate::scan::tick;

/// What tells processes apart: /proc gives start times in ticks only, so ticks have to do for records as well.
///
/// Two processes that get one id within 10 ms are taken for one; the kernel gives an id again only after all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pid: u32,
    start_ticks: u64,
}

impl Key {
    pub(crate) fn new(pid: u32, start_time: u64) -> Self {
        Self { pid, start_ticks: start_time / tick() }
    }
}

impl From<Task> for Key {
    fn from(task: Task) -> Self {
        Self::new(task.pid, task.start_time)
    }
}

/// A process.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its program now.
    pub(crate) image: Arc<Process>,
    /// The program of its parent when the image came about.
    pub(crate) parent: Option<Arc<Process>>,
    /// When the process started, as exactly as known: boot time in nanoseconds.
    pub(crate) start_time: u64,
    /// When it exited, if it has.
    pub(crate) exited: Option<u64>,
    /// When it was last asked for.
    pub(crate) seen: u64,
}

/// Processes by key. Times are nanoseconds of boot time.
#[derive(Debug)]
pub(crate) struct Table {
    entries: HashMap<Key, Entry>,
    /// For each process id the process that has it, or had it last.
    newest: HashMap<u32, Key>,
    /// Exited processes with the time of their exit, in that order.
    exited: VecDeque<(Key, u64)>,
    grace: u64,
}

impl Table {
    pub(crate) fn new(grace: u64) -> Self {
        Self { entries: HashMap::new(), newest: HashMap::new(), exited: VecDeque::new(), grace }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All of them, in no order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Remembered> {
        let remembered =
            |entry: &Entry| Remembered { process: Arc::clone(&entry.image), exited: entry.exited.is_some() };
        self.entries.values().map(remembered)
    }

    /// All of them, in no order, to be changed.
    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.values_mut()
    }

    /// Looks a process up and notes that it was seen.
    pub(crate) fn get(&mut self, key: Key, now: u64) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(&key)?;
        entry.seen = now;
        Some(entry)
    }

    /// The process that has an id, or had it last.
    pub(crate) fn newest(&self, pid: u32) -> Option<&Entry> {
        self.entries.get(self.newest.get(&pid)?)
    }

    /// Adds a process, or replaces it.
    pub(crate) fn insert(&mut self, key: Key, entry: Entry) {
        if let Some(time) = entry.exited {
            self.exited.push_back((key, time));
        }
        self.entries.insert(key, entry);
        let newest = self.newest.entry(key.pid).or_insert(key);
        if newest.start_ticks < key.start_ticks {
            *newest = key;
        }
    }

    /// Notes that a process has exited; from now on it is kept for the grace period only.
    pub(crate) fn exit(&mut self, key: Key, now: u64) {
        if let Some(entry) = self.entries.get_mut(&key)
            && entry.exited.is_none()
        {
            entry.exited = Some(now);
            self.exited.push_back((key, now));
        }
    }

    /// Forgets the processes whose grace period is over.
    pub(crate) fn expire(&mut self, now: u64) {
        while self.exited.front().is_some_and(|(_, time)| time.saturating_add(self.grace) <= now) {
            self.forget_oldest_exited();
        }
    }

    /// Forgets the process that exited first; false if none has.
    pub(crate) fn evict_exited(&mut self) -> bool {
        while !self.exited.is_empty() {
            if self.forget_oldest_exited() {
                return true;
            }
        }
        false
    }

    /// False if the entry has been replaced since by another process's.
    fn forget_oldest_exited(&mut self) -> bool {
        let Some((key, time)) = self.exited.pop_front() else { return false };
        let is_it = self.entries.get(&key).is_some_and(|entry| entry.exited == Some(time));
        if is_it {
            self.remove(key);
        }
        is_it
    }

    /// Takes for exited every process whose id is not in use any more, and tells how many.
    pub(crate) fn reap(&mut self, now: u64, in_use: impl Fn(u32) -> bool) -> usize {
        let gone =
            |(key, entry): (&Key, &Entry)| (entry.exited.is_none() && !in_use(key.pid)).then_some(*key);
        let gone: Vec<Key> = self.entries.iter().filter_map(gone).collect();
        gone.iter().for_each(|key| self.exit(*key, now));
        gone.len()
    }

    /// Forgets up to `count` processes that are still there: those that were not seen for longest. Tells how many.
    pub(crate) fn evict_live(&mut self, count: usize) -> usize {
        let live = self.entries.iter().filter(|(_, entry)| entry.exited.is_none());
        let mut live: Vec<(u64, Key)> = live.map(|(key, entry)| (entry.seen, *key)).collect();
        if count < live.len() {
            live.select_nth_unstable_by_key(count, |(seen, _)| *seen);
            live.truncate(count);
        }
        live.iter().for_each(|(_, key)| self.remove(*key));
        live.len()
    }

    fn remove(&mut self, key: Key) {
        self.entries.remove(&key);
        if self.newest.get(&key.pid) == Some(&key) {
            self.newest.remove(&key.pid);
        }
    }
}
