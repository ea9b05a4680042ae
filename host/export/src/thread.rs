//! The thread of a sink: from its queue to where it writes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serin_event::Event;

use crate::batch::{Batch, Encoder};
use crate::output::Output;
use crate::sink::{Sink, Unwritten};

/// How long to wait for events before the sink gets its tick.
const PATIENCE: Duration = Duration::from_millis(200);
/// The first wait after a failure, and the longest: each is twice as long as the one before.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(100);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How events are gathered for a sink.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gather {
    /// As many are handed over at once, or a few more.
    pub events: usize,
    /// How long the first may wait for the others.
    pub linger: Duration,
}

/// What the thread works with.
pub(crate) struct SinkThread {
    pub output: Arc<Output>,
    pub sink: Box<dyn Sink>,
    pub encoder: Encoder,
    pub gather: Gather,
}

impl SinkThread {
    /// Writes until there is nothing left to write, or nobody to write to.
    pub(crate) fn run(mut self) {
        let mut batches: Vec<Arc<Vec<Event>>> = Vec::new();
        loop {
            batches.clear();
            let Gather { events, linger } = self.gather;
            let popped = self.output.queue.pop(&mut batches, events, PATIENCE, linger);
            if popped.reopen {
                self.sink.reopen();
            }
            if !self.write(&batches) {
                self.output.abandon();
                return;
            }
            if let Err(error) = self.sink.tick() {
                self.output.fails(&error);
            }
            if popped.finished {
                return;
            }
        }
    }

    /// Writes events, as often as it takes; false if nobody reads them any more.
    fn write(&mut self, batches: &[Arc<Vec<Event>>]) -> bool {
        let Self { output, sink, encoder, .. } = self;
        encoder.encode(batches, |mut batch| {
            let mut pause = FIRST_PAUSE;
            while !batch.is_empty() {
                let result = sink.write(batch);
                let Attempt { rest, closed, again } = take(output, batch, result);
                if closed {
                    return false;
                }
                batch = rest;
                if !again {
                    pause = FIRST_PAUSE;
                } else if output.queue.pause(pause) {
                    output.count_retry();
                    pause = (pause * 2).min(LONGEST_PAUSE);
                } else {
                    output.count_lost(batch.len());
                    break;
                }
            }
            true
        })
    }
}

/// What is to be done after a write.
struct Attempt<'a> {
    /// Events to write still.
    rest: Batch<'a>,
    /// Nobody reads them.
    closed: bool,
    /// After a while.
    again: bool,
}

/// Counts and reports what came of a write.
fn take<'a>(output: &Output, batch: Batch<'a>, result: Result<(), Unwritten>) -> Attempt<'a> {
    let done = |count: usize| batch.split_at(count).1;
    match result {
        Ok(()) => {
            output.count_written(batch.len());
            output.works();
            Attempt { rest: done(batch.len()), closed: false, again: false }
        }
        Err(Unwritten { written, source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
            output.count_written(written);
            output.count_lost(batch.len() - written.min(batch.len()));
            Attempt { rest: done(batch.len()), closed: true, again: false }
        }
        Err(Unwritten { written, lost, source }) => {
            output.count_written(written);
            output.count_lost(lost);
            output.fails(&source);
            Attempt { rest: done(written + lost), closed: false, again: lost == 0 }
        }
    }
}
