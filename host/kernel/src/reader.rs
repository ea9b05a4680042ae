//! Reads records from the ring buffer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aya::maps::{MapData, RingBuf};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};
use serin_abi::CpuCounters;
use serin_event::Record;
use serin_event::record::{Header, Loss};

use crate::KernelError;
use crate::counters::Counters;
use crate::decode::decode;
use crate::loss::LossTracker;
use crate::mappings::{Mappings, Order};

/// How often the kernel's counts of lost records are compared with the gaps seen.
const RECONCILE_EVERY: Duration = Duration::from_secs(1);

/// Records that follow one another faster than this are gathered before they are read.
const BUSY: Duration = Duration::from_millis(1);
/// For how long they are gathered. While records wait unread, the kernel wakes nobody: that is what a
/// hooked call spends most on.
const GATHER: Duration = Duration::from_micros(200);

/// Gives the kernel's records in the order they were written, and losses where they are missing.
pub struct Reader {
    ring: RingBuf<MapData>,
    counters: Arc<Counters<CpuCounters>>,
    /// Records of calls that never returned.
    ended: Arc<AtomicU64>,
    /// How many of those have been told.
    told: u64,
    losses: LossTracker,
    mappings: Arc<Mappings>,
    order: Order,
    reconciled: Instant,
    /// When there was last something to read after waiting for it.
    woken: Instant,
    undecodable: u64,
}

impl Reader {
    pub(crate) fn new(
        ring: RingBuf<MapData>,
        counters: Arc<Counters<CpuCounters>>,
        ended: Arc<AtomicU64>,
        mappings: Arc<Mappings>,
    ) -> Self {
        let (losses, order) = (LossTracker::default(), Order::default());
        let now = Instant::now();
        Reader {
            ring,
            counters,
            ended,
            told: 0,
            losses,
            mappings,
            order,
            reconciled: now,
            woken: now,
            undecodable: 0,
        }
    }

    /// Appends what is there to `records`, at most `max` and mapped files besides; waits for up to `timeout` if there is
    /// nothing.
    ///
    /// # Errors
    /// If waiting fails.
    pub fn read(
        &mut self,
        timeout: Duration,
        max: usize,
        records: &mut Vec<Record>,
    ) -> Result<(), KernelError> {
        let before = records.len();
        self.take(max, records);
        if records.len() == before {
            self.wait(timeout)?;
            self.gather(timeout);
            self.take(max, records);
        }
        if self.reconciled.elapsed() >= RECONCILE_EVERY {
            // The counts only grow: the next time tells what this one can't, for want of descriptors for example.
            if let Err(error) = self.reconcile(records) {
                tracing::warn!("losses are told later: {error}");
            }
        }
        Ok(())
    }

    /// Compares the kernel's counts of lost records with the gaps seen so far, and
    /// appends the difference as losses: what has no later record behind it.
    ///
    /// # Errors
    /// If the counters cannot be read.
    pub fn reconcile(&mut self, records: &mut Vec<Record>) -> Result<(), KernelError> {
        self.reconciled = Instant::now();
        let time = boot_time();
        for (cpu, counters) in self.counters.of_each_cpu(0)?.iter().enumerate() {
            let lost = counters.lost_full + counters.lost_busy + counters.lost_calls;
            records.extend(self.losses.reconcile(cpu as u16, lost, time).map(Record::Loss));
        }
        let ended = self.ended.load(Ordering::Relaxed);
        let count = ended - std::mem::replace(&mut self.told, ended);
        if count > 0 {
            // Of no CPU in particular.
            records.push(Record::Loss(Loss { cpu: 0, count, time }));
        }
        self.mappings.reconcile(time, records);
        Ok(())
    }

    /// Records that could not be decoded: agent and kernel programs disagree.
    #[must_use]
    pub fn undecodable(&self) -> u64 {
        self.undecodable
    }

    fn take(&mut self, max: usize, records: &mut Vec<Record>) {
        let time = boot_time();
        self.order.take(&self.mappings, time, records);
        let start = records.len();
        self.drain(max, records);
        let emptied = records.len() < start + max;
        self.order.merge(records, start, emptied, time);
    }

    fn drain(&mut self, max: usize, records: &mut Vec<Record>) {
        let end = records.len() + max;
        while records.len() < end {
            let Some(item) = self.ring.next() else { return };
            let Some(record) = decode(&item) else {
                self.undecodable += 1;
                continue;
            };
            drop(item);
            if let Some(Header { cpu, sequence, time, .. }) = header(&record) {
                records.extend(self.losses.record(cpu, sequence, time).map(Record::Loss));
            }
            records.push(record);
        }
    }

    /// Lets records come together if they come in quick succession.
    fn gather(&mut self, timeout: Duration) {
        let last = std::mem::replace(&mut self.woken, Instant::now());
        if self.woken.duration_since(last) < BUSY && timeout > GATHER {
            std::thread::sleep(GATHER);
        }
    }

    fn wait(&self, timeout: Duration) -> Result<(), KernelError> {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&self.ring, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(KernelError::Poll(error.into())),
        }
    }
}

fn header(record: &Record) -> Option<Header> {
    match record {
        Record::Exec(exec) => Some(exec.header),
        Record::Fork(fork) => Some(fork.header),
        Record::Exit(exit) => Some(exit.header),
        Record::Hook(hit) => Some(hit.header),
        Record::Mapping(_) | Record::Loss(_) => None,
    }
}

fn boot_time() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
