#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::config::Sync;
use crate::records::RecordBuffer;

const HEADER: &[u8] = b"a test's\n";
const MIB: u64 = 1 << 20;
const NOW: Duration = Duration::ZERO;

/// A spool in a folder of its own.
struct Fixture {
    folder: tempfile::TempDir,
    ends: Option<Ends>,
}

impl Fixture {
    fn new() -> Self {
        let mut fixture = Self { folder: tempfile::tempdir().unwrap(), ends: None };
        fixture.reopen();
        fixture
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    fn ends(&mut self) -> &mut Ends {
        self.ends.as_mut().unwrap()
    }

    fn close(&mut self) {
        self.ends = None;
    }

    fn reopen(&mut self) {
        self.close();
        // A process that another test starts holds what is open here until its own program runs.
        let opened = (0..1000).find_map(|_| match open(&self.path(), MIB, HEADER) {
            Err(SpoolError::InUse) => {
                std::thread::sleep(Duration::from_millis(1));
                None
            }
            other => Some(other.unwrap()),
        });
        self.ends = Some(opened.unwrap());
    }

    /// As many records as it takes, each of so many bytes that say its number.
    fn append(&mut self, numbers: std::ops::Range<u64>, size: usize) -> usize {
        let mut appended = 0;
        let buffer = buffer(numbers, size);
        while appended < buffer.records().len() {
            match self.ends().appender.append(buffer.records().split_at(appended).1) {
                Ok(count) => appended += count,
                Err(Refused::Full) => break,
                Err(error) => panic!("{error}"),
            }
        }
        appended
    }

    /// The numbers of the next records, which stay.
    fn peek(&mut self, wanted: usize) -> Vec<u64> {
        let mut buffer = RecordBuffer::default();
        self.ends().reader.fetch(wanted, NOW, NOW, &mut buffer).unwrap();
        numbers(&buffer)
    }

    /// The numbers of all records, which are taken out.
    fn drain(&mut self) -> Vec<u64> {
        let (mut all, mut buffer) = (Vec::new(), RecordBuffer::default());
        loop {
            self.ends().reader.fetch(100, NOW, NOW, &mut buffer).unwrap();
            let count = buffer.records().len();
            if count == 0 {
                return all;
            }
            all.extend(numbers(&buffer));
            self.ends().reader.pass(&buffer, 0, count);
        }
    }

    fn counters(&mut self) -> SpoolCounters {
        self.ends().spool.counters()
    }

    /// The files of its segments, oldest first.
    fn segments(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.path()).unwrap().map(|file| file.unwrap().path());
        let mut segments: Vec<_> = files.filter(|path| path.extension().is_some()).collect();
        segments.sort();
        segments
    }
}

fn buffer(numbers: std::ops::Range<u64>, size: usize) -> RecordBuffer {
    let mut buffer = RecordBuffer::default();
    for number in numbers {
        buffer.add(|out| {
            let end = out.len() + size;
            out.extend_from_slice(&number.to_le_bytes());
            out.resize(end, b'.');
        });
    }
    buffer
}

fn numbers(buffer: &RecordBuffer) -> Vec<u64> {
    buffer.records().iter().map(|record| u64::from_le_bytes(record[..8].try_into().unwrap())).collect()
}

fn flip(path: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
}

#[test]
fn records_come_out_in_order_and_outlast_a_restart() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.append(0..10, 100), 10);
    let mut buffer = RecordBuffer::default();
    fixture.ends().reader.fetch(6, NOW, NOW, &mut buffer).unwrap();
    assert_eq!(numbers(&buffer), [0, 1, 2, 3, 4, 5]);
    fixture.ends().reader.pass(&buffer, 0, 2);
    fixture.ends().reader.pass(&buffer, 2, 1);
    assert_eq!(fixture.peek(2), [3, 4]);
    fixture.reopen();
    assert_eq!((fixture.counters().records, fixture.peek(100)), (7, (3..10).collect()));
    fixture.append(10..12, 100);
    assert_eq!(fixture.drain(), (3..12).collect::<Vec<_>>());
    fixture.reopen();
    assert_eq!((fixture.drain(), fixture.segments().len()), (vec![], 0));
    assert_eq!(fixture.counters(), SpoolCounters { size: MIB, ..SpoolCounters::default() });
}

