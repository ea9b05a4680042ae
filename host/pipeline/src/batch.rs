//! A batch of events on its way through the chain.

use std::ops::Range;

use serin_event::Event;
use serin_frame::FrameWriter;

use crate::MAX_FRAME;
use crate::encode::{self, Encoder};

/// The records of a batch: each event is written once, however many plugins get it.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    writer: FrameWriter,
    encoder: Encoder,
    records: Vec<Option<Record>>,
}

/// An event's record, and how many findings it has.
#[derive(Debug, Clone)]
struct Record {
    place: Range<usize>,
    annotations: usize,
    alerts: usize,
}

impl Batch {
    /// Starts a batch of this many events.
    pub(crate) fn start(&mut self, count: usize) {
        self.writer.clear();
        self.encoder.clear();
        self.records.clear();
        self.records.resize(count, None);
    }

    /// Makes a frame of as many of the events as fit, and says how many.
    ///
    /// One always fits: an event that is larger than a frame should be gets a frame of its own.
    pub(crate) fn frame(&mut self, selected: &[usize], events: &[Event], frame: &mut Vec<u8>) -> usize {
        let mut size = 0;
        let mut count = 0;
        for &index in selected {
            let Some(event) = events.get(index) else { break };
            size += self.record(index, event).len();
            if size > MAX_FRAME && count > 0 {
                break;
            }
            count += 1;
        }
        let records = &self.records;
        let places = selected.iter().take(count).filter_map(|index| records.get(*index)?.as_ref());
        self.writer.frame(places.map(|record| record.place.clone()), frame);
        count
    }

    /// The event's record, with all its findings.
    fn record(&mut self, index: usize, event: &Event) -> Range<usize> {
        let (annotations, alerts) = (event.annotations.len(), event.alerts.len());
        let place = match self.records.get(index) {
            Some(Some(record)) if (record.annotations, record.alerts) == (annotations, alerts) => {
                return record.place.clone();
            }
            Some(Some(record)) => self.writer.amend(record.place.clone(), |to| encode::findings(to, event)),
            _ => self.encoder.event(&mut self.writer, event),
        };
        if let Some(record) = self.records.get_mut(index) {
            *record = Some(Record { place: place.clone(), annotations, alerts });
        }
        place
    }
}

/// Makes frames of events, as plugins get them: for tests and measurements of plugins outside a pipeline.
#[derive(Debug, Default)]
pub struct FrameEncoder {
    batch: Batch,
    all: Vec<usize>,
}

impl FrameEncoder {
    /// Makes `frame` a frame of the events, of as many as fit.
    pub fn encode(&mut self, events: &[Event], frame: &mut Vec<u8>) {
        self.batch.start(events.len());
        self.all.clear();
        self.all.extend(0..events.len());
        self.batch.frame(&self.all, events, frame);
    }
}
