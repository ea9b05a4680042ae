//! Processes as /proc shows them.

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, readlinkat, statat};

use crate::cgroup::path_in;

/// Of a process's command line at most this many bytes are read; the kernel's records hold no more either.
const MAX_COMMAND_LINE: u64 = 4096;

/// Every other file is read up to here; the longest, `status`, has about 1500 bytes.
const MAX_FILE: u64 = 64 * 1024;

/// A process that was found in /proc.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scanned {
    /// Process id.
    pub pid: u32,
    /// The parent's process id; 0 if the kernel itself is the parent.
    pub parent_pid: u32,
    /// When it was started: nanoseconds of `CLOCK_BOOTTIME`, rounded down to 10 ms (`USER_HZ`), as /proc
    /// tells no more.
    pub start_time: u64,
    /// Name of the thread-group leader (`comm`), at most 15 bytes.
    pub name: String,
    /// Path of the program, as bytes without NUL; empty for kernel threads, and if it can't be read.
    pub binary: Vec<u8>,
    /// `argv[1..]`, lossily decoded as UTF-8.
    pub arguments: Vec<String>,
    /// The command line was longer than 4096 bytes.
    pub arguments_truncated: bool,
    /// Working directory; empty if it can't be read.
    pub cwd: String,
    /// Effective user id.
    pub uid: u32,
    /// Login uid; 4294967295 if unset.
    pub auid: u32,
    /// Path of the cgroup below the cgroup mount; empty if unknown.
    pub cgroup: String,
}

/// Reads all processes. One that ends meanwhile, or that may not be read, is left out.
///
/// # Errors
/// The directory can't be read.
pub fn scan(procfs: &Path) -> io::Result<impl Iterator<Item = Scanned>> {
    let procfs = procfs.to_owned();
    Ok(pids(&procfs)?.filter_map(move |pid| Scanned::read(&procfs, pid).ok()))
}

/// The path of the program that a process runs; empty if that is not known, as for threads of the kernel.
///
/// # Errors
/// There is no such process.
pub fn binary(procfs: &Path, pid: u32) -> io::Result<Vec<u8>> {
    Ok(Directory::open(&procfs.join(pid.to_string()))?.link("exe").unwrap_or_default())
}

/// When a process was started, in [`tick`]s of `CLOCK_BOOTTIME`.
///
/// # Errors
/// There is no such process.
pub(crate) fn started(procfs: &Path, pid: u32) -> io::Result<u64> {
    let stat = Directory::open(&procfs.join(pid.to_string()))?.text("stat")?;
    Ok(Stat::parse(&stat).ok_or(io::ErrorKind::InvalidData)?.start_ticks)
}

/// The ids of all processes.
pub(crate) fn pids(procfs: &Path) -> io::Result<impl Iterator<Item = u32> + use<>> {
    Ok(fs::read_dir(procfs)?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()))
}

/// The unit of start times in /proc, in nanoseconds: `1 / USER_HZ` seconds.
pub(crate) fn tick() -> u64 {
    1_000_000_000 / rustix::param::clock_ticks_per_second().max(1)
}

impl Scanned {
    /// Reads one process.
    ///
    /// # Errors
    /// There is no such process, it has ended, or it may not be read.
    pub(crate) fn read(procfs: &Path, pid: u32) -> io::Result<Self> {
        let directory = Directory::open(&procfs.join(pid.to_string()))?;
        let stat = Stat::parse(&directory.text("stat")?).ok_or(io::ErrorKind::InvalidData)?;
        let command_line = directory.read("cmdline", MAX_COMMAND_LINE + 1)?;
        let arguments_truncated = command_line.len() as u64 > MAX_COMMAND_LINE;
        // What follows needs more rights, or is not in every kernel.
        let cwd = directory.link("cwd").unwrap_or_default();
        Ok(Self {
            pid,
            parent_pid: stat.parent_pid,
            start_time: stat.start_ticks.saturating_mul(tick()),
            name: stat.name,
            binary: directory.link("exe").unwrap_or_default(),
            arguments: arguments(&command_line),
            arguments_truncated,
            cwd: String::from_utf8_lossy(&cwd).into_owned(),
            uid: effective_uid(&directory.text("status")?).ok_or(io::ErrorKind::InvalidData)?,
            auid: directory
                .text("loginuid")
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(u32::MAX),
            cgroup: directory.text("cgroup").map(|text| path_in(&text)).unwrap_or_default(),
        })
    }
}

/// A process's directory. While it is open it stays that process's, even if the id is given to another.
struct Directory(OwnedFd);

