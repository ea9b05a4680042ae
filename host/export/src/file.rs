//! The sink `file`.

mod archive;
mod open;

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant, SystemTime};

use self::archive::Archive;
use crate::batch::Batch;
use crate::config::{FileConfig, Sync};
use crate::lines::Lines;
use crate::sink::{OpenError, Sink, Unwritten};

/// A file that is appended to and, if so configured, rotated.
///
/// It never writes where nobody looks: before each batch it sees whether its path still leads to what it has open,
/// and opens the path anew if somebody has removed or renamed the file.
pub(crate) struct FileSink {
    config: FileConfig,
    /// None after a failure to open it anew.
    current: Option<Current>,
    archive: Archive,
}

struct Current {
    lines: Lines<File>,
    /// Bytes in the file.
    size: u64,
    /// When it was begun.
    begun: Instant,
    /// Since when there is something in it that may not be on the disk.
    unsynced: Option<Instant>,
}

impl FileSink {
    pub(crate) fn open(config: &FileConfig) -> Result<Self, OpenError> {
        let current = Current::open(config)?;
        let archive = Archive::new(config);
        archive.tidy();
        Ok(Self { config: config.clone(), current: Some(current), archive })
    }

    /// The file that the path leads to.
    fn current(&mut self) -> io::Result<&mut Current> {
        let usable = self.current.as_ref().is_some_and(|current| current.is_at(&self.config));
        if !usable {
            self.current = None;
            self.current = Some(Current::open(&self.config)?);
        }
        self.current.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Begins a new file if this one has no room for so many bytes more, or is old enough.
    fn rotate_if_due(&mut self, next: u64) -> io::Result<()> {
        let (rotation, sync) = (self.config.rotate.clone(), self.config.sync);
        let current = self.current()?;
        let full = rotation.size.is_some_and(|limit| current.size + next > limit);
        let old = rotation.age.is_some_and(|limit| current.begun.elapsed() >= limit);
        if current.size == 0 || !(full || old) {
            return Ok(());
        }
        current.sync_if(sync != Sync::Never)?;
        self.archive.take(SystemTime::now())?;
        self.current = None;
        self.current()?;
        self.archive.tidy();
        Ok(())
    }

    /// How many events fit into the file, at least one.
    fn fitting(&mut self, batch: &Batch<'_>) -> io::Result<usize> {
        let Some(limit) = self.config.rotate.size else { return Ok(batch.len()) };
        let room = limit.saturating_sub(self.current()?.size);
        Ok(batch.count_within(usize::try_from(room).unwrap_or(usize::MAX)).max(1))
    }

    fn write_part(&mut self, rest: &Batch<'_>) -> Result<usize, Unwritten> {
        let lost = |source| Unwritten { written: 0, lost: rest.len(), source };
        let first = rest.iter().next().map_or(0, |(_, line)| line.len() as u64 + 1);
        self.rotate_if_due(first).map_err(lost)?;
        let count = self.fitting(rest).map_err(lost)?;
        let (part, _) = rest.split_at(count);
        let sync = self.config.sync;
        let current = self.current().map_err(lost)?;
        let result = current.write(part);
        result.map_err(|failure| Unwritten { lost: rest.len() - failure.written, ..failure })?;
        current.sync_if(sync == Sync::Always).map_err(lost)?;
        Ok(part.len())
    }
}

impl Sink for FileSink {
    fn write(&mut self, batch: Batch<'_>) -> Result<(), Unwritten> {
        let mut written = 0;
        while written < batch.len() {
            let (_, rest) = batch.split_at(written);
            let more = self.write_part(&rest);
            written += more.map_err(|failure| Unwritten { written: written + failure.written, ..failure })?;
        }
        Ok(())
    }

    fn tick(&mut self) -> io::Result<()> {
        if let Sync::Every(interval) = self.config.sync
            && let Some(current) = &mut self.current
        {
            let due = current.unsynced.is_some_and(|since| since.elapsed() >= interval);
            current.sync_if(due)?;
        }
        if self.config.rotate.age.is_some() { self.rotate_if_due(0) } else { Ok(()) }
    }

    fn reopen(&mut self) {
        // Opened by what is written next; what is at the path is looked at then.
        self.current = None;
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        let sync = self.config.sync != Sync::Never;
        if let Some(Err(error)) = self.current.as_mut().map(|current| current.sync_if(sync)) {
            tracing::warn!("{} can't be written to the disk: {error}", self.config.path.display());
        }
    }
}

impl Current {
    fn open(config: &FileConfig) -> Result<Self, OpenError> {
        let file = open::append(&config.path, config.mode)?;
        let metadata = file.metadata().ok();
        let size = metadata.as_ref().map_or(0, std::fs::Metadata::len);
        // An earlier agent may have begun it; without a time of birth it begins now.
        let age = metadata.filter(|_| size > 0).and_then(|metadata| metadata.created().ok()?.elapsed().ok());
        let now = Instant::now();
        let begun = now.checked_sub(age.unwrap_or(Duration::ZERO)).unwrap_or(now);
        Ok(Self { lines: Lines::new(file), size, begun, unsynced: None })
    }

    /// Whether the configured path leads to this file.
    fn is_at(&self, config: &FileConfig) -> bool {
        let (Ok(ours), Ok(there)) = (self.lines.get().metadata(), std::fs::symlink_metadata(&config.path))
        else {
            return false;
        };
        (ours.dev(), ours.ino()) == (there.dev(), there.ino())
    }

    fn write(&mut self, batch: Batch<'_>) -> Result<(), Unwritten> {
        let result = self.lines.write(batch);
        // Somebody may have cut it (logrotate's copytruncate), and a torn line counts as well.
        self.size = self.lines.get().metadata().map_or(self.size, |metadata| metadata.len());
        self.unsynced.get_or_insert_with(Instant::now);
        result
    }

    fn sync_if(&mut self, due: bool) -> io::Result<()> {
        if due && self.unsynced.take().is_some() {
            self.lines.get().sync_data()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
