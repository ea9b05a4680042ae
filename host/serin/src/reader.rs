//! The reader thread: from the kernel's ring buffer to the backlog.
//!
//! It waits for nobody but the kernel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serin_event::{Event, Record};
use serin_kernel::{KernelError, Reader};
use serin_process::{Counters, ProcessCache};

use crate::backlog::Backlog;
use crate::canary_trace::{CanaryTraces, Cause};
use crate::census::Questions;
use crate::observe::{Observed, snapshot};
use crate::table::HookTable;

/// Records taken from the ring buffer before they are passed on.
const MAX_RECORDS: usize = 1024;
/// How long to wait for records before looking whether to stop.
const PATIENCE: Duration = Duration::from_millis(100);

/// What the reader thread works with.
pub(crate) struct ReaderThread {
    pub reader: Reader,
    pub processes: ProcessCache,
    pub hooks: HookTable,
    pub canaries: CanaryTraces,
    pub backlog: Arc<Backlog>,
    pub stop: Arc<AtomicBool>,
    pub observed: Arc<Observed>,
    /// Who wants to know which processes are remembered.
    pub census: Questions,
}

/// What the reader thread counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReaderCounters {
    pub processes: Counters,
    pub undecodable: u64,
}

impl ReaderThread {
    /// Reads until told to stop, and then what is left: everything must be detached by then.
    ///
    /// # Errors
    /// The ring buffer can't be read any more.
    pub(crate) fn run(mut self) -> Result<ReaderCounters, KernelError> {
        let outcome = self.read();
        self.backlog.close();
        outcome.map(|()| ReaderCounters {
            processes: self.processes.counters(),
            undecodable: self.reader.undecodable(),
        })
    }

    fn read(&mut self) -> Result<(), KernelError> {
        let (mut records, mut events) = (Vec::with_capacity(MAX_RECORDS), Vec::with_capacity(MAX_RECORDS));
        while !self.stop.load(Ordering::Acquire) {
            self.reader.read(PATIENCE, MAX_RECORDS, &mut records)?;
            self.hooks.update(records.len() < MAX_RECORDS);
            if let Some(pods) = self.hooks.pods.take() {
                self.processes.describe_containers(pods);
            }
            self.forward(&mut records, &mut events);
            self.show();
            self.census.answer(&self.processes);
        }
        self.hooks.update(false);
        loop {
            self.reader.read(Duration::ZERO, MAX_RECORDS, &mut records)?;
            if records.is_empty() {
                break;
            }
            self.forward(&mut records, &mut events);
        }
        self.reader.reconcile(&mut records)?;
        self.forward(&mut records, &mut events);
        Ok(())
    }

    /// Leaves the counters where they can be seen.
    fn show(&self) {
        let counters = self.processes.counters();
        self.observed.reader(snapshot::Processes {
            cached: self.processes.len() as u64,
            looked_up: counters.misses,
            unknown: counters.unknown,
            evicted: counters.evicted_exited + counters.evicted_live,
            unknown_hooks: counters.unknown_hooks,
            undecodable_records: self.reader.undecodable(),
        });
    }

    fn forward(&mut self, records: &mut Vec<Record>, events: &mut Vec<(u16, Event)>) {
        let mut made = Vec::new();
        for record in records.drain(..) {
            let (cpu, hit) = origin(&record);
            self.processes.apply(record, &self.hooks.hooks, &mut made);
            if let (Some((hook, selector)), Some(event)) = (hit, made.last()) {
                self.fire(hook, selector, event);
            }
            events.extend(made.drain(..).map(|event| (cpu, event)));
        }
        self.backlog.push(events.drain(..));
    }

    /// Canaries of policies don't wait for plugins, and no plugin can hold them back.
    fn fire(&self, hook: u32, selector: u32, event: &Event) {
        let exec_id = event.process.as_ref().map_or("", |process| &process.exec_id);
        for request in self.hooks.canaries.requests(hook, selector, exec_id) {
            self.canaries.submit(request, Cause::Other);
        }
    }
}

/// The CPU a record comes from; and its hook and selector, if it is a hit.
fn origin(record: &Record) -> (u16, Option<(u32, u32)>) {
    match record {
        Record::Exec(exec) => (exec.header.cpu, None),
        Record::Fork(fork) => (fork.header.cpu, None),
        Record::Exit(exit) => (exit.header.cpu, None),
        Record::Hook(hit) => (hit.header.cpu, Some((hit.hook, hit.selector))),
        Record::Mapping(mapping) => (mapping.cpu, None),
        Record::Loss(loss) => (loss.cpu, None),
    }
}
