//! The folder of a spool: whose it is, and the files in it.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::SpoolError;

/// The ending of a segment's name.
const ENDING: &str = ".spool";
/// The name of the cursor's file.
const CURSOR: &str = "cursor";

/// A folder that no other sink or agent uses, for as long as this lives. Files are reached from what is opened here,
/// whatever becomes of the path.
pub(super) struct Folder(OwnedFd);

impl Folder {
    /// Opens it; makes it, and those above it, if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, SpoolError> {
        match DirBuilder::new().recursive(true).mode(0o700).create(path) {
            // What is there is looked at below.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::LOOP | Errno::NOTDIR => SpoolError::NotAFolder,
            errno => SpoolError::Io(errno.into()),
        })?;
        let status = rustix::fs::fstat(&folder).map_err(io::Error::from)?;
        if status.st_uid != rustix::process::geteuid().as_raw() {
            return Err(SpoolError::Foreign(status.st_uid));
        }
        if status.st_mode & 0o077 != 0 {
            return Err(SpoolError::Exposed(status.st_mode & 0o777));
        }
        rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).map_err(
            |errno| match errno {
                Errno::WOULDBLOCK => SpoolError::InUse,
                errno => SpoolError::Io(errno.into()),
            },
        )?;
        Ok(Self(folder))
    }

    /// The segments by the number of their first record, in order.
    pub(super) fn segments(&self) -> Result<Vec<u64>, SpoolError> {
        let mut segments = Vec::new();
        for entry in Dir::read_from(&self.0).map_err(io::Error::from)? {
            let entry = entry.map_err(io::Error::from)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            match name.strip_suffix(ENDING).and_then(|number| number.parse().ok()) {
                Some(first) if segment(first) == name => segments.push(first),
                _ if [".", "..", CURSOR].contains(&name.as_str()) => {}
                _ => return Err(SpoolError::Stranger(name)),
            }
        }
        segments.sort_unstable();
        Ok(segments)
    }

    /// Opens a segment for reading, and for cutting.
    pub(super) fn segment(&self, first: u64) -> io::Result<File> {
        self.file(&segment(first), OFlags::RDWR)
    }

    /// Makes an empty segment that begins with these bytes.
    pub(super) fn new_segment(&self, first: u64, header: &[u8]) -> io::Result<File> {
        let mut file = self.file(&segment(first), OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC)?;
        // One without a header would be none.
        file.write_all(header).inspect_err(|_| drop(self.remove_segment(first)))?;
        Ok(file)
    }

    /// Writes to the disk which files there are.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }

    /// Removes a segment.
    pub(super) fn remove_segment(&self, first: u64) -> io::Result<()> {
        // Whoever still has it open would else keep its room on the disk.
        let _ = self.file(&segment(first), OFlags::WRONLY | OFlags::TRUNC);
        Ok(rustix::fs::unlinkat(&self.0, segment(first), AtFlags::empty())?)
    }

    /// Opens the cursor's file, made if it is not there; with what it holds.
    pub(super) fn cursor(&self) -> io::Result<(File, Vec<u8>)> {
        let file = self.file(CURSOR, OFlags::RDWR | OFlags::CREATE)?;
        let mut content = Vec::new();
        (&file).take(1 << 10).read_to_end(&mut content)?;
        Ok((file, content))
    }

    fn file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }
}

fn segment(first: u64) -> String {
    format!("{first:020}{ENDING}")
}