/// Whatever is appended, taken out and reopened in whatever order: the same as of a queue in memory.
#[test]
fn it_is_a_queue() {
    let mut fixture = Fixture::new();
    let (mut expected, mut next, mut random) = (VecDeque::new(), 0, 1_u64);
    for step in 0..3_000 {
        // A linear congruential generator: the same steps each time.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (choice, amount, size) = (random >> 60, random >> 33 & 0x3f, (random >> 40 & 0x1fff) as usize);
        match choice {
            0..7 => {
                let appended = fixture.append(next..next + amount, 8 + size) as u64;
                expected.extend(next..next + appended);
                next += appended;
            }
            7..14 => {
                let mut buffer = RecordBuffer::default();
                fixture.ends().reader.fetch(amount as usize, NOW, NOW, &mut buffer).unwrap();
                let count = buffer.records().len() * (amount as usize & 3) / 3;
                let out: Vec<u64> = expected.drain(..count).collect();
                assert_eq!(numbers(&buffer)[..count], out, "step {step}");
                fixture.ends().reader.pass(&buffer, 0, count);
            }
            _ => fixture.reopen(),
        }
        let counters = fixture.counters();
        assert_eq!((counters.records, counters.lost()), (expected.len() as u64, 0), "step {step}");
        let on_disk: u64 = fixture.segments().iter().map(|path| fs::metadata(path).unwrap().len()).sum();
        assert!(on_disk == counters.bytes && on_disk <= MIB, "step {step}: {on_disk} of {counters:?}");
    }
    assert!(next > 5_000, "only {next}");
    assert_eq!(fixture.drain(), Vec::from(expected));
}

#[test]
fn it_takes_as_much_as_it_may_and_more_when_there_is_room() {
    let mut fixture = Fixture::new();
    let taken = fixture.append(0..2_000, 1_000);
    assert!((1_000..=1_040).contains(&taken), "{taken}");
    let mut buffer = RecordBuffer::default();
    fixture.ends().reader.fetch(200, NOW, NOW, &mut buffer).unwrap();
    let count = buffer.records().len();
    fixture.ends().reader.pass(&buffer, 0, count);
    assert_eq!(fixture.peek(1), [count as u64]);
    assert!(fixture.append(5_000..5_200, 1_000) > 50, "a segment is free");
}

#[test]
fn long_records_have_a_segment_of_their_own() {
    let mut fixture = Fixture::new();
    let long = MIB as usize - 17;
    assert!(matches!(
        fixture.ends().appender.append(buffer(0..1, long + 1).records()),
        Err(Refused::TooLarge)
    ));
    for number in 0..3 {
        assert_eq!(fixture.append(number..number + 1, long), 1);
        assert_eq!(fixture.append(9..10, 8), 0, "full");
        assert_eq!(fixture.drain(), [number]);
    }
    assert_eq!((fixture.append(7..8, 100_000), fixture.append(8..10, 100)), (1, 2));
    assert_eq!(fixture.drain(), [7, 8, 9]);
}

#[test]
fn what_a_crash_left_incomplete_is_cut_and_counted() {
    let frame = 108;
    for missing in [1, 50, frame - 1, frame, frame + 1, 3 * frame] {
        let mut fixture = Fixture::new();
        fixture.append(0..5, 100);
        fixture.close();
        let [segment] = &fixture.segments()[..] else { panic!("not one segment") };
        let file = OpenOptions::new().write(true).open(segment).unwrap();
        file.set_len(file.metadata().unwrap().len() - missing).unwrap();
        fixture.reopen();
        let torn = u64::from(missing % frame != 0);
        assert_eq!(fixture.counters().torn, torn, "{missing} bytes");
        fixture.append(10..12, 100);
        let whole = 5 - missing.div_ceil(frame);
        assert_eq!(fixture.drain(), (0..whole).chain(10..12).collect::<Vec<_>>(), "{missing} bytes");
        fixture.reopen();
        assert_eq!(fixture.counters().torn, 0, "counted once");
    }
}

#[test]
fn a_segment_without_all_of_its_header_is_none() {
    let mut fixture = Fixture::new();
    fixture.append(0..100, 1_000);
    fixture.close();
    assert_eq!(fixture.segments().len(), 2);
    for size in [0, 4, HEADER.len()] {
        fs::write(fixture.path().join("00000000000000000100.spool"), &HEADER[..size]).unwrap();
        fixture.reopen();
        assert_eq!((fixture.counters().records, fixture.counters().lost()), (100, 0));
        fixture.close();
    }
    fixture.reopen();
    assert_eq!(fixture.drain(), (0..100).collect::<Vec<_>>());
}

#[test]
fn what_can_not_be_read_is_passed_over_and_counted() {
    let frame = 1_008;
    let third = HEADER.len() as u64 + 2 * frame + 500;
    for reopened in [false, true] {
        let mut fixture = Fixture::new();
        fixture.append(0..200, 1_000);
        let segments = fixture.segments();
        let firsts: Vec<u64> = segments
            .iter()
            .map(|path| path.file_stem().unwrap().to_str().unwrap().parse().unwrap())
            .collect();
        assert!(segments.len() == 4, "{firsts:?}");
        flip(&segments[1], third);
        fs::remove_file(&segments[2]).unwrap();
        flip(&segments[3], third);
        if reopened {
            fixture.reopen();
        }
        let expected = (0..firsts[1] + 2).chain(firsts[3]..firsts[3] + 2);
        assert_eq!(fixture.drain(), expected.collect::<Vec<_>>());
        let counters = fixture.counters();
        let (in_the_last, before) = (200 - firsts[3] - 2, firsts[3] - firsts[1] - 2);
        let (torn, corrupt) = if reopened { (in_the_last, before) } else { (0, before + in_the_last) };
        assert_eq!((counters.torn, counters.corrupt), (torn, corrupt));
        fixture.append(300..310, 1_000);
        assert_eq!(fixture.drain(), (300..310).collect::<Vec<_>>());
    }
}

