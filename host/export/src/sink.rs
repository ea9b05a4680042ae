//! What a sink is.

use std::io;
use std::path::PathBuf;

use crate::batch::Batch;
use crate::spool::SpoolError;

/// Takes events. Each has a thread of its own, on which everything here is called.
pub trait Sink: Send {
    /// Writes events, and does not keep them back.
    ///
    /// # Errors
    /// Not all could be written. A broken pipe means that nobody reads any more, and the sink is not called again.
    fn write(&mut self, batch: Batch<'_>) -> Result<(), Unwritten>;

    /// Called several times a second, also when there are no events.
    ///
    /// # Errors
    /// What is to be done then can't be.
    fn tick(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Opens anew what it writes to: somebody may have moved it.
    fn reopen(&mut self) {}
}

/// Events were written in part or not at all.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct Unwritten {
    /// How many events were written.
    pub written: usize,
    /// How many of those after them are lost. Whatever is neither written nor lost is tried again: at once if some
    /// were lost, else after a while.
    pub lost: usize,
    /// Why.
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
    /// The spool can't be used.
    #[error("the spool {} {source}", .path.display())]
    Spool {
        /// Its folder.
        path: PathBuf,
        /// Why.
        source: SpoolError,
    },
    /// The system refuses what a sink needs.
    #[error("can't start the sink {sink}: {source}")]
    Start {
        /// Its name.
        sink: String,
        /// Why.
        source: io::Error,
    },
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Stdout(source) | OpenError::File { source, .. } | OpenError::Start { source, .. } => {
                source
            }
            OpenError::Link(_)
            | OpenError::NotAFile(_)
            | OpenError::Foreign { .. }
            | OpenError::Spool { .. } => Self::other(error),
        }
    }
}
