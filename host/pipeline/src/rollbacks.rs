//! Versions of plugins that were rolled back, remembered from one start of the agent to the next.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::state::{self, StateError};
use crate::version::Version;

/// The file's name in the folder of what the agent keeps.
const FILE: &str = "rollbacks.json";
/// Versions that are remembered; the oldest is forgotten for one more.
const MAX_RECORDS: usize = 256;
/// Bytes of a reason. With those of all records escaped, the file is within its size.
const MAX_REASON: usize = 512;
/// Bytes of the file.
const MAX_FILE: u64 = 1 << 20;

/// What was rolled back on this host.
#[derive(Debug)]
pub struct Rollbacks {
    path: PathBuf,
    /// The oldest first.
    records: Mutex<Vec<Record>>,
}

/// A version, as the file names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    /// The plugin's name in the pipeline.
    plugin: String,
    /// The component's digest.
    component: String,
    /// The digest of its entry with the configuration: whoever changes a limit means to try again.
    entry: String,
}

impl Key {
    pub(crate) fn of(version: &Version) -> Self {
        Self {
            plugin: version.entry.name.clone(),
            component: version.digest.to_string(),
            entry: canonical::digest(&version.entry).to_string(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: Key,
    reason: String,
}

/// Why a file tells nothing.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("it has {0} bytes; the agent writes at most {MAX_FILE}")]
    Size(u64),
    #[error("it is not what the agent writes: {0}")]
    Content(#[from] serde_json::Error),
}

impl Rollbacks {
    /// Of the folder in which the agent keeps what outlives it; created (mode 0700) if it is missing. A file that can't
    /// be read is reported and counts as none.
    ///
    /// # Errors
    /// If there is no such folder and none can be created.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        state::create(folder)?;
        let path = folder.join(FILE);
        let records = read(&path).unwrap_or_else(|broken| {
            tracing::warn!("{} is ignored, what was rolled back is tried again: {broken}", path.display());
            Vec::new()
        });
        Ok(Self { path, records: Mutex::new(records) })
    }

    /// Why the version was rolled back, if it was.
    pub(crate) fn reason(&self, version: &Key) -> Option<String> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().find(|record| record.version == *version).map(|record| record.reason.clone())
    }

    /// Remembers that a version was rolled back. That it can't be is reported: the next start tries it again.
    pub(crate) fn record(&self, version: &Key, reason: &str) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.retain(|record| record.version != *version);
        let reason = reason.get(..reason.floor_char_boundary(MAX_REASON)).unwrap_or_default().to_owned();
        records.push(Record { version: version.clone(), reason });
        let surplus = records.len().saturating_sub(MAX_RECORDS);
        records.drain(..surplus);
        let content = |file: &mut _| serde_json::to_writer_pretty(file, &*records);
        if let Err(error) = state::write(&self.path, content) {
            tracing::warn!("a rollback is forgotten at the next start: {}: {error}", self.path.display());
        }
    }
}

fn read(path: &Path) -> Result<Vec<Record>, Broken> {
    let size = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    if size > MAX_FILE {
        return Err(Broken::Size(size));
    }
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn key(number: usize) -> Key {
        Key { plugin: "p".into(), component: format!("sha256:{number}"), entry: "sha256:e".into() }
    }

    #[test]
    fn what_was_rolled_back_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("a/state");
        Rollbacks::open(&state).unwrap().record(&key(1), "it failed");
        let rollbacks = Rollbacks::open(&state).unwrap();
        assert_eq!(rollbacks.reason(&key(1)).as_deref(), Some("it failed"));
        for other in [key(2), Key { plugin: "q".into(), ..key(1) }, Key { entry: String::new(), ..key(1) }] {
            assert_eq!(rollbacks.reason(&other), None, "{other:?}");
        }
    }

    #[test]
    fn the_file_is_bounded_whatever_the_reasons_are() {
        let folder = tempfile::tempdir().unwrap();
        let rollbacks = Rollbacks::open(folder.path()).unwrap();
        let reason = "\u{1}".repeat(2 * MAX_REASON);
        for number in 0..MAX_RECORDS + 2 {
            rollbacks.record(&key(number), &reason);
        }
        assert!(std::fs::metadata(folder.path().join(FILE)).unwrap().len() <= MAX_FILE);
        let rollbacks = Rollbacks::open(folder.path()).unwrap();
        assert_eq!(rollbacks.reason(&key(1)), None, "the oldest are forgotten");
        assert_eq!(rollbacks.reason(&key(2)).map(|reason| reason.len()), Some(MAX_REASON));
    }

    #[test]
    fn a_broken_file_counts_as_none_and_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        for broken in ["", "{", "[{}]", &" ".repeat(2 << 20)] {
            std::fs::write(&file, broken).unwrap();
            let rollbacks = Rollbacks::open(folder.path()).unwrap();
            assert_eq!(rollbacks.reason(&key(1)), None);
            rollbacks.record(&key(1), "it failed");
            assert!(Rollbacks::open(folder.path()).unwrap().reason(&key(1)).is_some());
        }
    }
}
