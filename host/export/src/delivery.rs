//! The thread from a sink's spool to its peer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::output::Output;
use crate::peer::Peer;
use crate::records::RecordBuffer;
use crate::sink::Unwritten;
use crate::spool::Reader;
use crate::thread::{FIRST_PAUSE, Gather, LONGEST_PAUSE};

/// How long to wait for records before looking whether any will come.
const PATIENCE: Duration = Duration::from_millis(200);

/// What the thread works with.
pub(crate) struct DeliveryThread {
    pub output: Arc<Output>,
    pub reader: Reader,
    pub peer: Box<dyn Peer>,
    pub gather: Gather,
}

impl DeliveryThread {
    /// Sends until there is nothing left, or no time. What is not sent then stays in the spool.
    pub(crate) fn run(mut self) {
        let mut records = RecordBuffer::default();
        let mut pause = FIRST_PAUSE;
        loop {
            let Gather { events, linger } = self.gather;
            let finished = match self.reader.fetch(events, PATIENCE, linger, &mut records) {
                Ok(finished) => finished,
                Err(error) => {
                    if !self.wait(&error, &mut pause) {
                        return;
                    }
                    continue;
                }
            };
            if records.records().is_empty() && finished {
                return;
            }
            if !self.deliver(&records, &mut pause) {
                return;
            }
        }
    }

    /// Sends records as often as it takes; false if there is no time for it.
    fn deliver(&mut self, records: &RecordBuffer, pause: &mut Duration) -> bool {
        let mut passed = 0;
        while passed < records.records().len() {
            let (_, rest) = records.records().split_at(passed);
            let (written, lost, failure) = match self.peer.send(rest) {
                Ok(()) => (rest.len(), 0, None),
                Err(Unwritten { written, lost, source }) => (written, lost, Some(source)),
            };
            self.reader.pass(records, passed, written + lost);
            passed += written + lost;
            self.output.count_written(written);
            self.output.count_lost(lost);
            match failure {
                None => self.output.works(),
                Some(error) if lost > 0 => self.output.fails(&error),
                Some(error) => {
                    if !self.wait(&error, pause) {
                        return false;
                    }
                    continue;
                }
            }
            *pause = FIRST_PAUSE;
            if self.output.queue.is_overdue() {
                return false;
            }
        }
        true
    }

    /// Waits before another attempt, longer each time; false if the agent ends meanwhile: the spool keeps it all.
    fn wait(&self, error: &io::Error, pause: &mut Duration) -> bool {
        self.output.fails(error);
        if self.output.queue.finishes_within(*pause) {
            return false;
        }
        self.output.count_retry();
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        true
    }
}
