//! The directory on bpffs where the programs' shared maps are pinned.
//!
//! It is also what keeps a second agent out: the directory is locked as long
//! as the agent lives, and the lock goes with the process, however it ends.
//!
//! An agent that is to leave what enforces attached when it ends pins the links of that here as well. The next agent
//! moves all that is pinned out of its way, `DIRECTORY-kept-0`, and removes it when its own policies are attached: no
//! call goes between the two.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstatfs, open};

use crate::KernelError;
use crate::link::Link;

/// `BPF_FS_MAGIC` of include/uapi/linux/magic.h.
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;

/// Where a bpffs belongs; mounted by the agent if nobody has, as libbpf's tools do.
const DEFAULT_MOUNT: &str = "/sys/fs/bpf";

/// What the names of pinned links begin with.
const LINK: &str = "link-";

/// A directory of the agent's own.
pub(crate) struct PinDirectory {
    path: PathBuf,
    _lock: File,
    keep: bool,
    /// What is pinned stays when the agent ends.
    left: bool,
}

impl PinDirectory {
    /// Creates or takes over the directory. What a dead agent left in it is removed, or moved away if programs are
    /// attached by it. With `keep`, links can be pinned.
    ///
    /// # Errors
    /// If it is not on a bpffs, or another agent has it.
    pub(crate) fn acquire(path: &Path, keep: bool) -> Result<Self, KernelError> {
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
        move_links(path).and_then(|()| remove_pins(path)).map_err(failed)?;
        Ok(PinDirectory { path: path.into(), _lock: directory.into(), keep, left: false })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether links can be pinned.
    pub(crate) fn keeps(&self) -> bool {
        self.keep
    }

    /// Pins a link, if that is asked for.
    ///
    /// # Errors
    /// If the kernel refuses to.
    pub(crate) fn keep(&self, name: &str, link: Link) -> Result<Link, KernelError> {
        if !self.keep {
            return Ok(link);
        }
        let path = self.path.join(format!("{LINK}{name}"));
        link.pinned(path.clone()).map_err(|source| KernelError::Bpffs { path, source })
    }

    /// Takes out of the kernel what agents before this one have left attached.
    ///
    /// # Errors
    /// If something can't be removed.
    pub(crate) fn remove_kept(&self) -> io::Result<usize> {
        let kept = kept(&self.path)?;
        for path in &kept {
            remove_pins(path)?;
            std::fs::remove_dir(path)?;
        }
        Ok(kept.len())
    }

    /// Leaves everything as it is when the agent ends.
    pub(crate) fn leave(mut self) {
        self.left = true;
    }
}

impl Drop for PinDirectory {
    fn drop(&mut self) {
        if self.left {
            return;
        }
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

/// Where agents before this one have left what is attached.
fn kept(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(Vec::new()) };
    let prefix = format!("{}-kept-", name.to_string_lossy());
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            kept.push(entry.path());
        }
    }
    Ok(kept)
}

/// Moves all pins away, if there is a link among them.
fn move_links(path: &Path) -> io::Result<()> {
    let entries = std::fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    if !entries.iter().any(|entry| entry.file_name().to_string_lossy().starts_with(LINK)) {
        return Ok(());
    }
    let taken = kept(path)?;
    let free = (0..).map(|number| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("-kept-{number}"));
        PathBuf::from(name)
    });
    let Some(target) = free.into_iter().find(|target| !taken.contains(target)) else { return Ok(()) };
    std::fs::create_dir(&target)?;
    for entry in entries {
        std::fs::rename(entry.path(), target.join(entry.file_name()))?;
    }
    Ok(())
}

fn remove_pins(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        std::fs::remove_file(entry?.path())?;
    }
    Ok(())
}
