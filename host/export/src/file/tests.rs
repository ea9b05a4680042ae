#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::batch::Encoder;
use crate::config::{Format, Rotation, SinkConfig, SinkKind};
use crate::testing::losses;

struct Log {
    folder: tempfile::TempDir,
    config: FileConfig,
}

impl Log {
    fn new(change: impl FnOnce(&mut FileConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = FileConfig::new(folder.path().join("events.json"));
        change(&mut config);
        Self { folder, config }
    }

    fn open(&self) -> FileSink {
        FileSink::open(&self.config).unwrap()
    }

    /// Every file, rotated ones first and in order, with how many lines it has.
    fn files(&self) -> Vec<(String, usize)> {
        let paths = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> = paths.collect();
        paths.sort();
        let lines = |path: &Path| text(path).lines().count();
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        paths.iter().map(|path| (name(path), lines(path))).collect()
    }

    fn lines(&self) -> Vec<usize> {
        self.files().into_iter().map(|(_, lines)| lines).collect()
    }
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    match path.extension().is_some_and(|extension| extension == "gz") {
        true => flate2::read::GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text),
        false => File::open(path).unwrap().read_to_string(&mut text),
    }
    .unwrap();
    text
}

fn encoder() -> Encoder {
    Encoder::new(&SinkConfig::new(SinkKind::Stdout { format: Format::Json }), false)
}

fn write(sink: &mut FileSink, count: u64) -> Result<(), Unwritten> {
    let mut encoder = encoder();
    encoder.encode(&[Arc::new(losses(count))], |batch| sink.write(batch))
}

/// Bytes that losses of less than 10 take.
fn line() -> u64 {
    let mut encoder = encoder();
    encoder.encode(&[Arc::new(losses(1))], |batch| batch.text().len() as u64)
}

#[test]
fn appends() {
    let log = Log::new(|_| ());
    for _ in 0..2 {
        write(&mut log.open(), 3).unwrap();
    }
    assert_eq!(log.files(), [("events.json".to_owned(), 6)]);
}

#[test]
fn no_file_grows_beyond_its_size() {
    for (batches, expected) in [
        (vec![2, 1], vec![2, 1]),
        (vec![3], vec![2, 1]),
        (vec![1, 4], vec![2, 2, 1]),
        (vec![1; 5], vec![2, 2, 1]),
    ] {
        let log = Log::new(|config| config.rotate.size = Some(2 * line()));
        let mut sink = log.open();
        batches.iter().for_each(|count| write(&mut sink, *count).unwrap());
        assert_eq!(log.lines(), expected, "{batches:?}");
    }
}

#[test]
fn an_event_larger_than_a_file_gets_one_of_its_own() {
    let log = Log::new(|config| config.rotate.size = Some(10));
    write(&mut log.open(), 3).unwrap();
    assert_eq!(log.lines(), [1, 1, 1]);
}

#[test]
fn the_newest_are_kept_and_compressed() {
    let rotate = Rotation { size: Some(line()), age: None, keep: Some(2), compress: true };
    let log = Log::new(|config| config.rotate = rotate);
    let mut sink = log.open();
    // What an agent that was killed has left is tidied too, and other files are left alone.
    fs::write(log.folder.path().join("events-20200101T000000000000Z.json"), "old\n").unwrap();
    fs::write(log.folder.path().join("events-of-somebody.json"), "other\n").unwrap();
    write(&mut sink, 4).unwrap();
    drop(sink);
    let names: Vec<_> = log.files().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(
        names[..2].iter().all(|name| name.starts_with("events-2") && name.ends_with("Z.json.gz")),
        "{names:?}"
    );
    assert_eq!(names[2..], ["events-of-somebody.json", "events.json"]);
    assert_eq!(log.lines(), [1, 1, 1, 1]);
}

#[test]
fn old_files_are_rotated_without_events() {
    let log = Log::new(|config| config.rotate.age = Some(Duration::ZERO));
    let mut sink = log.open();
    sink.tick().unwrap();
    assert_eq!(log.lines(), [0], "an empty file is not rotated");
    write(&mut sink, 2).unwrap();
    sink.tick().unwrap();
    assert_eq!(log.lines(), [2, 0]);
}

#[test]
fn goes_on_where_the_path_leads() {
    let log = Log::new(|_| ());
    let mut sink = log.open();
    write(&mut sink, 1).unwrap();
    fs::rename(&log.config.path, log.folder.path().join("a-moved")).unwrap();
    write(&mut sink, 2).unwrap();
    assert_eq!(log.lines(), [1, 2]);
    fs::remove_file(&log.config.path).unwrap();
    write(&mut sink, 3).unwrap();
    assert_eq!(log.lines(), [1, 3]);
    sink.reopen();
    write(&mut sink, 1).unwrap();
    assert_eq!(log.lines(), [1, 4]);
}

#[test]
fn what_can_not_be_written_is_lost_and_the_next_is_not() {
    let log = Log::new(|config| config.path = config.path.with_file_name("folder").join("events.json"));
    let folder = log.folder.path().join("folder");
    fs::create_dir(&folder).unwrap();
    let mut sink = log.open();
    fs::remove_dir_all(&folder).unwrap();
    let failure = write(&mut sink, 3).unwrap_err();
    assert_eq!((failure.written, failure.lost), (0, 3));
    fs::create_dir(&folder).unwrap();
    write(&mut sink, 2).unwrap();
    assert_eq!(text(&log.config.path).lines().count(), 2);
}

#[test]
fn syncs_when_it_should() {
    for (sync, after_write, after_tick) in [
        (Sync::Never, true, true),
        (Sync::Always, false, false),
        (Sync::Every(Duration::ZERO), true, false),
        (Sync::Every(Duration::from_secs(3600)), true, true),
    ] {
        let log = Log::new(|config| config.sync = sync);
        let mut sink = log.open();
        write(&mut sink, 1).unwrap();
        let unsynced = |sink: &FileSink| sink.current.as_ref().unwrap().unsynced.is_some();
        assert_eq!(unsynced(&sink), after_write, "{sync:?}");
        sink.tick().unwrap();
        assert_eq!(unsynced(&sink), after_tick, "{sync:?}");
    }
}
