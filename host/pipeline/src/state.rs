//! The folder of what the agent keeps from one start to the next.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why nothing can be kept.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be created", .folder.display())]
pub struct StateError {
    /// The folder.
    pub folder: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// A folder, created (mode 0700) if it is missing.
pub(crate) fn create(folder: &Path) -> Result<(), StateError> {
    if folder.is_dir() {
        return Ok(());
    }
    let created = DirBuilder::new().mode(0o700).recursive(true).create(folder);
    created.map_err(|source| StateError { folder: folder.to_owned(), source })
}

/// Writes a file in one piece: a crash leaves the file before or the one behind.
pub(crate) fn write(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> serde_json::Result<()>,
) -> io::Result<()> {
    let partial = path.with_extension("json.partial");
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    let mut writer = BufWriter::new(file);
    content(&mut writer)?;
    writer.write_all(b"\n")?;
    writer.into_inner()?.sync_all()?;
    std::fs::rename(&partial, path)
}
