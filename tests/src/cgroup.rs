//! Cgroups that scenarios make.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A cgroup of the unified hierarchy; removed when dropped.
pub(crate) struct Cgroup {
    pub(crate) path: PathBuf,
}

impl Cgroup {
    /// Right below the root.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let mounts = std::fs::read_to_string("/proc/mounts")?;
        let mount = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .find(|fields| fields.get(2) == Some(&"cgroup2"))
            .context("no cgroup2 file system is mounted")?;
        Self::at(Path::new(mount[1]).join(name))
    }

    /// Below this one; it must be dropped before.
    pub(crate) fn below(&self, name: &str) -> Result<Self> {
        Self::at(self.path.join(name))
    }

    fn at(path: PathBuf) -> Result<Self> {
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.path);
    }
}

/// Whether hierarchies of version 1 are mounted, by which runtimes then tell containers apart.
pub(crate) fn has_version_1() -> bool {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(2) == Some("cgroup"))
}
