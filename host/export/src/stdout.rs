//! The sink `stdout`.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;

use crate::batch::Batch;
use crate::lines::Lines;
use crate::sink::{OpenError, Sink, Unwritten};

/// The agent's standard output.
pub(crate) struct Stdout(Lines<File>);

impl Stdout {
    pub(crate) fn open() -> Result<Self, OpenError> {
        // Not `std::io::stdout`, which would buffer by lines and write each on its own.
        let descriptor = io::stdout().as_fd().try_clone_to_owned().map_err(OpenError::Stdout)?;
        Ok(Self(Lines::new(File::from(descriptor))))
    }
}

impl Sink for Stdout {
    fn write(&mut self, batch: Batch<'_>) -> Result<(), Unwritten> {
        self.0.write(batch)
    }
}
