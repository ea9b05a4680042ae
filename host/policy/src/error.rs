//! Why policies could not be used.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use crate::{Diagnostic, MAX_FILE_SIZE};

/// One reason why policies could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A policy file or directory cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A policy file is larger than [`MAX_FILE_SIZE`].
    #[error("{}: larger than {MAX_FILE_SIZE} bytes; split it into several files", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A policy file is not a regular file.
    #[error("{}: not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A policy says something wrong.
    #[error("{0}")]
    Invalid(Box<Diagnostic>),
    /// More was wrong with a file than is worth showing.
    #[error("{}: {count} more errors like these", path.display())]
    More {
        /// The file.
        path: PathBuf,
        /// How many errors are not shown.
        count: usize,
    },
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Self {
        Error::Invalid(Box::new(diagnostic))
    }
}

/// Everything that is wrong with the policies, in the order of files and lines. Never empty.
#[derive(Debug)]
pub struct Errors(pub Vec<Error>);

impl Display for Errors {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n\n" };
            write!(formatter, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

impl From<Error> for Errors {
    fn from(error: Error) -> Self {
        Errors(vec![error])
    }
}
