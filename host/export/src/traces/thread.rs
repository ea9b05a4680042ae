//! The thread that sends spans.

use std::sync::Arc;
use std::time::Duration;

use super::queue::SpanQueue;
use crate::otlp;
use crate::otlp::spans;
use crate::post::Post;
use crate::records::{RecordBuffer, Records};
use crate::thread::{FIRST_PAUSE, LONGEST_PAUSE};

/// What the thread works with.
pub(super) struct TraceThread {
    pub(super) queue: Arc<SpanQueue>,
    pub(super) post: Post,
    /// The name of this host.
    pub(super) host: String,
    /// Spans in a request, at most.
    pub(super) batch: usize,
    /// How long the first of a request may wait for the others.
    pub(super) linger: Duration,
}

impl TraceThread {
    /// Sends until there is nothing left to send.
    pub(super) fn run(self) {
        let mut buffer = RecordBuffer::default();
        while let Some(taken) = self.queue.take(self.batch, self.linger) {
            buffer.clear();
            for span in &taken {
                buffer.add(|out| spans::encode(span, out));
            }
            self.send(buffer.records());
        }
    }

    /// Sends spans, as often as it takes.
    fn send(&self, mut rest: Records<'_>) {
        let mut pause = FIRST_PAUSE;
        while !rest.is_empty() {
            let sent = self.post.send(rest, |part| spans::request(part, &self.host), otlp::rejected);
            let Err(unwritten) = sent else {
                self.queue.settle(rest.len(), 0);
                self.queue.works();
                return;
            };
            self.queue.settle(unwritten.written, unwritten.lost);
            self.queue.fails(&unwritten.source);
            rest = rest.split_at(unwritten.written + unwritten.lost).1;
            if unwritten.lost > 0 {
                pause = FIRST_PAUSE;
            } else if self.queue.pause(pause) {
                pause = (pause * 2).min(LONGEST_PAUSE);
            } else {
                return self.queue.settle(0, rest.len());
            }
        }
    }
}
