//! A batch of events on its way through the chain.

use std::sync::Arc;

use serin_event::{Event, Process};
use serin_frame::RecordRange;

use crate::MAX_FRAME;
use crate::encode::Encoder;

/// The records of a batch: an event is written once, however many plugins get it.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    encoder: Encoder,
    records: Vec<Option<Record>>,
    /// What events had before it was replaced: as long as the encoder tells it by its address, nothing else may be there.
    replaced: Vec<Arc<Process>>,
    framed: Framed,
    /// For frames of few events, or of events too large for one frame.
    part: Encoder,
}

/// An event's record, and how many findings it has.
#[derive(Debug, Clone)]
struct Record {
    place: RecordRange,
    annotations: usize,
    alerts: usize,
}

/// The last frame that was made.
#[derive(Debug, Default)]
struct Framed {
    bytes: Vec<u8>,
    /// The events that it is of; none if it can't be brought up to date.
    events: Vec<usize>,
    /// Size of what was shared when it was made.
    shared: usize,
    /// Events whose records have changed since.
    amended: Vec<usize>,
}

impl Batch {
    /// Starts a batch of this many events. To be called before the events of the last one go.
    pub(crate) fn start(&mut self, count: usize) {
        self.encoder.clear();
        self.replaced.clear();
        self.records.clear();
        self.records.resize(count, None);
        self.framed.events.clear();
    }

    /// Makes room for events that were added to the batch, which then has this many.
    pub(crate) fn grow(&mut self, count: usize) {
        self.records.resize(count, None);
    }

    /// An event has changed otherwise than by what was added to it.
    pub(crate) fn rewrite(&mut self, index: usize) {
        if let Some(record) = self.records.get_mut(index) {
            *record = None;
        }
        self.framed.events.clear();
    }

    /// Keeps what an event had until the next batch.
    pub(crate) fn keep(&mut self, process: Arc<Process>) {
        self.replaced.push(process);
    }

    /// A frame of as many of the events as fit, and how many these are.
    ///
    /// One always fits: an event that is larger than a frame should be gets a frame of its own.
    pub(crate) fn frame(&mut self, selected: &[usize], events: &[Event]) -> (&[u8], usize) {
        // Few events: what the whole batch shares is more than what they have.
        if selected.len() * 4 < events.len() {
            return self.frame_of_part(selected, events);
        }
        let size: usize = selected.iter().map(|index| self.write(*index, events)).sum();
        if size + self.encoder.writer.shared_size() > MAX_FRAME {
            return self.frame_of_part(selected, events);
        }
        if self.framed.events == selected {
            self.update(selected);
        } else {
            let places = selected.iter().filter_map(|index| self.records.get(*index)?.as_ref());
            self.encoder.writer.frame(places.map(|record| record.place.clone()), &mut self.framed.bytes);
            self.framed.events.clear();
            self.framed.events.extend_from_slice(selected);
        }
        self.framed.shared = self.encoder.writer.shared_size();
        self.framed.amended.clear();
        (&self.framed.bytes, selected.len())
    }

    /// Writes what of an event is not written yet; the size of its record.
    fn write(&mut self, index: usize, events: &[Event]) -> usize {
        let (Some(event), Some(record)) = (events.get(index), self.records.get_mut(index)) else { return 0 };
        let (annotations, alerts) = (event.annotations.len(), event.alerts.len());
        match record {
            None => {
                let place = self.encoder.event(event);
                record.insert(Record { place, annotations, alerts }).place.len()
            }
            Some(record) => {
                if (record.annotations, record.alerts) != (annotations, alerts) {
                    self.encoder.amend(record.place.clone(), event);
                    (record.annotations, record.alerts) = (annotations, alerts);
                    self.framed.amended.push(index);
                }
                record.place.len()
            }
        }
    }

    /// Brings the last frame, which is of the same events, up to date.
    fn update(&mut self, selected: &[usize]) {
        let Framed { bytes, shared, amended, .. } = &mut self.framed;
        self.encoder.writer.extend(bytes, *shared);
        let mut amended = amended.iter().peekable();
        let mut at = 0;
        for index in selected {
            let Some(Some(record)) = self.records.get(*index) else { continue };
            if amended.next_if_eq(&index).is_some() {
                self.encoder.writer.replace(bytes, at, record.place.clone());
            }
            at += record.place.len();
        }
    }

    /// Writes events until the frame is full, with nothing in it but what is theirs.
    fn frame_of_part(&mut self, selected: &[usize], events: &[Event]) -> (&[u8], usize) {
        self.part.clear();
        let mut places: Vec<RecordRange> = Vec::with_capacity(selected.len());
        for event in selected.iter().filter_map(|index| events.get(*index)) {
            let place = self.part.event(event);
            let full = place.end + self.part.writer.shared_size() > MAX_FRAME;
            places.push(place);
            if full {
                break;
            }
        }
        // What didn't fit any more begins the next frame.
        let full = places.last().is_some_and(|last| last.end + self.part.writer.shared_size() > MAX_FRAME);
        if full && places.len() > 1 {
            places.pop();
        }
        let count = places.len();
        self.part.writer.frame(places, &mut self.framed.bytes);
        self.framed.events.clear();
        (&self.framed.bytes, count)
    }
}

/// Makes frames of events, as plugins get them: for tests and measurements of plugins outside a pipeline.
#[derive(Debug, Default)]
pub struct FrameEncoder {
    batch: Batch,
    all: Vec<usize>,
}

impl FrameEncoder {
    /// A frame of the events, or of as many as fit.
    pub fn encode(&mut self, events: &[Event]) -> &[u8] {
        self.batch.start(events.len());
        self.all.clear();
        self.all.extend(0..events.len());
        self.batch.frame(&self.all, events).0
    }
}

#[cfg(test)]
mod tests;
