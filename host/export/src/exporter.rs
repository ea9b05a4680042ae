//! From events to sinks.

use std::io;

use serin_event::{Event, json};

use crate::compact;
use crate::config::{Format, SinkConfig};
use crate::sink::{OpenError, Sink, Unwritten, open};

/// Room for lines that is kept from batch to batch; what a batch needs beyond that is given back.
const KEPT_BUFFER: usize = 1 << 20;

/// Writes batches of events to sinks.
pub struct Exporter {
    outputs: Vec<Output>,
    encoder: json::Encoder,
    json: Vec<u8>,
    compact: Vec<u8>,
}

/// What a sink has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Events written.
    pub written: u64,
    /// Events lost, as the sink failed or was closed.
    pub lost: u64,
}

/// Nobody reads any sink any more: there is nothing left to do but end.
#[derive(Debug, thiserror::Error)]
#[error("all sinks are closed: nobody reads the events any more")]
pub struct Closed;

struct Output {
    sink: Box<dyn Sink>,
    state: State,
    counters: Counters,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Working,
    /// Failed last time.
    Failing,
    /// Its reader went away; not written to any more.
    Closed,
}

impl Exporter {
    /// Opens the sinks of a pipeline.
    ///
    /// # Errors
    /// One of them can't be opened.
    pub fn open(sinks: &[SinkConfig]) -> Result<Self, OpenError> {
        Ok(Self::new(sinks.iter().map(open).collect::<Result<_, _>>()?))
    }

    /// An exporter to sinks that are open. Without any, events go nowhere.
    pub fn new(sinks: Vec<Box<dyn Sink>>) -> Self {
        let output = |sink| Output { sink, state: State::Working, counters: Counters::default() };
        let outputs = sinks.into_iter().map(output).collect();
        Self { outputs, encoder: json::Encoder::default(), json: Vec::new(), compact: Vec::new() }
    }

    /// Writes a batch to every sink. Failures are reported once when they begin and once when they end.
    ///
    /// # Errors
    /// All sinks are closed: the pipe that stdout led to has no reader any more.
    pub fn export(&mut self, events: &[Event]) -> Result<(), Closed> {
        if events.is_empty() {
            return Ok(());
        }
        self.encode(events);
        for output in &mut self.outputs {
            let lines = match output.sink.format() {
                Format::Json => &self.json,
                Format::Compact => &self.compact,
            };
            output.write(lines, events.len() as u64);
        }
        let closed = |output: &Output| output.state == State::Closed;
        if !self.outputs.is_empty() && self.outputs.iter().all(closed) { Err(Closed) } else { Ok(()) }
    }

    /// What each sink has done, by its name.
    pub fn counters(&self) -> impl Iterator<Item = (&str, Counters)> {
        self.outputs.iter().map(|output| (output.sink.name(), output.counters))
    }

    fn encode(&mut self, events: &[Event]) {
        let wanted =
            |format| move |output: &Output| output.state != State::Closed && output.sink.format() == format;
        for buffer in [&mut self.json, &mut self.compact] {
            buffer.clear();
            buffer.shrink_to(KEPT_BUFFER);
        }
        if self.outputs.iter().any(wanted(Format::Json)) {
            events.iter().for_each(|event| self.encoder.write(event, &mut self.json));
        }
        if self.outputs.iter().any(wanted(Format::Compact)) {
            events.iter().for_each(|event| compact::write(event, &mut self.compact));
        }
    }
}

impl Output {
    fn write(&mut self, lines: &[u8], count: u64) {
        if self.state == State::Closed {
            self.counters.lost += count;
            return;
        }
        let result = self.sink.write(lines);
        let written = match &result {
            Ok(()) => count,
            // A line is an event.
            Err(failure) => {
                lines[..failure.written.min(lines.len())].iter().filter(|byte| **byte == b'\n').count() as u64
            }
        };
        self.counters.written += written;
        self.counters.lost += count - written;
        self.report(result);
    }

