//! Files of the host that plugins may read, or have digests made of.

use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Deserializer};
use serin_config::scalar;

use crate::MAX_GRANTED_FILE;

/// `grants.file`: an absolute path without `.`, `..` and empty parts, compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileGrant(PathBuf);

impl FileGrant {
    /// For a component that is only looked at: every file is there, and empty, so that nothing of the host is read, and
    /// a plugin that reads a file when it starts says what it is.
    pub(crate) fn empty() -> Self {
        Self(PathBuf::new())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn is_empty(&self) -> bool {
        self.0.as_os_str().is_empty()
    }

    fn new(text: &str) -> Result<Self, String> {
        let path = Path::new(text);
        let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        // Components leave out empty parts and `.` silently.
        let rebuilt: PathBuf = path.components().collect();
        if !path.is_absolute() || !plain || rebuilt.as_os_str() != path.as_os_str() || text == "/" {
            return Err(format!(
                "`{text}` is not the exact path of a file: write an absolute one without `.`, `..` and `//`"
            ));
        }
        Ok(Self(path.to_owned()))
    }
}

impl<'de> Deserialize<'de> for FileGrant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, Self::new)
    }
}

/// Why a file was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotGranted,
    Missing,
    NotRegular,
    TooLarge,
    Unreadable,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::SRCH => Self::Missing,
            Errno::LOOP => Self::NotRegular,
            _ => Self::Unreadable,
        }
    }
}

/// All of a file that is granted.
pub(crate) fn read(grants: &[FileGrant], path: &str) -> Result<Vec<u8>, Refusal> {
    if grants.iter().any(FileGrant::is_empty) {
        return Ok(Vec::new());
    }
    let granted = grants.iter().any(|grant| grant.0.as_os_str().as_encoded_bytes() == path.as_bytes());
    if !granted {
        return Err(Refusal::NotGranted);
    }
    let path = CString::new(path).map_err(|_| Refusal::NotGranted)?;
    // A link on the way would lead out of the grant, for whoever may make one.
    let (how, resolve) = (OFlags::PATH | OFlags::CLOEXEC, ResolveFlags::NO_SYMLINKS);
    let place = rustix::fs::openat2(rustix::fs::CWD, path, how, Mode::empty(), resolve)?;
    let (file, _) = open_regular(&place, MAX_GRANTED_FILE)?;
    let mut content = Vec::new();
    // It may have grown since.
    file.take(MAX_GRANTED_FILE + 1).read_to_end(&mut content).map_err(|_| Refusal::Unreadable)?;
    if content.len() as u64 > MAX_GRANTED_FILE { Err(Refusal::TooLarge) } else { Ok(content) }
}

/// Opens for reading what was opened by `O_PATH`, if it is a regular file of at most so many bytes: opening a FIFO
/// could wait for ever, and opening a device could do anything.
pub(crate) fn open_regular(place: &OwnedFd, max_size: u64) -> Result<(File, Stat), Refusal> {
    let stat = rustix::fs::fstat(place)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Refusal::NotRegular);
    }
    if stat.st_size as u64 > max_size {
        return Err(Refusal::TooLarge);
    }
    let again = format!("/proc/self/fd/{}", place.as_raw_fd());
    let file = File::open(again).map_err(|_| Refusal::Unreadable)?;
    Ok((file, stat))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::symlink;

    use super::*;

    fn granting(path: &Path) -> Vec<FileGrant> {
        vec![FileGrant::new(path.to_str().unwrap()).unwrap()]
    }

    fn reading(path: &Path) -> Result<Vec<u8>, Refusal> {
        read(&granting(path), path.to_str().unwrap())
    }

    #[test]
    fn grants_are_exact() {
        for path in ["etc/passwd", "/etc/../passwd", "/etc/./passwd", "/etc//passwd", "/etc/", "/", ""] {
            let error = FileGrant::new(path).unwrap_err();
            assert!(error.starts_with(&format!("`{path}` is not the exact path")), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let file = folder.join("file");
        std::fs::write(&file, "x").unwrap();
        assert_eq!(reading(&file), Ok(b"x".to_vec()));
        let folder = folder.display();
        for other in ["/etc/passwd".to_owned(), format!("{folder}/./file"), format!("{folder}/file/")] {
            assert_eq!(read(&granting(&file), &other), Err(Refusal::NotGranted), "{other}");
        }
        assert_eq!(read(&granting(&file), &format!("{folder}/file\0")), Err(Refusal::NotGranted));
        assert_eq!(read(&[], &format!("{folder}/file")), Err(Refusal::NotGranted));
    }

    #[test]
    fn links_and_what_is_no_regular_file_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let (real, link) = (folder.join("real"), folder.join("link"));
        std::fs::create_dir(&real).unwrap();
        std::fs::write(real.join("file"), "x").unwrap();
        symlink("real/file", &link).unwrap();
        assert_eq!(reading(&link), Err(Refusal::NotRegular), "a link");
        symlink("real", folder.join("way")).unwrap();
        assert_eq!(reading(&folder.join("way/file")), Err(Refusal::NotRegular), "a link on the way");
        assert_eq!(reading(&real), Err(Refusal::NotRegular), "a folder");
        assert_eq!(reading(Path::new("/dev/zero")), Err(Refusal::NotRegular), "a device");
        assert_eq!(reading(&folder.join("none")), Err(Refusal::Missing));
        assert_eq!(reading(&real.join("file/x")), Err(Refusal::Missing));
        let fifo = folder.join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert_eq!(reading(&fifo), Err(Refusal::NotRegular), "a FIFO that nobody writes to");
    }

    #[test]
    fn huge_files_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("huge");
        let file = File::create(&path).unwrap();
        file.set_len(MAX_GRANTED_FILE).unwrap();
        assert_eq!(reading(&path).map(|content| content.len() as u64), Ok(MAX_GRANTED_FILE));
        file.set_len(1 << 40).unwrap();
        assert_eq!(reading(&path), Err(Refusal::TooLarge));
    }
}
