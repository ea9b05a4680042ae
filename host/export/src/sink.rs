//! Where lines go.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::config::{Format, SinkConfig};
use crate::lines::Lines;

/// Takes lines.
pub trait Sink: Send {
    /// What it is called in messages and counters: `stdout`, `file /var/log/serin.json`.
    fn name(&self) -> &str;

    /// The format it wants.
    fn format(&self) -> Format;

    /// Writes one or more lines, each with its newline, and does not keep them back.
    ///
    /// # Errors
    /// Not all could be written. The next call may succeed. A broken pipe means that nobody reads any more, and the
    /// sink is not called again.
    fn write(&mut self, lines: &[u8]) -> Result<(), Unwritten>;
}

/// Lines were written in part or not at all.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct Unwritten {
    /// How many bytes were.
    pub written: usize,
    /// Why not the rest.
    pub source: io::Error,
}

/// A sink can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Standard output is closed.
    #[error("can't write to standard output: {0}")]
    Stdout(#[source] io::Error),
    /// The file can't be opened.
    #[error("can't open {} for the file sink: {source}", .path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The path leads elsewhere.
    #[error("{} is a symbolic link, which the file sink does not follow; name the file itself", .0.display())]
    Link(PathBuf),
    /// A directory, a device, a pipe.
    #[error("{} is not a regular file; the file sink writes to no other", .0.display())]
    NotAFile(PathBuf),
    /// It could be read by who owns it.
    #[error("{} belongs to user {owner}, who could read and change events there; remove it, or name another", .path.display())]
    Foreign {
        /// The path.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
}

/// Opens a sink.
///
/// # Errors
/// See [`OpenError`].
pub fn open(config: &SinkConfig) -> Result<Box<dyn Sink>, OpenError> {
    let (name, format, file) = match config {
        SinkConfig::Stdout { format } => {
            // Not `std::io::stdout`, which would buffer by lines and write each on its own.
            let descriptor = io::stdout().as_fd().try_clone_to_owned().map_err(OpenError::Stdout)?;
            ("stdout".to_owned(), *format, File::from(descriptor))
        }
        SinkConfig::File { path, format } => (format!("file {}", path.display()), *format, append(path)?),
    };
    Ok(Box::new(FileSink { name, format, lines: Lines::new(file) }))
}

/// Standard output or a file.
struct FileSink {
    name: String,
    format: Format,
    lines: Lines<File>,
}

impl Sink for FileSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> Format {
        self.format
    }

    fn write(&mut self, lines: &[u8]) -> Result<(), Unwritten> {
        self.lines.write(lines)
    }
}

/// Opens a file for appending. The directory may be one where others can write, like /tmp: nothing that they put
/// there is used.
fn append(path: &Path) -> Result<File, OpenError> {
    // Non-blocking, as to open a pipe would wait for its reader; for files it means nothing.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
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

    fn file(path: &Path) -> SinkConfig {
        SinkConfig::File { path: path.to_owned(), format: Format::Json }
    }

    fn refusal(path: &Path) -> String {
        open(&file(path)).err().unwrap().to_string()
    }

    #[test]
    fn appends_to_a_private_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.json");
        for line in ["one\n", "two\n"] {
            let mut sink = open(&file(&path)).unwrap();
            assert_eq!(sink.name(), format!("file {}", path.display()));
            sink.write(line.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
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
