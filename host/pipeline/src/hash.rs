//! Digests of programs, made by a thread of their own: events wait for them only as long as is granted.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Context, SHA256};
use rustix::fs::{Mode, OFlags, Stat};
use serde::Deserialize;

use crate::file::{Refusal, open_regular};
use crate::quantity;

/// Programs that may wait for their digest. What finds no place is asked for again at the next event.
const QUEUE: usize = 64;
/// Digests that are remembered at least; twice as many at most.
const REMEMBERED: usize = 2048;
/// Bytes of a path: `PATH_MAX` of the kernel.
const MAX_PATH: usize = 4096;

/// `grants.hash`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HashGrant {
    /// How long one call of the plugin may wait for digests, all together; default 5 ms, at most 50 ms.
    #[serde(deserialize_with = "quantity::hash_wait")]
    pub wait: Duration,
    /// Bytes of a program; default 64 MiB, at most 1 GiB.
    #[serde(deserialize_with = "quantity::hash_size")]
    pub max_size: u64,
}

impl Default for HashGrant {
    fn default() -> Self {
        Self { wait: Duration::from_millis(5), max_size: 64 << 20 }
    }
}

/// A program's digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digest {
    /// In hexadecimal.
    pub(crate) sha256: String,
    /// Of the file that the process runs; else of what is at its path on the host.
    pub(crate) of_process: bool,
}

/// What is known of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Known(Digest),
    Pending,
    Refused(Refusal),
}

/// Where one plugin asks for digests. The thread ends with it.
#[derive(Debug)]
pub(crate) struct Hashes {
    requests: SyncSender<Request>,
    /// The answer that was waited for in vain.
    outstanding: Mutex<Option<Receiver<Answer>>>,
}

#[derive(Debug)]
struct Request {
    pid: u32,
    path: String,
    reply: SyncSender<Answer>,
}

impl Hashes {
    /// Starts the thread.
    ///
    /// # Errors
    /// If there can be no more threads.
    pub(crate) fn start(grant: HashGrant) -> std::io::Result<Self> {
        let (requests, queue) = sync_channel(QUEUE);
        std::thread::Builder::new().name("plugin-hash".to_owned()).spawn(move || work(grant, &queue))?;
        Ok(Self { requests, outstanding: Mutex::default() })
    }

    /// The digest of the program of a process; waits at most `wait`, of which it takes what it has waited.
    pub(crate) fn program(&self, pid: u32, path: String, wait: &mut Duration) -> Answer {
        if path.len() > MAX_PATH {
            return Answer::Refused(Refusal::Missing);
        }
        let (reply, answer) = sync_channel(1);
        if self.requests.try_send(Request { pid, path, reply }).is_err() {
            return Answer::Pending;
        }
        // Nothing in it is ever half done.
        let mut outstanding = self.outstanding.lock().unwrap_or_else(PoisonError::into_inner);
        // Requests are answered in order. If the file system of an older one hangs, no event waits for it twice.
        if outstanding.as_ref().is_some_and(|older| older.try_recv() == Err(TryRecvError::Empty)) {
            return Answer::Pending;
        }
        *outstanding = None;
        let started = Instant::now();
        let answered = answer.recv_timeout(*wait);
        *wait = wait.saturating_sub(started.elapsed());
        match answered {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                *outstanding = Some(answer);
                Answer::Pending
            }
        }
    }
}

fn work(grant: HashGrant, queue: &Receiver<Request>) {
    let mut known = Known::default();
    for Request { pid, path, reply } in queue.iter() {
        let answer = match digest(&mut known, pid, &path, grant.max_size) {
            Ok(digest) => Answer::Known(digest),
            Err(refusal) => Answer::Refused(refusal),
        };
        // It may not be waited for any more.
        let _ = reply.send(answer);
    }
}

fn digest(known: &mut Known, pid: u32, path: &str, max_size: u64) -> Result<Digest, Refusal> {
    let (file, stat, of_process) = open(pid, path, max_size)?;
    let sha256 = known.get(Stamp::of(&stat), || hash(file, max_size))?;
    Ok(Digest { sha256, of_process })
}

/// The file that the process runs, if it is still there and runs what it is said to; else the file at the path.
fn open(pid: u32, path: &str, max_size: u64) -> Result<(File, Stat, bool), Refusal> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    if let Ok(place) = rustix::fs::open(format!("/proc/{pid}/exe"), flags, Mode::empty()) {
        let link = rustix::fs::readlink(format!("/proc/self/fd/{}", place.as_raw_fd()), Vec::new())?;
        let link = link.as_bytes();
        if link.strip_suffix(b" (deleted)").unwrap_or(link) == path.as_bytes() {
            let (file, stat) = open_regular(&place, max_size)?;
            return Ok((file, stat, true));
        }
    }
    let place = rustix::fs::open(path, flags | OFlags::NOFOLLOW, Mode::empty())?;
    let (file, stat) = open_regular(&place, max_size)?;
    Ok((file, stat, false))
}

