//! Rotated files: named after the time, compressed, and in the end removed.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::config::FileConfig;

/// What a compressed file is called until it is whole.
const PART: &str = "part";
/// The difference between two names that follow each other.
const TICK: Duration = Duration::from_micros(1);
/// As many digits as a time has between the dashes: `20261125T224336123456Z`.
const TIME_LENGTH: usize = 22;

/// The rotated files of one file sink. They lie beside it: `events.json` becomes
/// `events-20261125T224336123456Z.json`, and then `events-20261125T224336123456Z.json.gz`.
pub(super) struct Archive {
    names: Names,
    /// To the thread that compresses and removes: neither holds up what is written.
    work: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Archive {
    pub(super) fn new(config: &FileConfig) -> Self {
        let names = Names::of(&config.path);
        if config.rotate.keep.is_none() && !config.rotate.compress {
            return Self { names, work: None, thread: None };
        }
        let (work, requests) = channel();
        let tidier = Tidier {
            names: names.clone(),
            keep: config.rotate.keep,
            compress: config.rotate.compress,
            mode: config.mode,
        };
        let run = move || requests.iter().for_each(|()| tidier.tidy());
        let thread = std::thread::Builder::new().name("serin-archive".into()).spawn(run);
        let thread = thread.inspect_err(|error| tracing::error!("old files stay as they are: {error}")).ok();
        Self { names, work: Some(work), thread }
    }

    /// Gives the file the name of this moment, or of the one after that of the newest: so the order of the names stays
    /// that of the files when the clock goes back.
    pub(super) fn take(&self, now: SystemTime) -> io::Result<()> {
        let files = self.names.all().unwrap_or_default();
        let newest = files.last().and_then(|file| self.names.time(file));
        let mut now = newest.map_or(now, |newest| now.max(newest + TICK));
        loop {
            let to = self.names.at(now);
            match renameat_with(CWD, &self.names.path, CWD, &to, RenameFlags::NOREPLACE) {
                // Somebody else's.
                Err(Errno::EXIST) => now += TICK,
                // An old file system: nobody but this agent makes files of these names.
                Err(Errno::INVAL) => return fs::rename(&self.names.path, to),
                result => return Ok(result?),
            }
        }
    }

    /// Has old files compressed and removed, some time soon.
    pub(super) fn tidy(&self) {
        if let Some(work) = &self.work {
            // Without its thread, which was reported, nothing is tidied.
            let _ = work.send(());
        }
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        drop(self.work.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that tidies old files panicked");
        }
    }
}

/// How the rotated files of a path are called.
#[derive(Debug, Clone)]
struct Names {
    path: PathBuf,
    folder: PathBuf,
    /// `events-`
    prefix: String,
    /// `.json`, or nothing
    extension: String,
}

impl Names {
    fn of(path: &Path) -> Self {
        let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let extension = path.extension().map(|_| format!(".{}", text(path.extension())));
        Self {
            path: path.to_owned(),
            folder: path.parent().unwrap_or(Path::new("/")).to_owned(),
            prefix: format!("{}-", text(path.file_stem())),
            extension: extension.unwrap_or_default(),
        }
    }

    fn at(&self, time: SystemTime) -> PathBuf {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut text = Vec::new();
        serin_event::json::timestamp(since.as_secs() * 1_000_000_000, &mut text);
        let digits = text.iter().map(|byte| char::from(*byte)).filter(|c| c.is_ascii_digit() || *c == 'T');
        let second: String = digits.collect();
        let micros = since.subsec_micros();
        self.folder.join(format!("{}{second}{micros:06}Z{}", self.prefix, self.extension))
    }

    /// When a rotated file was, by its name.
    fn time(&self, file: &Path) -> Option<SystemTime> {
        let name = file.file_name()?.to_str()?;
        let name = name.strip_suffix(".gz").unwrap_or(name);
        let text = name.strip_prefix(&self.prefix)?.strip_suffix(&self.extension)?.strip_suffix('Z')?;
        let part = |range| text.get::<std::ops::Range<usize>>(range);
        let (date, time) =
            ([part(0..4)?, part(4..6)?, part(6..8)?], [part(9..11)?, part(11..13)?, part(13..15)?]);
        let text = format!("{}T{}.{}Z", date.join("-"), time.join(":"), part(15..21)?);
        text.parse::<prost_types::Timestamp>().ok()?.try_into().ok()
    }

