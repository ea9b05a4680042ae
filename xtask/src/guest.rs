//! Builds the plugins.
use std::path::{Path, PathBuf};
pub(crate) fn build(_root: &Path, _out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    Ok(Vec::new())
}
