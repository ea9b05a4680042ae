//! The kernel's trace events and functions, as tracefs shows them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Format;

/// Where tracefs is mounted: by itself, or as debugfs does it.
const MOUNTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Why trace events cannot be looked up.
#[derive(Debug, thiserror::Error)]
pub enum TracefsError {
    /// It is not there, and cannot be mounted.
    #[error(
        "tracefs is not mounted and cannot be: {0}; mount it with `mount -t tracefs tracefs /sys/kernel/tracing`; \
         tracepoints with `raw: true` do without"
    )]
    Mount(#[source] io::Error),
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A format is not like those that the kernel's documentation describes.
    #[error("{}: not the format of a trace event", .0.display())]
    Malformed(PathBuf),
    /// A folder has nothing of tracefs.
    #[error(
        "{}: no copy of a tracefs: it has neither `events` nor `available_filter_functions`, which are in \
         /sys/kernel/tracing",
        .0.display()
    )]
    NotACopy(PathBuf),
}

/// Where functions are that can be traced, beside the events.
const FUNCTIONS: &str = "available_filter_functions";

/// tracefs, mounted, or what has been copied of that of another kernel.
///
/// <https://docs.kernel.org/trace/events.html>
#[derive(Debug)]
pub struct Tracefs {
    events: PathBuf,
}

impl Tracefs {
    /// Finds tracefs, and mounts it if it is nowhere: as it is not to be found by programs before.
    ///
    /// # Errors
    /// If it is not there and this process may not mount it.
    pub fn open() -> Result<Self, TracefsError> {
        let found = || MOUNTS.iter().map(|mount| Path::new(mount).join("events")).find(|path| path.is_dir());
        if let Some(events) = found() {
            return Ok(Tracefs { events });
        }
        mount().map_err(TracefsError::Mount)?;
        found()
            .map(|events| Tracefs { events })
            .ok_or_else(|| TracefsError::Mount(io::Error::other("the kernel is built without trace events")))
    }

    /// What a folder has of another kernel's tracefs: `events`, of whose files only each `format` matters,
    /// `available_filter_functions`, or both.
    ///
    /// # Errors
    /// If it has neither.
    pub fn copied(folder: &Path) -> Result<Self, TracefsError> {
        let copied = Tracefs { events: folder.join("events") };
        let is_one = copied.has_events() || copied.has_functions();
        if is_one { Ok(copied) } else { Err(TracefsError::NotACopy(folder.into())) }
    }

    /// Whether it has the formats of events, as copies may not.
    #[must_use]
    pub fn has_events(&self) -> bool {
        self.events.is_dir()
    }

    /// Whether it has the list of functions, as copies may not.
    #[must_use]
    pub fn has_functions(&self) -> bool {
        self.events.with_file_name(FUNCTIONS).exists()
    }

    /// The format of an event's record; `None` if this kernel has no such event.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn format(&self, subsystem: &str, event: &str) -> Result<Option<Format>, TracefsError> {
        let path = self.events.join(subsystem).join(event).join("format");
        match fs::read_to_string(&path) {
            Ok(text) => Format::parse(&text).map(Some).ok_or(TracefsError::Malformed(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(TracefsError::Read { path, source }),
        }
    }

    /// The functions of the kernel that can be traced, each once, in the order of their names; those of modules left out.
    ///
    /// # Errors
    /// If the list cannot be read, as where the kernel is built without `CONFIG_DYNAMIC_FTRACE`.
    pub fn functions(&self) -> Result<Vec<String>, TracefsError> {
        let path = self.events.with_file_name(FUNCTIONS);
        let text = fs::read_to_string(&path).map_err(|source| TracefsError::Read { path, source })?;
        // A module's name stands behind a function.
        let mut names: Vec<_> =
            text.lines().filter(|line| !line.contains(char::is_whitespace)).map(String::from).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// All events as `subsystem/event`, in the order of their names; none if the directory cannot be read.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let names = |path: &Path| -> Vec<String> {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        };
        let events = |subsystem: String| {
            let events = names(&self.events.join(&subsystem)).into_iter();
            events.map(move |event| format!("{subsystem}/{event}"))
        };
        let mut all: Vec<_> = names(&self.events).into_iter().flat_map(events).collect();
        all.sort_unstable();
        all
    }
}

#[allow(
    unsafe_code,
    reason = "mount has no safe form among the features of rustix that the workspace builds"
)]
fn mount() -> io::Result<()> {
    // SAFETY: all strings are NUL-terminated and live as long as the call.
    let result = unsafe {
        libc::mount(
            c"tracefs".as_ptr(),
            c"/sys/kernel/tracing".as_ptr(),
            c"tracefs".as_ptr(),
            libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
            std::ptr::null(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const FORMAT: &str = "name: e\nID: 7\nformat:\n\tfield:int a;\toffset:8;\tsize:4;\tsigned:1;\n";

    #[test]
    fn copies_have_what_was_copied() {
        let folder = tempfile::tempdir().unwrap();
        let error = Tracefs::copied(folder.path()).unwrap_err().to_string();
        assert!(error.contains("no copy of a tracefs"), "{error}");
        fs::write(folder.path().join(FUNCTIONS), "b\na\nof_module [nf]\na\n").unwrap();
        let copied = Tracefs::copied(folder.path()).unwrap();
        assert!(copied.has_functions() && !copied.has_events());
        assert_eq!(copied.functions().unwrap(), ["a", "b"]);
        for (event, text) in [("e", FORMAT), ("f", "nothing")] {
            let event = folder.path().join("events/s").join(event);
            fs::create_dir_all(&event).unwrap();
            fs::write(event.join("format"), text).unwrap();
        }
        assert!(copied.has_events());
        assert_eq!(copied.format("s", "e").unwrap(), Format::parse(FORMAT));
        assert_eq!(copied.format("s", "g").unwrap(), None);
        assert!(matches!(copied.format("s", "f"), Err(TracefsError::Malformed(_))));
        assert_eq!(copied.names(), ["s/e", "s/f"]);
    }
}
