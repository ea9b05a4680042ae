//! From a core module to a component.

use anyhow::{Context, Result};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

/// The package of the world that a plugin is of.
pub(super) const WIT: &str = include_str!("../../../../../wit/plugin.wit");

/// Makes a component of a core module; it imports what the module calls, nothing else.
///
/// # Errors
/// If the module calls what a plugin is not offered, WASI above all, or lacks an export.
pub(super) fn of_module(module: Vec<u8>) -> Result<Vec<u8>> {
    of_module_with(module, &[])
}

/// As above, with modules that have what the module imports from one of their names.
pub(super) fn of_module_with(mut module: Vec<u8>, adapters: &[(&str, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("plugin.wit", WIT).context("wit/plugin.wit")?;
    let world = resolve.select_world(&[package], Some("plugin"))?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    let mut encoder = ComponentEncoder::default().validate(true).module(&module)?;
    for (name, adapter) in adapters {
        encoder = encoder.adapter(name, adapter)?;
    }
    encoder.encode().context(
        "no plugin comes of this: files, environment, clocks and standard output are not offered to one",
    )
}