impl Directory {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(openat(CWD, path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?))
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let file = openat(&self.0, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut bytes = Vec::new();
        fs::File::from(file).take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn text(&self, name: &str) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.read(name, MAX_FILE)?).into_owned())
    }

    /// Where a link leads, without the ` (deleted)` that the kernel appends if the file is gone. One of memfd_create(2),
    /// which was never there, keeps it, as it had it when it was executed.
    fn link(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut path = readlinkat(&self.0, name, Vec::new())?.into_bytes();
        if let Some(kept) = path.strip_suffix(b" (deleted)")
            && !kept.starts_with(b"/memfd:")
            && statat(&self.0, name, AtFlags::empty()).is_ok_and(|file| file.st_nlink == 0)
        {
            path.truncate(kept.len());
        }
        Ok(path)
    }
}

/// What is needed of `/proc/PID/stat`: <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
struct Stat {
    name: String,
    parent_pid: u32,
    start_ticks: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name may have spaces, parentheses and newlines in it, nothing behind it has.
        let (before, after) = text.rsplit_once(')')?;
        let (_, name) = before.split_once('(')?;
        let mut fields = after.split_whitespace();
        let parent_pid = fields.nth(1)?.parse().ok()?;
        let start_ticks = fields.nth(17)?.parse().ok()?;
        Some(Self { name: name.to_owned(), parent_pid, start_ticks })
    }
}

/// `argv[1..]` of a NUL-separated command line. A process may have overwritten it with anything.
fn arguments(command_line: &[u8]) -> Vec<String> {
    let command_line = &command_line[..command_line.len().min(MAX_COMMAND_LINE as usize)];
    let command_line = command_line.strip_suffix(b"\0").unwrap_or(command_line);
    command_line
        .split(|byte| *byte == 0)
        .skip(1)
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .collect()
}

/// The second number after `Uid:`.
fn effective_uid(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn parses_stat_whatever_the_name() {
        let rest = "S 1 2 2 0 -1 4194304 99 0 0 0 0 0 0 0 20 0 1 0 144163 2998272 393 18446744073709551615";
        for name in ["bash", "a b", "a) S 7 (b", "", "x\n) R 9"] {
            let stat = Stat::parse(&format!("26320 ({name}) {rest}\n")).unwrap();
            assert_eq!(
                (stat.name.as_str(), stat.parent_pid, stat.start_ticks),
                (name, 1, 144_163),
                "{name:?}"
            );
        }
        for broken in ["", "1", "1 (a", "1 (a) S", "1 (a) S x 2 3", "1 (a) S 1 2 2 0 -1 4"] {
            assert!(Stat::parse(broken).is_none(), "{broken:?}");
        }
    }

    #[test]
    fn splits_command_lines() {
        for (line, expected) in [
            (&b"ls\0-l\0/tmp/a b\0"[..], &["-l", "/tmp/a b"][..]),
            (b"ls\0\0x\0", &["", "x"]),
            (b"sshd: canary [priv]", &[]),
            (b"ls\0\xff\0", &["\u{fffd}"]),
            (b"ls\0", &[]),
            (b"", &[]),
        ] {
            assert_eq!(arguments(line), expected, "{line:?}");
        }
    }

    #[test]
    fn finds_effective_uid() {
        assert_eq!(effective_uid("Name:\tsu\nUid:\t1000\t0\t0\t0\nGid:\t5\t5\t5\t5\n"), Some(0));
        assert_eq!(effective_uid("Name:\tsu\n"), None);
    }

    #[test]
    fn scans_this_machine() {
        let all: Vec<_> = scan(Path::new("/proc")).unwrap().collect();
        let own = all.iter().find(|found| found.pid == std::process::id()).unwrap();
        assert_eq!(own.binary, std::env::current_exe().unwrap().as_os_str().as_encoded_bytes());
        assert_eq!(own.arguments, std::env::args().skip(1).collect::<Vec<_>>());
        assert_eq!(own.cwd, std::env::current_dir().unwrap().to_str().unwrap());
        assert_eq!(own.uid, rustix::process::geteuid().as_raw());
        assert_eq!(own.parent_pid, std::os::unix::process::parent_id());
        assert!(own.start_time > 0 && own.start_time.is_multiple_of(tick()), "{own:?}");
        assert!(all.iter().any(|found| found.pid == 1 && found.parent_pid == 0), "{all:?}");
    }

    #[test]
    fn finds_the_path_of_a_deleted_program() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("sleep (deleted)");
        fs::copy("/bin/sleep", &program).unwrap();
        let mut child = Command::new(&program).arg("60").stdin(Stdio::null()).spawn().unwrap();
        let there = Scanned::read(Path::new("/proc"), child.id());
        fs::remove_file(&program).unwrap();
        let gone = Scanned::read(Path::new("/proc"), child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        for found in [there, gone] {
            assert_eq!(found.unwrap().binary, program.as_os_str().as_encoded_bytes());
        }
        assert!(Scanned::read(Path::new("/proc"), child.id()).is_err(), "reaped");
    }
}