fn hash(file: File, max_size: u64) -> Result<String, Refusal> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 128 << 10];
    let mut left = max_size;
    let mut file = file.take(max_size.saturating_add(1));
    loop {
        match file.read(&mut buffer).map_err(|_| Refusal::Unreadable)? {
            0 => break,
            length => {
                left = left.checked_sub(length as u64).ok_or(Refusal::TooLarge)?;
                context.update(buffer.get(..length).unwrap_or_default());
            }
        }
    }
    let mut text = String::with_capacity(64);
    for byte in context.finish().as_ref() {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// What tells one content of a file from another: the time of the last change of its inode can't be set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Stamp {
    file: (u64, u64),
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    #[allow(clippy::unnecessary_cast, reason = "the types differ between architectures")]
    fn of(stat: &Stat) -> Self {
        Self {
            file: (stat.st_dev as u64, stat.st_ino as u64),
            size: stat.st_size as i64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }
}

/// Digests by what tells files apart; those that were not needed for longest are forgotten.
#[derive(Debug, Default)]
struct Known {
    young: HashMap<Stamp, String>,
    old: HashMap<Stamp, String>,
}

impl Known {
    fn get(
        &mut self,
        stamp: Stamp,
        hash: impl FnOnce() -> Result<String, Refusal>,
    ) -> Result<String, Refusal> {
        if let Some(known) = self.young.get(&stamp) {
            return Ok(known.clone());
        }
        let digest = self.old.remove(&stamp).map_or_else(hash, Ok)?;
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(stamp, digest.clone());
        Ok(digest)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use rustix::fs::FileType;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);
    const OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn hashes(max_size: u64) -> Hashes {
        Hashes::start(HashGrant { max_size, ..HashGrant::default() }).unwrap()
    }

    /// No process has this id.
    const NOBODY: u32 = u32::MAX;

    #[test]
    fn a_process_that_is_there_is_asked_for_its_own_file() {
        let own = std::env::current_exe().unwrap().display().to_string();
        let Answer::Known(found) = hashes(1 << 30).program(std::process::id(), own.clone(), &mut { LONG })
        else {
            panic!("no digest")
        };
        assert!(found.of_process);
        let Answer::Known(again) = hashes(1 << 30).program(NOBODY, own, &mut { LONG }) else {
            panic!("no digest")
        };
        assert_eq!((again.sha256, again.of_process), (found.sha256, false));
    }

    #[test]
    fn digests_are_of_what_is_there_now() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let text = path.display().to_string();
        let hashes = hashes(3);
        std::fs::write(&path, "abc").unwrap();
        // This process runs something else.
        let ask = |path: &str| hashes.program(std::process::id(), path.to_owned(), &mut { LONG });
        let expected = Digest { sha256: OF_ABC.to_owned(), of_process: false };
        assert_eq!(ask(&text), Answer::Known(expected.clone()));
        let times = std::fs::metadata(&path).unwrap();
        std::fs::write(&path, "abd").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(times.modified().unwrap()).unwrap();
        let Answer::Known(changed) = ask(&text) else { panic!("no digest") };
        assert_ne!(changed, expected, "same size, same time of modification");
        std::fs::write(&path, "abcd").unwrap();
        assert_eq!(ask(&text), Answer::Refused(Refusal::TooLarge));
        assert_eq!(ask(&folder.path().display().to_string()), Answer::Refused(Refusal::NotRegular));
        assert_eq!(ask("/nonexistent"), Answer::Refused(Refusal::Missing));
        assert_eq!(ask(&"x".repeat(MAX_PATH + 1)), Answer::Refused(Refusal::Missing));
        let (link, fifo) = (folder.path().join("link"), folder.path().join("fifo"));
        std::os::unix::fs::symlink(&path, &link).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
        for other in [link, fifo] {
            assert_eq!(ask(&other.display().to_string()), Answer::Refused(Refusal::NotRegular));
        }
    }

    #[test]
    fn nothing_waits_longer_than_it_may() {
        let hashes = hashes(1 << 30);
        let large = tempfile::NamedTempFile::new().unwrap();
        large.as_file().set_len(1 << 30).unwrap();
        let large = large.path().display().to_string();
        let mut wait = Duration::ZERO;
        assert_eq!(hashes.program(NOBODY, large.clone(), &mut wait), Answer::Pending);
        // While that goes on, nothing else is waited for.
        let mut wait = LONG;
        let pending = (0..2 * QUEUE)
            .filter(|_| hashes.program(NOBODY, "/nonexistent".to_owned(), &mut wait) == Answer::Pending);
        assert!(pending.count() > 0);
    }
}
