//! From the number of a cgroup to its path.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat};

/// Paths are kept for at most this many cgroups; then all are forgotten.
const MAX_PATHS: usize = 4096;

/// Finds paths of cgroups below the mount of their hierarchy.
///
/// On a host with the unified hierarchy only, the path comes from the id that
/// the kernel put into the record, so it is right even if the process has
/// moved on or is gone. Where version 1 hierarchies are mounted as well,
/// container runtimes use those, the id tells nothing, and `/proc/PID/cgroup`
/// is read instead.
#[derive(Debug)]
pub(crate) struct Cgroups {
    procfs: PathBuf,
    unified: Option<Unified>,
}

impl Cgroups {
    /// Reads what is mounted from `self/mounts`; without it `/proc/PID/cgroup` is used.
    pub(crate) fn new(procfs: &Path) -> Self {
        let mounts = fs::read_to_string(procfs.join("self/mounts")).unwrap_or_default();
        let unified = unified_mount(&mounts).and_then(|mount| Unified::open(Path::new(&mount)).ok());
        Self { procfs: procfs.to_owned(), unified }
    }

    /// Path of the cgroup that process `pid` was in when the kernel said it was `id`; `known` is the path of the
    /// process's cgroup the last time, with its id. Empty if it cannot be found.
    pub(crate) fn path(&mut self, id: u64, pid: u32, known: Option<(u64, &str)>) -> String {
        if let Some(unified) = &mut self.unified {
            if let Some((_, path)) = known.filter(|(known, path)| *known == id && !path.is_empty()) {
                return path.to_owned();
            }
            if let Some(path) = unified.path(id) {
                return path;
            }
        }
        let text = fs::read_to_string(self.procfs.join(format!("{pid}/cgroup")));
        text.map_or_else(
            |_| known.map(|(_, path)| path.to_owned()).unwrap_or_default(),
            |text| path_in(&text),
        )
    }
}

/// Where the unified hierarchy is mounted, unless there are version 1 hierarchies.
/// <https://man7.org/linux/man-pages/man5/proc_pid_mounts.5.html>
fn unified_mount(mounts: &str) -> Option<String> {
    let entries = || {
        mounts.lines().filter_map(|line| {
            let mut fields = line.split(' ');
            Some((fields.nth(1)?, fields.next()?))
        })
    };
    if entries().any(|(_, kind)| kind == "cgroup") {
        return None;
    }
    // An escaped path (a space is \040) can't be opened and so counts as none; nobody mounts cgroups there.
    entries().find(|(_, kind)| *kind == "cgroup2").map(|(path, _)| path.to_owned())
}

/// The path in a `/proc/PID/cgroup`: of the unified hierarchy, or of the first other one in which the process is not
/// in the root. <https://man7.org/linux/man-pages/man7/cgroups.7.html>
pub(crate) fn path_in(text: &str) -> String {
    let path = |line: &str| Some(line.splitn(3, ':').nth(2)?.to_owned());
    let unified = text.lines().find(|line| line.starts_with("0::")).and_then(path);
    let best = match unified {
        Some(unified) if unified != "/" => Some(unified),
        unified => text.lines().filter_map(path).find(|path| path != "/").or(unified),
    };
    let best = best.unwrap_or_default();
    best.strip_suffix(" (deleted)").map(str::to_owned).unwrap_or(best)
}

/// The unified hierarchy.
#[derive(Debug)]
struct Unified {
    mount: OwnedFd,
    /// Path of the mount, as links in /proc/self/fd begin.
    mount_path: String,
    paths: HashMap<u64, String>,
}

