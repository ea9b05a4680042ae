//! The thread from a sink's queue to its spool.

use std::sync::Arc;
use std::time::Duration;

use crate::batch::Encoder;
use crate::output::Output;
use crate::peer::Encode;
use crate::records::{RecordBuffer, Records};
use crate::spool::{Appender, Refused, Spool};

/// Events that are appended at once, or a few more.
const GATHER: usize = 1024;
/// How long to wait for events before looking whether any will come.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long to wait for room.
const PAUSE: Duration = Duration::from_millis(100);

/// What the thread works with.
pub(crate) struct StoringThread {
    pub output: Arc<Output>,
    pub spool: Arc<Spool>,
    pub appender: Appender,
    pub encoder: Encoder,
    pub encode: Encode,
}

impl StoringThread {
    /// Appends until there is nothing left to append.
    pub(crate) fn run(mut self) {
        let (mut batches, mut records) = (Vec::new(), RecordBuffer::default());
        loop {
            batches.clear();
            records.clear();
            let popped = self.output.queue.pop(&mut batches, GATHER, PATIENCE, Duration::ZERO);
            let encode = self.encode;
            self.encoder.encode(&batches, |batch| {
                for (event, text) in batch.iter() {
                    records.add(|out| encode(event, text, out));
                }
            });
            self.store(records.records());
            if let Err(error) = self.appender.tick() {
                tracing::error!(sink = self.output.name, "its spool can't be written to the disk: {error}");
            }
            if popped.finished {
                return;
            }
        }
    }

    /// Appends records as soon as there is room for them. Meanwhile the queue fills up.
    fn store(&mut self, mut rest: Records<'_>) {
        while !rest.is_empty() {
            match self.appender.append(rest) {
                Ok(count) => {
                    rest = rest.split_at(count).1;
                    if self.spool.set_stuck(false) {
                        tracing::info!(sink = self.output.name, "its spool takes events again");
                    }
                }
                Err(Refused::TooLarge) => {
                    self.spool.count_too_large();
                    rest = rest.split_at(1).1;
                }
                Err(reason) => {
                    if self.spool.set_stuck(true) {
                        tracing::error!(
                            sink = self.output.name,
                            "its spool takes no events: {reason}; what it holds is kept"
                        );
                    }
                    if self.spool.is_abandoned() || !self.output.queue.pause(PAUSE) {
                        return self.output.count_lost(rest.len());
                    }
                }
            }
        }
    }
}
