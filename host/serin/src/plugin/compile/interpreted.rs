//! Languages whose interpreter becomes part of the component: JavaScript and Python.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serin_pipeline::Grants;

use super::component::WIT;
use super::packages::{PYTHON, QUICKJS};
use super::tool;
use crate::plugin::language::Language;
use crate::plugin::{project, sdk};

/// The world that the component is made for. Unlike compiled code, an interpreter imports all that there is.
const WORLD: &str = "guest";

/// Makes a component of QuickJS and `plugin.js`.
pub(super) fn build_javascript(folder: &Path) -> Result<Vec<u8>> {
    let home = tool::cache()?.join(QUICKJS.folder());
    let tool = find(QUICKJS.name, &home.join("node_modules/.bin"), || {
        format!("npm install --prefix {} {}", home.display(), QUICKJS.pinned("@"))
    })?;
    sdk::write(Language::Js, folder)?;
    let component = folder.join("build/plugin.wasm");
    let mut command = Command::new(tool);
    command
        .arg("--wit")
        .arg(write_world(folder)?)
        .args(["--world", WORLD, "--stub-wasi", "--sync", "--js"])
        .arg(folder.join("plugin.js"))
        .arg("--module-root")
        .arg(folder)
        .arg("--output")
        .arg(&component);
    run_quietly(&mut command)?;
    read(&component)
}

/// Makes a component of CPython and `plugin.py`.
pub(super) fn build_python(folder: &Path) -> Result<Vec<u8>> {
    let home = tool::cache()?.join(PYTHON.folder());
    let tool = find(PYTHON.name, &home.join("bin"), || {
        let (home, package) = (home.display(), PYTHON.pinned("=="));
        format!("python3 -m venv {home} && {home}/bin/pip install {package}")
    })?;
    let sdk = sdk::write(Language::Python, folder)?;
    let component = folder.join("build/plugin.wasm");
    let mut command = Command::new(tool);
    command
        .arg("--wit-path")
        .arg(write_world(folder)?)
        .args(["--world", WORLD, "componentize", "--stub-wasi", "--python-path"])
        .arg(folder)
        .arg("--python-path")
        .arg(sdk)
        .args(["component", "--output"])
        .arg(&component);
    run_quietly(&mut command)?;
    read(&component)
}

/// The tool: of the version that is tried, or else what is in `PATH`.
fn find(name: &str, bin: &Path, install: impl FnOnce() -> String) -> Result<PathBuf> {
    let tried = bin.join(name);
    if tried.is_file() {
        return Ok(tried);
    }
    tool::in_path(name).with_context(|| format!("{name} is missing: run `{}`", install()))
}

/// Writes the package with a world that imports what the pipeline file grants the plugin; gives its folder.
fn write_world(folder: &Path) -> Result<PathBuf> {
    let place = folder.join("build/wit");
    std::fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
    let file = place.join("plugin.wit");
    let text = format!("{WIT}\n{}", world(&project::grants(folder)?));
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(place)
}

fn world(grants: &Grants) -> String {
    let interfaces = Grants::INTERFACES.into_iter().filter(|interface| grants.offer(interface));
    let imports: String = interfaces.map(|interface| format!("  import {interface};\n")).collect();
    format!(
        "/// A plugin with the imports that its pipeline file grants.\nworld {WORLD} {{\n{imports}  export frames;\n}}\n"
    )
}

/// Runs a tool that says much even if all is well; shows it if not.
fn run_quietly(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let output = command
        .stdin(Stdio::null())
        // The author's mistakes matter, not where the tool met them.
        .env("RUST_BACKTRACE", "0")
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if !output.status.success() {
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("{} ended with {}:\n{}\n{}", program.display(), output.status, stdout.trim(), stderr.trim());
    }
    Ok(())
}

fn read(component: &Path) -> Result<Vec<u8>> {
    std::fs::read(component).with_context(|| format!("cannot read {}", component.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serin_pipeline::Grants;
    use wit_parser::Resolve;

    use super::{WIT, WORLD, world};

    #[test]
    fn the_world_imports_what_is_granted() {
        for (log, imports) in [(false, 1), (true, 2)] {
            let grants = Grants { log, ..Grants::default() };
            let mut resolve = Resolve::default();
            let package = resolve.push_str("plugin.wit", &format!("{WIT}\n{}", world(&grants))).unwrap();
            let world = resolve.select_world(&[package], Some(WORLD)).unwrap();
            // The types are one of them.
            assert_eq!(resolve.worlds[world].imports.len(), imports);
        }
    }
}
