#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::batch::Batch;
use crate::config::{FileConfig, Format};
use crate::queue::Overflow;
use crate::sink::Unwritten;
use crate::testing::losses;

const LONG: Duration = Duration::from_secs(30);

/// What a sink is to answer: how many events it writes, how many it loses, and why.
type Mood = Option<(usize, usize, io::ErrorKind)>;

/// A sink that answers as told, each time it is called, and tells with how many events.
struct Moody {
    moods: Mutex<Receiver<Mood>>,
    calls: Sender<usize>,
}

impl Sink for Moody {
    fn write(&mut self, batch: Batch<'_>) -> Result<(), Unwritten> {
        let _ = self.calls.send(batch.len());
        match self.moods.lock().unwrap().recv() {
            Ok(Some((written, lost, kind))) => Err(Unwritten { written, lost, source: kind.into() }),
            Ok(None) | Err(_) => Ok(()),
        }
    }
}

struct Controls {
    moods: Sender<Mood>,
    calls: Receiver<usize>,
}

fn moody() -> (Opened, Controls) {
    let (mood_sender, moods) = channel();
    let (calls, call_receiver) = channel();
    (
        Opened::Direct(Box::new(Moody { moods: Mutex::new(moods), calls })),
        Controls { moods: mood_sender, calls: call_receiver },
    )
}

fn config(overflow: Overflow, queue: usize) -> SinkConfig {
    SinkConfig { overflow, queue, ..SinkConfig::new(SinkKind::Stdout { format: Format::Json }) }
}

fn counters(exporter: &Exporter) -> Vec<Counters> {
    exporter.monitor().sinks().map(|(_, _, counters)| counters).collect()
}