impl Unified {
    fn open(mount: &Path) -> io::Result<Self> {
        let fd = openat(CWD, mount, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let mount_path = link(&fd)?;
        Ok(Self { mount: fd, mount_path, paths: HashMap::new() })
    }

    fn path(&mut self, id: u64) -> Option<String> {
        if let Some(path) = self.paths.get(&id) {
            return Some(path.clone());
        }
        let full = link(&open_by_id(&self.mount, id).ok()?).ok()?;
        // Out of this cgroup namespace's sight, paths do not begin with the mount.
        let path = match full.strip_prefix(&self.mount_path)? {
            "" => "/",
            path => path,
        };
        if self.paths.len() == MAX_PATHS {
            self.paths.clear();
        }
        self.paths.insert(id, path.to_owned());
        Some(path.to_owned())
    }
}

/// Where a directory is.
fn link(fd: &OwnedFd) -> io::Result<String> {
    let link = readlinkat(CWD, format!("/proc/self/fd/{}", fd.as_raw_fd()), Vec::new())?;
    Ok(String::from_utf8_lossy(link.as_bytes()).into_owned())
}

/// `struct file_handle` of a kernfs node: `FILEID_KERNFS`.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/exportfs.h>
#[repr(C)]
struct KernfsHandle {
    handle_bytes: libc::c_uint,
    handle_type: libc::c_int,
    id: u64,
}

/// Opens the directory of a cgroup. Needs `CAP_DAC_READ_SEARCH`.
fn open_by_id(mount: impl AsFd, id: u64) -> io::Result<OwnedFd> {
    const FILEID_KERNFS: libc::c_int = 0xfe;
    let mut handle = KernfsHandle { handle_bytes: 8, handle_type: FILEID_KERNFS, id };
    let flags = libc::O_DIRECTORY | libc::O_CLOEXEC;
    #[allow(unsafe_code, reason = "neither std nor rustix has open_by_handle_at")]
    // SAFETY: the handle is laid out as `struct file_handle` with as many bytes behind it as `handle_bytes` says, and
    // outlives the call.
    let fd = unsafe { libc::open_by_handle_at(mount.as_fd().as_raw_fd(), (&raw mut handle).cast(), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    #[allow(unsafe_code, reason = "the descriptor comes from a raw system call")]
    // SAFETY: the kernel has just opened this descriptor for us; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn finds_the_unified_hierarchy() {
        let v2 = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n";
        let hybrid = "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(unified_mount(v2).as_deref(), Some("/sys/fs/cgroup"));
        assert_eq!(unified_mount(hybrid), None);
        assert_eq!(unified_mount("proc /proc proc rw 0 0\n\nbroken"), None);
    }

    #[test]
    fn reads_proc_cgroup() {
        for (text, expected) in [
            ("0::/system.slice/ssh.service\n", "/system.slice/ssh.service"),
            ("0::/a:b:c\n", "/a:b:c"),
            ("0::/\n", "/"),
            ("0::/gone (deleted)\n", "/gone"),
            ("4:memory:/docker/551e\n1:name=systemd:/\n0::/\n", "/docker/551e"),
            ("4:memory:/docker/551e\n0::/system.slice/a.service\n", "/system.slice/a.service"),
            ("1:name=systemd:/\n", ""),
            ("", ""),
            ("garbage", ""),
        ] {
            assert_eq!(path_in(text), expected, "{text:?}");
        }
    }

    /// Runs where the tests may make a cgroup, i.e. as root.
    #[test]
    fn opens_cgroups_by_id() {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let Some(mount) =
            mounts.lines().find(|line| line.contains(" cgroup2 ")).and_then(|l| l.split(' ').nth(1))
        else {
            return eprintln!("left out: no unified hierarchy is mounted");
        };
        let name = format!("serin-test-{}", std::process::id());
        let directory = Path::new(mount).join(&name);
        if let Err(error) = fs::create_dir(&directory) {
            return eprintln!("left out: can't make {}: {error}", directory.display());
        }
        let id = fs::metadata(&directory).unwrap().ino();
        let root = fs::metadata(mount).unwrap().ino();
        let mut unified = Unified::open(Path::new(mount)).unwrap();
        let (found, again, top) = (unified.path(id), unified.path(id), unified.path(root));
        fs::remove_dir(&directory).unwrap();
        assert_eq!(found, Some(format!("/{name}")));
        assert_eq!(again, found, "from memory");
        assert_eq!(top.as_deref(), Some("/"));
        assert_eq!(Unified::open(Path::new(mount)).unwrap().path(id), None, "removed");
    }
}
