//! Where things are: the checkout, its build output, and the per-user cache.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Build output: always inside the checkout, whatever `CARGO_TARGET_DIR` says, because tests and guests look for it there.
pub(crate) fn target() -> PathBuf {
    root().join("target")
}

/// A binary of the host workspace, built with `--release`.
pub(crate) fn binary(name: &str) -> PathBuf {
    target().join("release").join(name)
}

/// Kernel objects, as the agent's build embeds them.
pub(crate) fn ebpf_objects() -> PathBuf {
    target().join("ebpf")
}

/// Plugin components.
pub(crate) fn plugins() -> PathBuf {
    target().join("plugins")
}

/// A folder below `~/.cache/serin` (or `$XDG_CACHE_HOME/serin`), which outlives checkouts; created if missing.
/// Names carry the version of what they hold.
pub(crate) fn cache(name: &str) -> Result<PathBuf> {
    let base = match (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
        (Some(dir), _) if !dir.is_empty() => PathBuf::from(dir),
        (_, Some(home)) => PathBuf::from(home).join(".cache"),
        _ => anyhow::bail!("neither XDG_CACHE_HOME nor HOME is set: no place to cache tools in"),
    };
    let dir = base.join("serin").join(name);
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(dir)
}

/// The program of this name in `PATH`.
pub(crate) fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}
