//! `serin plugin build`: from source to a component.

mod c;
mod component;
mod go;
mod interpreted;
mod packages;
mod preview1;
mod rust;
mod tool;

use std::path::Path;

use anyhow::{Context, Result};

use super::language::Language;
use super::project;

/// Compiles the plugin in a folder into the component that its `pipeline.yaml` names.
pub(crate) fn build(folder: &Path) -> Result<()> {
    let component = project::component(folder)?;
    let bytes = match Language::of(folder)? {
        Language::Rust => rust::build(folder),
        Language::C => c::build(folder),
        Language::Go => go::build(folder),
        Language::Js => interpreted::build_javascript(folder),
        Language::Python => interpreted::build_python(folder),
    }?;
    std::fs::write(&component, bytes).with_context(|| format!("cannot write {}", component.display()))?;
    println!("{}", component.display());
    Ok(())
}
