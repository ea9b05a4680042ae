//! Opening a file for appending.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use crate::sink::OpenError;

/// Opens a file for appending, or makes it with this mode. The directory may be one where others can write, like
/// /tmp: nothing that they put there is used.
pub(super) fn append(path: &Path, mode: u32) -> Result<File, OpenError> {
    // Non-blocking, as to open a pipe would wait for its reader; for files it means nothing.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(mode)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = file.map_err(|source| match rustix::io::Errno::from_io_error(&source) {
        Some(rustix::io::Errno::LOOP) => OpenError::Link(path.to_owned()),
        Some(rustix::io::Errno::NXIO | rustix::io::Errno::ISDIR) => OpenError::NotAFile(path.to_owned()),
        _ => OpenError::File { path: path.to_owned(), source },
    })?;
    let metadata = file.metadata().map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    if !metadata.is_file() {
        return Err(OpenError::NotAFile(path.to_owned()));
    }
    let owner = metadata.uid();
    if owner != rustix::process::geteuid().as_raw() {
        return Err(OpenError::Foreign { path: path.to_owned(), owner });
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn refusal(path: &Path) -> String {
        append(path, 0o600).err().unwrap().to_string()
    }

    #[test]
    fn makes_it_with_the_mode_and_leaves_one_that_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.json");
        for mode in [0o640, 0o600] {
            append(&path, mode).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        }
    }

    #[test]
    fn refuses_what_is_not_its_own_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name);
        fs::write(path("target"), "").unwrap();
        symlink(path("target"), path("link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .unwrap();
        for (path, message) in [
            (path("link"), "is a symbolic link, which the file sink does not follow"),
            (path("pipe"), "is not a regular file"),
            (directory.path().to_owned(), "is not a regular file"),
            ("/dev/null".into(), "is not a regular file"),
            (path("no/such"), "can't open"),
        ] {
            let error = refusal(&path);
            assert!(error.contains(message) && error.contains(path.to_str().unwrap()), "{error}");
        }
    }

    #[test]
    fn refuses_a_file_of_somebody_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.json");
        fs::write(&path, "").unwrap();
        if let Err(error) = std::os::unix::fs::chown(&path, Some(12_345), None) {
            return eprintln!("left out, as it needs root: {error}");
        }
        assert!(refusal(&path).contains("belongs to user 12345"), "{}", refusal(&path));
    }
}
