//! Puts mapped files in their places among the records of the kernel programs.
//!
//! The two come by different ways. What the agent knows of a process changes when its exec is read: so a file goes before
//! the records that are later than it. Between the start of an exec, when the kernel gives the process its new name, and the
//! record of it, the new program and its interpreter are mapped: they wait, and go behind it.

use std::collections::{BTreeMap, VecDeque};

use serin_event::Record;
use serin_event::record::Mapping;

use super::Mappings;
use super::ring::Item;

/// How long files wait for the record of an exec that may be lost, in nanoseconds.
const PATIENCE: u64 = 1_000_000_000;

/// What has been read of mapped files and is not yet passed on.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// By their times.
    pending: VecDeque<Item>,
    /// Processes in an exec, since when, and what they have mapped in it.
    executing: BTreeMap<u32, (u64, Vec<Mapping>)>,
}

impl Order {
    /// Takes what there is of mapped files. To be called before the records of the programs are read, so that those that
    /// come before a file have come when it is looked at.
    pub(crate) fn take(&mut self, mappings: &Mappings, time: u64, records: &mut Vec<Record>) {
        let mut items = Vec::new();
        mappings.take(time, &mut items, records);
        self.add(items);
    }

    fn add(&mut self, items: Vec<Item>) {
        if items.is_empty() {
            return;
        }
        self.pending.extend(items);
        self.pending.make_contiguous().sort_by_key(Item::time);
    }

    /// Whether there is nothing to be put in its place.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.executing.is_empty()
    }

    /// Puts what there is among the records from `start` on. `emptied` says that the programs had no more; then all goes
    /// but what an exec is waited for, and of that what has waited too long by `time`.
    pub(crate) fn merge(&mut self, records: &mut Vec<Record>, start: usize, emptied: bool, time: u64) {
        if self.is_empty() {
            return;
        }
        for record in records.split_off(start) {
            self.pass(record.time(), records);
            match &record {
                Record::Exec(exec) => {
                    let (pid, time) = (exec.header.task.pid, exec.header.time);
                    records.push(record);
                    let is_over = self.executing.get(&pid).is_some_and(|(since, _)| *since <= time);
                    let mapped = is_over.then(|| self.executing.remove(&pid)).flatten();
                    records.extend(mapped.into_iter().flat_map(|(_, mapped)| mapped).map(Record::Mapping));
                }
                Record::Exit(exit) => {
                    let mapped = self.executing.remove(&exit.header.task.pid);
                    records.extend(mapped.into_iter().flat_map(|(_, mapped)| mapped).map(Record::Mapping));
                    records.push(record);
                }
                _ => records.push(record),
            }
        }
        if emptied {
            self.pass(u64::MAX, records);
        }
        let waited = |_: &u32, (since, _): &mut (u64, _)| since.saturating_add(PATIENCE) <= time;
        let late = self.executing.extract_if(.., waited);
        records.extend(late.flat_map(|(_, (_, mapped))| mapped).map(Record::Mapping));
    }

    /// Passes on what is earlier than a time.
    fn pass(&mut self, until: u64, records: &mut Vec<Record>) {
        while self.pending.front().is_some_and(|item| item.time() < until) {
            match self.pending.pop_front() {
                Some(Item::Exec { pid, time }) => _ = self.executing.insert(pid, (time, Vec::new())),
                Some(Item::Mapping(mapping)) => match self.executing.get_mut(&mapping.pid) {
                    Some((_, waiting)) => waiting.push(mapping),
                    None => records.push(Record::Mapping(mapping)),
                },
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serin_event::record::{Exec, Exit, Header, Task};

    use super::*;

    fn header(time: u64, pid: u32) -> Header {
        Header { time, task: Task { pid, tid: pid, start_time: 1 }, ..Header::default() }
    }

    fn exec(time: u64, pid: u32) -> Record {
        Record::Exec(Exec { header: header(time, pid), ..Exec::default() })
    }

    fn exit(time: u64, pid: u32) -> Record {
        Record::Exit(Exit { header: header(time, pid), code: 0 })
    }

    fn mapping(time: u64, pid: u32) -> Item {
        Item::Mapping(Mapping { cpu: 0, time, pid, tid: pid, path: "/a".into(), build_id: Vec::new() })
    }

    /// What comes out: `e`xecs, e`x`its and `m`appings with their times.
    fn told(
        order: &mut Order,
        items: Vec<Item>,
        mut records: Vec<Record>,
        emptied: bool,
        now: u64,
    ) -> String {
        order.add(items);
        order.merge(&mut records, 0, emptied, now);
        let word = |record: &Record| {
            let letter = match record {
                Record::Exec(_) => 'e',
                Record::Exit(_) => 'x',
                Record::Mapping(_) => 'm',
                _ => '?',
            };
            format!("{letter}{}", record.time())
        };
        records.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn files_go_before_what_is_later() {
        let items = vec![mapping(30, 1), mapping(10, 1), mapping(20, 2)];
        let out = told(&mut Order::default(), items, vec![exit(15, 1), exit(40, 2)], true, 50);
        assert_eq!(out, "m10 x15 m20 m30 x40");
    }

    #[test]
    fn a_new_program_goes_behind_its_exec() {
        let items =
            |pid| vec![mapping(1, pid), Item::Exec { pid, time: 5 }, mapping(6, pid), mapping(9, pid)];
        let records = vec![exec(8, 7), exit(12, 7)];
        assert_eq!(told(&mut Order::default(), items(7), records, true, 20), "m1 e8 m6 m9 x12");
        let killed = vec![exit(12, 7)];
        assert_eq!(told(&mut Order::default(), items(7), killed, true, 20), "m1 m6 m9 x12");
        let others = vec![exec(8, 3)];
        assert_eq!(told(&mut Order::default(), items(7), others, true, 20), "m1 e8");
    }

    #[test]
    fn a_lost_exec_holds_files_for_a_second() {
        let mut order = Order::default();
        let items = vec![Item::Exec { pid: 7, time: 5 }, mapping(6, 7)];
        assert_eq!(told(&mut order, items, vec![], true, PATIENCE), "");
        assert_eq!(told(&mut order, vec![], vec![], true, PATIENCE + 5), "m6");
        assert!(order.is_empty());
    }

    #[test]
    fn an_exec_that_is_still_to_come_is_waited_for() {
        let mut order = Order::default();
        let items = vec![Item::Exec { pid: 7, time: 5 }, mapping(6, 7)];
        assert_eq!(told(&mut order, items, vec![], true, 7), "");
        assert_eq!(told(&mut order, vec![], vec![exec(8, 7)], true, 9), "e8 m6");
    }

    #[test]
    fn what_is_later_than_all_records_waits_for_more_of_them() {
        let mut order = Order::default();
        assert_eq!(told(&mut order, vec![mapping(30, 1)], vec![exit(10, 2)], false, 31), "x10");
        assert_eq!(told(&mut order, vec![], vec![exit(20, 1)], true, 32), "x20 m30");
    }
}