    fn report(&mut self, result: Result<(), Unwritten>) {
        let (sink, lost) = (self.sink.name(), self.counters.lost);
        self.state = match (result, self.state) {
            (Ok(()), State::Failing) => {
                tracing::info!(sink, lost, "sink works again");
                State::Working
            }
            (Ok(()), state) => state,
            (Err(Unwritten { source, .. }), _) if source.kind() == io::ErrorKind::BrokenPipe => {
                tracing::info!(sink, "sink is closed: nobody reads it any more");
                State::Closed
            }
            (Err(_), State::Failing) => State::Failing,
            (Err(failure), _) => {
                tracing::error!(sink, error = %failure, "sink fails; its events are lost until it works again");
                State::Failing
            }
        };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::sync::{Arc, Mutex};

    use serin_event::EventKind;

    use super::*;

    fn losses(count: u64) -> Vec<Event> {
        let event = |count| Event {
            time: 0,
            node_name: "gull".into(),
            kind: EventKind::Loss { cpu: 0, count },
            process: None,
            parent: None,
            tid: 0,
            annotations: Vec::new(),
            alerts: Vec::new(),
        };
        (1..=count).map(event).collect()
    }

    /// A sink that fails when told to, after it wrote that many bytes.
    struct Moody {
        format: Format,
        mood: Arc<Mutex<Option<(usize, io::ErrorKind)>>>,
        calls: Arc<Mutex<Vec<String>>>,
    }

    impl Moody {
        fn new(format: Format) -> Self {
            Self { format, mood: Arc::default(), calls: Arc::default() }
        }
    }

    impl Sink for Moody {
        fn name(&self) -> &str {
            "moody"
        }

        fn format(&self) -> Format {
            self.format
        }

        fn write(&mut self, lines: &[u8]) -> Result<(), Unwritten> {
            self.calls.lock().unwrap().push(String::from_utf8(lines.to_vec()).unwrap());
            match *self.mood.lock().unwrap() {
                None => Ok(()),
                Some((written, kind)) => Err(Unwritten { written, source: kind.into() }),
            }
        }
    }

    fn counters(exporter: &Exporter) -> Vec<Counters> {
        exporter.counters().map(|(_, counters)| counters).collect()
    }

    #[test]
    fn each_sink_gets_the_batch_in_its_format() {
        let directory = tempfile::tempdir().unwrap();
        let [json, compact] = ["json", "compact"].map(|name| directory.path().join(name));
        let mut exporter = Exporter::open(&[
            SinkConfig::File { path: json.clone(), format: Format::Json },
            SinkConfig::File { path: compact.clone(), format: Format::Compact },
        ])
        .unwrap();
        exporter.export(&losses(2)).unwrap();
        exporter.export(&losses(1)).unwrap();
        let time = "1970-01-01T00:00:00Z";
        let line =
            |count| format!(r#"{{"loss":{{"cpu":0,"count":"{count}"}},"node_name":"gull","time":"{time}"}}"#);
        assert_eq!(fs::read_to_string(json).unwrap(), format!("{}\n{}\n{}\n", line(1), line(2), line(1)));
        assert_eq!(fs::read_to_string(compact).unwrap().lines().count(), 3);
        assert_eq!(counters(&exporter), [Counters { written: 3, lost: 0 }; 2]);
    }

    #[test]
    fn a_failing_sink_is_counted_and_stops_no_other() {
        let (bad, good) = (Moody::new(Format::Json), Moody::new(Format::Json));
        let (mood, calls) = (Arc::clone(&bad.mood), Arc::clone(&good.calls));
        let mut exporter = Exporter::new(vec![Box::new(bad), Box::new(good)]);
        exporter.export(&losses(1)).unwrap();
        *mood.lock().unwrap() = Some((100, io::ErrorKind::StorageFull));
        exporter.export(&losses(3)).unwrap();
        exporter.export(&losses(3)).unwrap();
        *mood.lock().unwrap() = None;
        exporter.export(&losses(1)).unwrap();
        // 100 bytes hold one line.
        assert_eq!(counters(&exporter), [Counters { written: 4, lost: 4 }, Counters { written: 8, lost: 0 }]);
        assert_eq!(calls.lock().unwrap().len(), 4);
    }

    #[test]
    fn a_closed_sink_is_left_alone_and_the_last_one_ends_it() {
        let (first, second) = (Moody::new(Format::Json), Moody::new(Format::Compact));
        let (moods, calls) = ([Arc::clone(&first.mood), Arc::clone(&second.mood)], Arc::clone(&first.calls));
        let mut exporter = Exporter::new(vec![Box::new(first), Box::new(second)]);
        *moods[0].lock().unwrap() = Some((0, io::ErrorKind::BrokenPipe));
        exporter.export(&losses(2)).unwrap();
        exporter.export(&losses(2)).unwrap();
        assert_eq!(calls.lock().unwrap().len(), 1, "not written to again");
        assert_eq!(counters(&exporter), [Counters { written: 0, lost: 4 }, Counters { written: 4, lost: 0 }]);
        *moods[1].lock().unwrap() = Some((0, io::ErrorKind::BrokenPipe));
        assert!(exporter.export(&losses(1)).is_err());
    }

    #[test]
    fn without_sinks_events_go_nowhere() {
        Exporter::open(&[]).unwrap().export(&losses(1)).unwrap();
    }
}
