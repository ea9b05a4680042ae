//! The directory on bpffs where the programs' shared maps are pinned.
//!
//! It is also what keeps a second agent out: the directory is locked as long
//! as the agent lives, and the lock goes with the process, however it ends.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstatfs, open};

use crate::KernelError;

/// `BPF_FS_MAGIC` of include/uapi/linux/magic.h.
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;

/// Where a bpffs belongs; mounted by the agent if nobody has, as libbpf's tools do.
const DEFAULT_MOUNT: &str = "/sys/fs/bpf";

/// A directory of the agent's own.
pub(crate) struct PinDirectory {
    path: PathBuf,
    _lock: File,
}

impl PinDirectory {
    /// Creates or takes over the directory; what a dead agent left in it is removed.
    ///
    /// # Errors
    /// If it is not on a bpffs, or another agent has it.
    pub(crate) fn acquire(path: &Path) -> Result<Self, KernelError> {
        let failed = |source: io::Error| KernelError::Bpffs { path: path.into(), source };
        let parent = path.parent().unwrap_or(path);
        if !is_bpffs(parent) {
            if parent != Path::new(DEFAULT_MOUNT) {
                return Err(KernelError::NoBpffs(path.into()));
            }
            mount().map_err(|source| KernelError::Bpffs { path: parent.into(), source })?;
        }
        match std::fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        let directory = open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| failed(error.into()))?;
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(KernelError::AlreadyRunning(path.into())),
            Err(error) => return Err(failed(error.into())),
        }
        remove_pins(path).map_err(failed)?;
        Ok(PinDirectory { path: path.into(), _lock: directory.into() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PinDirectory {
    fn drop(&mut self) {
        let removed = remove_pins(&self.path).and_then(|()| std::fs::remove_dir(&self.path));
        if let Err(error) = removed {
            tracing::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

#[allow(
    unsafe_code,
    reason = "mount has no safe form among the features of rustix that the workspace builds"
)]
fn mount() -> io::Result<()> {
    // SAFETY: all strings are NUL-terminated and live as long as the call.
    let result = unsafe {
        libc::mount(c"bpf".as_ptr(), c"/sys/fs/bpf".as_ptr(), c"bpf".as_ptr(), 0, std::ptr::null())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn is_bpffs(path: &Path) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let stat = open(path, flags, Mode::empty()).and_then(fstatfs);
    stat.is_ok_and(|stat| stat.f_type as u64 == BPF_FS_MAGIC)
}

fn remove_pins(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        std::fs::remove_file(entry?.path())?;
    }
    Ok(())
}
