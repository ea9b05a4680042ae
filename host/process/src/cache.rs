//! From records to events.

mod containers;
mod lookup;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serin_event::process::Flags;
use serin_event::record::{self, Exec, Exit, Fork, Header, HookHit, Loss, Record};
use serin_event::{Event, EventKind, Hook, Mapping, Process};

use self::lookup::{Budget, Related};
use crate::cgroup::Cgroups;
use crate::clock::Clock;
use crate::hook::{HookInfo, Hooks};
use crate::image::Host;
use crate::pods::Pods;
use crate::scan::Scanned;
use crate::stack::Stacks;
use crate::table::{Entry, Key, Table};

/// How a [`ProcessCache`] is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of this host in events and in `exec_id`.
    pub node_name: Arc<str>,
    /// Where proc is mounted.
    pub procfs: PathBuf,
    /// How many processes are remembered, exited ones included; at least 1. A process takes about 1 KB.
    pub capacity: usize,
    /// How long a process is remembered after its exit, for records that come late.
    pub grace: Duration,
}

impl Config {
    /// The usual: `/proc`, 32768 processes, 2 seconds.
    pub fn new(node_name: &str) -> Self {
        Self {
            node_name: node_name.into(),
            procfs: PathBuf::from("/proc"),
            capacity: 32_768,
            grace: Duration::from_secs(2),
        }
    }
}

/// What the cache could not do as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Records of a process that was not known, so that /proc had to be asked.
    pub misses: u64,
    /// Misses that /proc could not answer: the process was gone, or too many were asked for in one second. Their
    /// events have only its id and start time.
    pub unknown: u64,
    /// Processes forgotten before their grace period was over, as the cache was full.
    pub evicted_exited: u64,
    /// Processes forgotten although they were still there, as the cache was full.
    pub evicted_live: u64,
    /// Processes found to be gone without a record of their exit.
    pub reaped: u64,
    /// Hits dropped because no hook has their id.
    pub unknown_hooks: u64,
}

/// The processes of this host.
///
/// It has one owner, who applies the records in the ring buffer's order; there are no locks.
#[derive(Debug)]
pub struct ProcessCache {
    config: Config,
    host: Host,
    table: Table,
    cgroups: Cgroups,
    stacks: Stacks,
    /// Process 0.
    kernel: Arc<Process>,
    no_label: Arc<str>,
    no_actions: Arc<[&'static str]>,
    reads: Budget,
    counters: Counters,
}

impl ProcessCache {
    /// An empty cache.
    pub fn new(config: Config, clock: Clock) -> Self {
        let host = Host { node_name: Arc::clone(&config.node_name), clock, pods: Pods::new() };
        Self {
            table: Table::new(u64::try_from(config.grace.as_nanos()).unwrap_or(u64::MAX)),
            cgroups: Cgroups::new(&config.procfs),
            stacks: Stacks::new(&config.procfs),
            kernel: Arc::new(host.kernel()),
            no_label: "".into(),
            no_actions: Arc::new([]),
            reads: Budget::default(),
            counters: Counters::default(),
            host,
            config,
        }
    }

    /// Adds the processes that were there already. What records have told of a process is kept.
    pub fn bootstrap(&mut self, scanned: impl IntoIterator<Item = Scanned>) {
        let mut scanned: Vec<Scanned> = scanned.into_iter().collect();
        let starts: HashMap<u32, u64> = scanned.iter().map(|found| (found.pid, found.start_time)).collect();
        // Parents start before their children.
        scanned.sort_unstable_by_key(|found| (found.start_time, found.pid));
        for found in scanned {
            let key = Key::new(found.pid, found.start_time);
            if self.table.get(key, 0).is_some() {
                continue;
            }
            let (parent_exec_id, parent) = match (found.parent_pid, starts.get(&found.parent_pid)) {
                (0, _) => (self.kernel.exec_id.clone(), Some(Arc::clone(&self.kernel))),
                (pid, Some(start_time)) => self.parent_named(pid, *start_time, 0),
                (_, None) => (String::new(), None),
            };
            let flags = Flags { proc_fs: true, ..Flags::default() };
            let image = Arc::new(self.host.scanned(&found, parent_exec_id, flags));
            self.insert(key, Entry { image, parent, start_time: found.start_time, exited: None, seen: 0 });
        }
    }

    /// Takes in a record and appends the event it makes, if it makes one: a fork does not.
    pub fn apply(&mut self, record: Record, hooks: &Hooks, out: &mut Vec<Event>) {
        let now = record.time();
        self.host.clock.advance(now);
        self.table.expire(now);
        match record {
            Record::Exec(exec) => out.push(self.exec(exec)),
            Record::Fork(fork) => self.fork(&fork),
            Record::Exit(exit) => out.push(self.exit(&exit)),
            Record::Hook(hit) => out.extend(self.hook(hit, hooks)),
            Record::Mapping(mapping) => out.push(self.mapping(mapping)),
            Record::Loss(loss) => out.push(self.loss(loss)),
        }
    }