#[test]
fn without_its_cursor_everything_comes_again() {
    for content in [&b""[..], b"nonsense", &[0; 28]] {
        let mut fixture = Fixture::new();
        fixture.append(0..10, 100);
        let mut buffer = RecordBuffer::default();
        fixture.ends().reader.fetch(5, NOW, NOW, &mut buffer).unwrap();
        fixture.ends().reader.pass(&buffer, 0, 5);
        fixture.close();
        fs::write(fixture.path().join("cursor"), content).unwrap();
        fixture.reopen();
        assert_eq!(fixture.drain(), (0..10).collect::<Vec<_>>());
    }
}

#[test]
fn files_are_for_their_owner_alone() {
    let mut fixture = Fixture::new();
    fixture.append(0..1, 8);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(fixture.path()), 0o700);
    for file in [fixture.path().join("cursor"), fixture.segments()[0].clone()] {
        assert_eq!(mode(file), 0o600);
    }
}

#[test]
fn a_folder_that_is_not_its_own_is_refused() {
    let mut fixture = Fixture::new();
    let refusal = |path: &Path, header| open(path, MIB, header).err().unwrap().to_string();
    let path = fixture.path();
    assert_eq!(refusal(&path, HEADER), "is in use by another sink or agent; give each a folder of its own");
    fixture.append(0..1, 8);
    fixture.close();
    let other = refusal(&path, b"another\n");
    assert!(
        other.starts_with("holds in 00000000000000000000.spool what is no record of this kind"),
        "{other}"
    );
    let link = fixture.folder.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(refusal(&link, HEADER).starts_with("is a symbolic link, or no folder"));
    fs::write(path.join("events.json"), "").unwrap();
    assert!(refusal(&path, HEADER).starts_with("holds `events.json`, which is no part of a spool"));
    fs::remove_file(path.join("events.json")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
    assert!(refusal(&path, HEADER).starts_with("has the mode 0750, so that others"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    let file = fixture.folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(refusal(&file, HEADER).starts_with("is a symbolic link, or no folder"));
    assert!(refusal(Path::new("/proc/no/such"), HEADER).starts_with("can't be opened: "));
}

#[test]
fn what_has_been_delivered_takes_no_room_on_a_full_disk() {
    let mut fixture = Fixture::new();
    fixture.append(0..40, 1_000);
    let before = fixture.segments();
    let held = fs::File::open(&before[0]).unwrap();
    assert_eq!(fixture.drain().len(), 40);
    // As when an attempt to write has failed.
    fixture.ends().spool.set_stuck(true);
    assert_eq!(fixture.append(40..41, 1_000), 1);
    assert_ne!(fixture.segments(), before);
    assert_eq!(held.metadata().unwrap().len(), 0, "its room is free though it is open");
    assert_eq!(fixture.drain(), [40]);
}

/// On a file system of 64 KiB; without the privilege to mount one it says so and shows nothing.
#[test]
fn a_full_disk_takes_what_it_has_room_for_and_goes_on_when_there_is_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut mount = std::process::Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=64k", "none"]).arg(folder.path());
    if !mount.status().is_ok_and(|status| status.success()) {
        return eprintln!("left out, as nothing can be mounted");
    }
    let mut fixture = Fixture { folder, ends: None };
    fixture.reopen();
    for round in 0..3 {
        let records = buffer(0..500, 1_000);
        let mut appended = 0;
        let error = loop {
            match fixture.ends().appender.append(records.records().split_at(appended).1) {
                Ok(count) => appended += count,
                Err(error) => break error,
            }
        };
        assert!(matches!(&error, Refused::Failed(error) if error.kind() == io::ErrorKind::StorageFull));
        assert!((50..64).contains(&appended), "round {round}: {appended}");
        fixture.ends().spool.set_stuck(true);
        assert_eq!(fixture.drain(), (0..appended as u64).collect::<Vec<_>>(), "round {round}");
    }
    fixture.close();
    assert!(std::process::Command::new("umount").arg(fixture.folder.path()).status().unwrap().success());
}

#[test]
fn what_is_forced_to_the_disk_is_what_was_appended() {
    for sync in [Sync::Always, Sync::Every(Duration::ZERO), Sync::Every(Duration::from_secs(3600))] {
        let mut fixture = Fixture::new();
        fixture.ends().appender.set_sync(sync);
        // Several segments, of which each is forced before the next is begun.
        assert_eq!(fixture.append(0..400, 1000), 400, "{sync:?}");
        let later = sync == Sync::Every(Duration::from_secs(3600));
        fixture.ends().appender.tick().unwrap();
        assert_eq!(fixture.ends().appender.is_forced(), !later, "{sync:?}");
        fixture.reopen();
        assert_eq!(fixture.drain(), (0..400).collect::<Vec<_>>(), "{sync:?}");
    }
}