#[test]
fn each_sink_gets_its_events_in_its_format() {
    let directory = tempfile::tempdir().unwrap();
    let [json, compact] = ["json", "compact"].map(|name| directory.path().join(name));
    let file = |path, format| SinkConfig::new(SinkKind::File(FileConfig { format, ..FileConfig::new(path) }));
    let filtered = SinkConfig {
        filter: serde_yaml::from_str("{ stdout: {}, deny: [{ kinds: [loss] }] }")
            .map(|sink: SinkConfig| sink.filter)
            .unwrap(),
        ..file(directory.path().join("nothing"), Format::Json)
    };
    let sinks = [file(json.clone(), Format::Json), file(compact.clone(), Format::Compact), filtered];
    let mut exporter = Exporter::open(&sinks).unwrap();
    exporter.export(losses(2)).unwrap();
    exporter.export(losses(1)).unwrap();
    exporter.close(LONG);
    let time = "1970-01-01T00:00:00Z";
    let line =
        |count| format!(r#"{{"loss":{{"cpu":0,"count":"{count}"}},"node_name":"gull","time":"{time}"}}"#);
    assert_eq!(fs::read_to_string(json).unwrap(), format!("{}\n{}\n{}\n", line(1), line(2), line(1)));
    assert_eq!(fs::read_to_string(compact).unwrap().lines().count(), 3);
    let written: Vec<_> = counters(&exporter).iter().map(|counters| counters.written).collect();
    assert_eq!(written, [3, 3, 0]);
}

#[test]
fn a_failing_sink_is_counted_and_stops_no_other() {
    let ((bad, bad_controls), (good, good_controls)) = (moody(), moody());
    let config = config(Overflow::Block, 100);
    let mut exporter = Exporter::start(vec![(&config, bad), (&config, good)]).unwrap();
    drop(good_controls.moods);
    bad_controls.moods.send(Some((1, 2, io::ErrorKind::StorageFull))).unwrap();
    exporter.export(losses(3)).unwrap();
    drop(bad_controls.moods);
    exporter.export(losses(1)).unwrap();
    exporter.close(LONG);
    let expected = [(2, 2), (4, 0)];
    assert_eq!(counters(&exporter).iter().map(|c| (c.written, c.lost)).collect::<Vec<_>>(), expected);
    assert!(exporter.monitor().sinks().all(|(_, state, _)| state == State::Working));
}

#[test]
fn what_is_not_lost_is_tried_again() {
    let (sink, controls) = moody();
    let config = config(Overflow::Drop, 100);
    let mut exporter = Exporter::start(vec![(&config, sink)]).unwrap();
    for mood in [Some((1, 0, io::ErrorKind::ConnectionReset)), Some((0, 1, io::ErrorKind::Other)), None] {
        controls.moods.send(mood).unwrap();
    }
    exporter.export(losses(5)).unwrap();
    assert_eq!([5, 4, 3].map(|_| controls.calls.recv_timeout(LONG).unwrap()), [5, 4, 3]);
    exporter.close(LONG);
    let expected = Counters { written: 4, lost: 1, retries: 1, ..Counters::default() };
    assert_eq!(counters(&exporter), [expected]);
}

#[test]
fn a_full_queue_drops_and_counts() {
    let (sink, controls) = moody();
    let config = config(Overflow::Drop, 4);
    let mut exporter = Exporter::start(vec![(&config, sink)]).unwrap();
    exporter.export(losses(1)).unwrap();
    controls.calls.recv_timeout(LONG).unwrap();
    for count in [3, 2, 1] {
        exporter.export(losses(count)).unwrap();
    }
    assert_eq!(counters(&exporter), [Counters { dropped: 2, queued: 4, ..Counters::default() }]);
    drop(controls.moods);
    exporter.close(LONG);
    assert_eq!(counters(&exporter), [Counters { written: 5, dropped: 2, ..Counters::default() }]);
}

#[test]
fn a_sink_that_is_down_at_the_end_gives_up_and_counts() {
    let (sink, controls) = moody();
    let config = config(Overflow::Drop, 100);
    let mut exporter = Exporter::start(vec![(&config, sink)]).unwrap();
    (0..100).for_each(|_| controls.moods.send(Some((0, 0, io::ErrorKind::ConnectionRefused))).unwrap());
    exporter.export(losses(3)).unwrap();
    controls.calls.recv_timeout(LONG).unwrap();
    exporter.export(losses(2)).unwrap();
    exporter.close(Duration::from_millis(1));
    assert_eq!(counters(&exporter)[0].lost, 5);
}

#[test]
fn a_closed_sink_is_left_alone_and_the_last_one_ends_it() {
    let ((first, first_controls), (second, second_controls)) = (moody(), moody());
    let config = config(Overflow::Block, 100);
    let mut exporter = Exporter::start(vec![(&config, first), (&config, second)]).unwrap();
    let closed = |exporter: &Exporter, index| {
        exporter.monitor().sinks().nth(index).is_some_and(|(_, state, _)| state == State::Closed)
    };
    first_controls.moods.send(Some((0, 2, io::ErrorKind::BrokenPipe))).unwrap();
    second_controls.moods.send(None).unwrap();
    exporter.export(losses(2)).unwrap();
    while !closed(&exporter, 0) {}
    // Else it could take what follows in the same batch.
    second_controls.calls.recv().unwrap();
    second_controls.moods.send(Some((0, 2, io::ErrorKind::BrokenPipe))).unwrap();
    // It may have been closed before this call looks.
    let _ = exporter.export(losses(2));
    while !closed(&exporter, 1) {}
    assert!(exporter.export(vec![]).is_err());
    assert_eq!(first_controls.calls.try_iter().count(), 1, "not written to again");
    exporter.close(LONG);
    assert_eq!(counters(&exporter).iter().map(|c| (c.written, c.lost)).collect::<Vec<_>>(), [(0, 4), (2, 2)]);
}

#[test]
fn without_sinks_events_go_nowhere() {
    Exporter::open(&[]).unwrap().export(losses(1)).unwrap();
}