    /// What went wrong since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How many processes are remembered.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no process is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    fn exec(&mut self, exec: Exec) -> Event {
        let header = exec.header;
        let Header { time, task, cgroup_id, .. } = header;
        // The parent as of now: if the one that forked has exited, its own parent or a reaper.
        let (parent, _) = self.find(exec.parent, time);
        let previous = self.table.get(task.into(), time).map(|entry| entry.clone());
        let before = previous.as_ref().map(|entry| &*entry.image);
        let forked = before.is_some_and(|image| image.flags.clone && !image.flags.execve);
        let known = before.map(|image| (image.cgroup_id, image.cgroup.as_str()));
        let cgroup = self.cgroups.path(cgroup_id, task.pid, known);
        let image = Arc::new(self.host.executed(exec, &parent, forked, cgroup));
        // An exit that came before stands, unless it was only assumed as the process could not be found.
        let exited = previous.and_then(|entry| if entry.image.flags.miss { None } else { entry.exited });
        let related = (Arc::clone(&image), Some(Arc::clone(&parent)));
        let start_time = task.start_time;
        self.insert(task.into(), Entry { image, parent: Some(parent), start_time, exited, seen: time });
        self.event(header, EventKind::Exec, related, task.pid)
    }

    fn fork(&mut self, fork: &Fork) {
        let Header { time, task, .. } = fork.header;
        let start_time = fork.child.start_time;
        let known = self.table.get(fork.child.into(), time);
        // Found in /proc already, or its exec came first; an exited process with another start had the id before.
        if known.is_some_and(|entry| entry.exited.is_none() || entry.start_time == start_time) {
            return;
        }
        let (caller, _) = self.find(task, time);
        let same = (task.pid, task.start_time) == (fork.parent.pid, fork.parent.start_time);
        let parent = if same { Arc::clone(&caller) } else { self.find(fork.parent, time).0 };
        let image = Arc::new(self.host.forked(fork, &caller, &parent));
        let entry = Entry { image, parent: Some(parent), start_time, exited: None, seen: time };
        self.insert(fork.child.into(), entry);
    }

    fn exit(&mut self, exit: &Exit) -> Event {
        let Header { time, task, .. } = exit.header;
        let related = self.find(task, time);
        self.table.exit(task.into(), time);
        // Bit 7 tells of a core dump.
        let kind = EventKind::Exit { status: (exit.code >> 8) as u8, signal: (exit.code & 0x7f) as u8 };
        self.event(exit.header, kind, related, task.pid)
    }

    fn hook(&mut self, hit: HookHit, hooks: &Hooks) -> Option<Event> {
        let Some(info) = hooks.get(&hit.hook) else {
            self.counters.unknown_hooks += 1;
            return None;
        };
        let header = hit.header;
        let related = self.find(header.task, header.time);
        let kind = EventKind::Kprobe(self.what_happened(hit, info));
        Some(self.event(header, kind, related, header.task.tid))
    }

    fn mapping(&mut self, mapping: record::Mapping) -> Event {
        let record::Mapping { time, pid, tid, path, build_id, .. } = mapping;
        let (process, parent) = self.find_by_id(pid, time);
        let kind = EventKind::Loader(Mapping { path, build_id });
        Event { process: Some(process), parent, tid, ..self.bare(time, kind) }
    }

    fn what_happened(&mut self, hit: HookHit, info: &HookInfo) -> Hook {
        let kernel_stack = self.stacks.kernel(&hit.kernel_stack, hit.header.time);
        let user_stack = self.stacks.user(&hit.user_stack, hit.header.task);
        let labels = info.labels.iter().chain(std::iter::repeat(&self.no_label));
        let mut arguments: Vec<_> = hit.arguments.into_iter().zip(labels.cloned()).collect();
        let data = arguments.split_off(arguments.len().saturating_sub(info.data));
        let of_selector = |actions: &[Arc<[&'static str]>]| {
            let found = usize::try_from(hit.selector).ok().and_then(|index| actions.get(index));
            Arc::clone(found.unwrap_or(&self.no_actions))
        };
        let (actions, return_actions) = (of_selector(&info.actions), of_selector(&info.return_actions));
        Hook {
            place: info.place.clone(),
            function_name: Arc::clone(&info.function_name),
            policy_name: Arc::clone(&info.policy_name),
            message: Arc::clone(&info.message),
            tags: Arc::clone(&info.tags),
            arguments,
            data,
            returned: hit.returned.map(|value| (value, Arc::clone(&info.return_label))),
            kernel_stack,
            user_stack,
            ima_hash: hit.hash,
            actions,
            return_actions,
            selector: hit.selector,
            failed_closed: hit.failed_closed,
            unenforced: hit.unenforced,
        }
    }

    fn loss(&self, loss: Loss) -> Event {
        self.bare(loss.time, EventKind::Loss { cpu: loss.cpu, count: loss.count })
    }

    fn event(&self, header: Header, kind: EventKind, (process, parent): Related, tid: u32) -> Event {
        Event { process: Some(process), parent, tid, ..self.bare(header.time, kind) }
    }

    /// An event of no process.
    fn bare(&self, time: u64, kind: EventKind) -> Event {
        Event {
            time: self.host.clock.unix(time),
            node_name: Arc::clone(&self.host.node_name),
            kind,
            process: None,
            parent: None,
            tid: 0,
            annotations: Vec::new(),
            alerts: Vec::new(),
        }
    }
}
