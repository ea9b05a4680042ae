//! Builds the kernel programs, the plugins and the agent, in the order in which they need each other.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::toolchain::{self, KernelToolchain};
use crate::{guest, layout, step};

/// Builds everything a run of the agent needs.
pub(crate) fn all() -> Result<()> {
    kernel_programs()?;
    plugins()?;
    agent()
}

/// Builds `kernel-ebpf` into `target/ebpf/*.o`.
pub(crate) fn kernel_programs() -> Result<()> {
    let toolchain = KernelToolchain::find_or_install()?;
    let mut command = toolchain.cargo_build();
    command.current_dir(layout::root()).args([
        "--manifest-path",
        "kernel-ebpf/Cargo.toml",
        "--message-format",
        "json-render-diagnostics",
    ]);
    let messages = step::run("kernel programs", step::with_cargo_progress(&mut command))?;
    let mut copied = 0;
    for executable in executables(&messages) {
        let source = Path::new(&executable);
        let name = source.file_stem().context("the kernel programs have no name")?;
        let place = layout::ebpf_objects().join(name).with_extension("o");
        copy_if_changed(&toolchain.without_debug_info(source)?, &place)?;
        copied += 1;
    }
    if copied == 0 {
        bail!("kernel-ebpf made no object");
    }
    Ok(())
}

/// Builds the first-party plugins into `target/plugins/*.wasm`.
pub(crate) fn plugins() -> Result<()> {
    guest::build(&layout::root(), &layout::plugins())?;
    Ok(())
}

/// Builds `target/release/serin`.
pub(crate) fn agent() -> Result<()> {
    let mut command = toolchain::cargo();
    command.args(["build", "--release", "--package", "serin"]);
    step::run("agent", step::with_cargo_progress(&mut command))?;
    Ok(())
}

/// Builds `target/release/serin-tests`, the end-to-end tests.
pub(crate) fn end_to_end_tests() -> Result<()> {
    let mut command = toolchain::cargo();
    // Together with the agent, so that both agree on the features of their dependencies and nothing is built twice.
    command.args(["build", "--release", "--package", "serin", "--package", "serin-tests"]);
    step::run("end-to-end tests", step::with_cargo_progress(&mut command))?;
    Ok(())
}

/// The executables that cargo's JSON messages name.
fn executables(messages: &str) -> Vec<String> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(str::to_owned))
        .collect()
}

/// Keeps the time stamp of a file that is the same, so that nothing is rebuilt for it.
fn copy_if_changed(source: &Path, place: &Path) -> Result<()> {
    let new = std::fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
    if std::fs::read(place).is_ok_and(|old| old == new) {
        return Ok(());
    }
    if let Some(folder) = place.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(place, new).with_context(|| format!("cannot write {}", place.display()))
}
