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
    /// The last frame for each way that the events go at once, and perhaps more from before.
    framed: Vec<Framed>,
    /// How many ways the events go at once.
    ways: usize,
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

/// The last frame that was made for a way.
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
        self.forget_frames();
    }

    /// From now on the events go this many ways at once: an event goes the same way until this changes.
    pub(crate) fn split(&mut self, ways: usize) {
        if self.ways != ways {
            self.ways = ways;
            self.framed.resize_with(self.framed.len().max(ways), Framed::default);
            self.forget_frames();
        }
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
        self.forget_frames();
    }

    /// Keeps what an event had until the next batch.
    pub(crate) fn keep(&mut self, process: Arc<Process>) {
        self.replaced.push(process);
    }

    /// Makes a way's frame, of as many of the events as fit; how many these are.
    ///
    /// One always fits: an event that is larger than a frame should be gets a frame of its own.
    pub(crate) fn frame(&mut self, way: usize, selected: &[usize], events: &[Event]) -> usize {
        let Some(mut framed) = self.framed.get_mut(way).map(std::mem::take) else { return 0 };
        let count = self.make(&mut framed, selected, events);
        if let Some(place) = self.framed.get_mut(way) {
            *place = framed;
        }
        count
    }

    /// A way's frame as it was made last.
    pub(crate) fn bytes(&self, way: usize) -> &[u8] {
        self.framed.get(way).map_or(&[], |framed| &framed.bytes)
    }

    fn make(&mut self, framed: &mut Framed, selected: &[usize], events: &[Event]) -> usize {
        // Few events: what the whole batch shares is more than what they have.
        if selected.len() * self.ways * 4 < events.len() {
            return self.frame_of_part(framed, selected, events);
        }
        let size: usize = selected.iter().map(|index| self.write(*index, events, &mut framed.amended)).sum();
        if size + self.encoder.writer.shared_size() > MAX_FRAME {
            return self.frame_of_part(framed, selected, events);
        }
        if framed.events == selected {
            self.update(framed);
        } else {
            let places = selected.iter().filter_map(|index| self.records.get(*index)?.as_ref());
            self.encoder.writer.frame(places.map(|record| record.place.clone()), &mut framed.bytes);
            framed.events.clear();
            framed.events.extend_from_slice(selected);
        }
        framed.shared = self.encoder.writer.shared_size();
        framed.amended.clear();
        selected.len()
    }

    /// Writes what of an event is not written yet; the size of its record.
    fn write(&mut self, index: usize, events: &[Event], amended: &mut Vec<usize>) -> usize {
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
                    amended.push(index);
                }
                record.place.len()
            }
        }
    }

    /// Brings a frame of the same events up to date.
    fn update(&self, framed: &mut Framed) {
        let Framed { bytes, events, shared, amended } = framed;
        self.encoder.writer.extend(bytes, *shared);
        let mut amended = amended.iter().peekable();
        let mut at = 0;
        for index in events {
            let Some(Some(record)) = self.records.get(*index) else { continue };
            if amended.next_if_eq(&index).is_some() {
                self.encoder.writer.replace(bytes, at, record.place.clone());
            }
            at += record.place.len();
        }
    }

    /// Writes events until the frame is full, with nothing in it but what is theirs.
    fn frame_of_part(&mut self, framed: &mut Framed, selected: &[usize], events: &[Event]) -> usize {
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
        self.part.writer.frame(places, &mut framed.bytes);
        framed.events.clear();
        count
    }

    fn forget_frames(&mut self) {
        self.framed.iter_mut().for_each(|framed| framed.events.clear());
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
        self.batch.split(1);
        self.all.clear();
        self.all.extend(0..events.len());
        self.batch.frame(0, &self.all, events);
        self.batch.bytes(0)
    }
}

#[cfg(test)]
mod tests;
