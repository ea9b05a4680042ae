//! `spool`

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};
use serin_config::{scalar, size, within};

use super::kind::Sync;
use super::quantity;

/// `spool`: where events wait on the disk for a server that is away.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SpoolConfig {
    /// Absolute path of a folder of its own, which is made if it is not there.
    #[serde(deserialize_with = "path")]
    pub path: PathBuf,
    /// Bytes that its files may take: 1 MiB to 1024 GiB.
    #[serde(deserialize_with = "bytes")]
    pub size: u64,
    /// When to write to the disk what the system has taken; default never.
    #[serde(default, deserialize_with = "quantity::sync")]
    pub sync: Sync,
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    scalar(deserializer, |text| {
        let path = PathBuf::from(text);
        if !path.is_absolute() || path.file_name().is_none() {
            return Err(format!(
                "`{text}` is no absolute path of a folder: write one like `/var/lib/serin/spool`"
            ));
        }
        Ok(path)
    })
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    scalar(deserializer, |text| within(size(text)?, 1 << 20, 1 << 40, |size| format!("{} KiB", size >> 10)))
}
