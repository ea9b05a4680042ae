//! Servers that say what they have taken.

use serin_event::Event;

use crate::batch::Batch;
use crate::records::{RecordBuffer, Records};
use crate::sink::{Sink, Unwritten};

/// Appends what is sent of an event with this text: all that [`Peer::send`] needs, so that it can wait on the disk.
pub(crate) type Encode = fn(&Event, &[u8], &mut Vec<u8>);

/// A server that acknowledges.
pub(crate) trait Peer: Send {
    /// Sends records, in their order. Called on one thread only.
    ///
    /// # Errors
    /// Not all were taken.
    fn send(&mut self, records: Records<'_>) -> Result<(), Unwritten>;
}

/// A peer that events are sent to straight from the memory.
pub(crate) struct Direct<P> {
    peer: P,
    encode: Encode,
    records: RecordBuffer,
}

impl<P: Peer> Direct<P> {
    pub(crate) fn new(peer: P, encode: Encode) -> Self {
        Self { peer, encode, records: RecordBuffer::default() }
    }
}

impl<P: Peer> Sink for Direct<P> {
    fn write(&mut self, batch: Batch<'_>) -> Result<(), Unwritten> {
        self.records.clear();
        for (event, text) in batch.iter() {
            self.records.add(|out| (self.encode)(event, text, out));
        }
        self.peer.send(self.records.records())
    }
}
