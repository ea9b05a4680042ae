//! C: clang and WASI's C library.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{component, tool};
use crate::plugin::language::Language;
use crate::plugin::sdk;

/// What it takes: a Debian package, and a file of it.
const PACKAGES: [(&str, &str); 4] = [
    ("clang-22", "/usr/bin/clang-22"),
    ("lld-22", "/usr/bin/wasm-ld-22"),
    ("wasi-libc", "/usr/include/wasm32-wasi/stdlib.h"),
    ("libclang-rt-22-dev-wasm32", "/usr/lib/llvm-22/lib/clang/22/lib/wasi/libclang_rt.builtins-wasm32.a"),
];

/// Debian's C library lies where clang looks for it under this name; clang prefers `wasm32-wasip1` and says so.
const TARGET: [&str; 2] = ["--target=wasm32-wasi", "-Wno-deprecated"];

/// Compiles all `.c` files of a folder together with the SDK; gives the component.
pub(super) fn build(folder: &Path) -> Result<Vec<u8>> {
    check_toolchain()?;
    let sdk = sdk::write(Language::C, folder)?;
    let module = sdk.with_file_name("plugin.core.wasm");
    let mut command = Command::new("clang-22");
    command
        .args(TARGET)
        // A library: its functions are called, it has no `main`.
        .arg("-mexec-model=reactor")
        .args(["-O2", "-flto", "-s", "-Wall", "-Wextra", "-I"])
        .arg(&sdk)
        .arg("-o")
        .arg(&module)
        .args(sources(folder)?)
        .args(sources(&sdk)?);
    tool::run(&mut command)?;
    let bytes = std::fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
    component::of_module(bytes)
}

fn check_toolchain() -> Result<()> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(package, _)| *package).collect();
    if !missing.is_empty() {
        bail!("what compiles C to WebAssembly is missing: run `apt-get install {}`", missing.join(" "));
    }
    Ok(())
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut sources = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            sources.push(path);
        }
    }
    sources.sort();
    Ok(sources)
}