    /// The rotated files, compressed or not, oldest first.
    fn all(&self) -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.folder)?.collect::<io::Result<Vec<_>>>()?;
        let names = entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<_> = names.filter(|name| self.is_one(name)).collect();
        names.sort();
        Ok(names.into_iter().map(|name| self.folder.join(name)).collect())
    }

    fn is_one(&self, name: &str) -> bool {
        let name = name.strip_suffix(".gz").unwrap_or(name);
        let time = name.strip_prefix(&self.prefix).and_then(|name| name.strip_suffix(&self.extension));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        time.filter(|time| time.len() == TIME_LENGTH && time.is_ascii()).is_some_and(|time| {
            let (date, rest) = time.split_at(8);
            digits(date) && rest.starts_with('T') && rest.ends_with('Z') && digits(&rest[1..13])
        })
    }
}

/// What the thread does.
struct Tidier {
    names: Names,
    keep: Option<usize>,
    compress: bool,
    mode: u32,
}

impl Tidier {
    fn tidy(&self) {
        if let Err(error) = self.remove_surplus().and_then(|left| self.compress(&left)) {
            tracing::error!("old files of {} stay as they are: {error}", self.names.path.display());
        }
    }

    /// Removes the oldest beyond those to keep; those that are left.
    fn remove_surplus(&self) -> io::Result<Vec<PathBuf>> {
        let mut all = self.names.all()?;
        let surplus = all.len().saturating_sub(self.keep.unwrap_or(usize::MAX));
        for file in all.drain(..surplus) {
            fs::remove_file(file)?;
        }
        Ok(all)
    }

    fn compress(&self, files: &[PathBuf]) -> io::Result<()> {
        let plain = |file: &&PathBuf| file.extension().is_none_or(|extension| extension != "gz");
        for file in files.iter().filter(plain).filter(|_| self.compress) {
            let name = file.as_os_str().to_string_lossy();
            let (part, whole) = (format!("{name}.gz.{PART}"), format!("{name}.gz"));
            self.compress_to(file, Path::new(&part)).inspect_err(|_| {
                // It would only take up room.
                let _ = fs::remove_file(&part);
            })?;
            fs::rename(&part, whole)?;
            fs::remove_file(file)?;
        }
        Ok(())
    }

    fn compress_to(&self, from: &Path, to: &Path) -> io::Result<()> {
        // What an agent that was killed has left.
        match fs::remove_file(to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let target = OpenOptions::new().write(true).create_new(true).mode(self.mode).open(to)?;
        let mut encoder = GzEncoder::new(target, Compression::default());
        // Not what somebody else may have put there, should others be able to write in this folder.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        io::copy(&mut OpenOptions::new().read(true).custom_flags(flags).open(from)?, &mut encoder)?;
        // On the disk before the file that it stands for is removed.
        encoder.finish()?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn names_carry_the_time_and_are_told_from_others() {
        let time = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        for (path, expected) in [
            ("/var/log/events.json", "/var/log/events-20231114T221320123456Z.json"),
            ("/events", "/events-20231114T221320123456Z"),
            ("/a.b/serin.events.log", "/a.b/serin.events-20231114T221320123456Z.log"),
        ] {
            let names = Names::of(Path::new(path));
            assert_eq!(names.at(time), Path::new(expected));
            assert!(names.is_one(names.at(time).file_name().unwrap().to_str().unwrap()), "{path}");
            let whole = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_000);
            assert_eq!(names.time(&names.at(time)), Some(whole));
        }
        let names = Names::of(Path::new("/var/log/events.json"));
        for (name, expected) in [
            ("events-20231114T221320123456Z.json.gz", true),
            ("events-20231114T221320123456Z.json.gz.part", false),
            ("events-20231114T221320Z.json", false),
            ("events-2023111xT221320123456Z.json", false),
            ("events.json", false),
            ("other-20231114T221320123456Z.json", false),
            ("events-ÄÄÄÄÄÄÄÄÄÄÄ.json", false),
        ] {
            assert_eq!(names.is_one(name), expected, "{name}");
        }
    }

    #[test]
    fn names_stay_in_order_whatever_the_clock_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.json");
        let archive = Archive::new(&FileConfig::new(&path));
        let times = [5_000, 5_000, 0, 4_000, 6_000, 1];
        for (number, seconds) in times.into_iter().enumerate() {
            fs::write(&path, number.to_string()).unwrap();
            archive.take(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        }
        let texts = archive.names.all().unwrap().into_iter().map(|path| fs::read_to_string(path).unwrap());
        assert_eq!(texts.collect::<Vec<_>>(), ["0", "1", "2", "3", "4", "5"]);
        let last = UNIX_EPOCH + Duration::from_secs(6_000) + TICK;
        assert!(archive.names.at(last).exists(), "just after the newest");
    }
}
