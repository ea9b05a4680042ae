//! Generates what the SDKs know of `wit/` and of `docs/plugin-abi.md`, so that a plugin needs no code generator:
//! `cargo run --release --manifest-path plugins/Cargo.toml -p bindgen`.

mod abi;
mod c;
mod go;
mod javascript;
mod python;
mod wit;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A file of an SDK.
struct Generated {
    /// From the root of the checkout.
    path: String,
    content: Vec<u8>,
}

impl Generated {
    fn new(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), content: content.into() }
    }
}

fn main() -> Result<()> {
    for file in generate()? {
        let target = root().join(&file.path);
        std::fs::write(&target, file.content)
            .with_context(|| format!("cannot write {}", target.display()))?;
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn generate() -> Result<Vec<Generated>> {
    let page = std::fs::read_to_string(root().join("docs/plugin-abi.md"))?;
    let structures = abi::structures(&page).context("docs/plugin-abi.md")?;
    let mut files = vec![
        Generated::new("plugins/sdk/src/bindings.rs", wit::rust()?),
        Generated::new("plugins/sdk-c/views.h", c::views(&structures)?),
        Generated::new("plugins/sdk-go/views.go", go::views(&structures)?),
        Generated::new("plugins/sdk-javascript/views.js", javascript::views(&structures)?),
        Generated::new("plugins/sdk-python/serin/views.py", python::views(&structures)?),
    ];
    files.extend(wit::c()?);
    Ok(files)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    #[test]
    fn committed_files_are_those_that_are_generated() {
        for file in super::generate().unwrap() {
            let committed = std::fs::read(super::root().join(&file.path)).unwrap_or_default();
            assert!(
                committed == file.content,
                "{} is stale: cargo run --release --manifest-path plugins/Cargo.toml -p bindgen",
                file.path
            );
        }
    }
}
