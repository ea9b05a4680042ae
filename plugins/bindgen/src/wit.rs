//! Bindings of the world in `wit/`, as wit-bindgen makes them.

use anyhow::{Context, Result};
use wit_bindgen_core::{Files, WorldGenerator};
use wit_parser::Resolve;

use crate::{Generated, root};

/// The Rust SDK's bindings.
pub(crate) fn rust() -> Result<Vec<u8>> {
    let options = wit_bindgen_rust::Opts {
        format: true,
        generate_all: true,
        pub_export_macro: true,
        default_bindings_module: Some("serin_plugin::bindings".to_owned()),
        additional_derive_attributes: vec!["PartialEq".to_owned()],
        ..Default::default()
    };
    let files = generate(&mut options.build())?;
    let (_, source) = files.iter().next().context("nothing was generated")?;
    Ok(source.to_vec())
}

/// The C SDK's bindings. `serin plugin build` describes the world in the module itself, so no object file does.
pub(crate) fn c() -> Result<Vec<Generated>> {
    let options = wit_bindgen_c::Opts {
        no_object_file: true,
        rename_world: Some("serin_wit".to_owned()),
        ..Default::default()
    };
    let files = generate(options.build().as_mut())?;
    files
        .iter()
        .map(|(name, content)| {
            let text = std::str::from_utf8(content)?;
            Ok(Generated::new(format!("plugins/sdk-c/{name}"), without_object_file(text)))
        })
        .collect()
}

/// The bindings end with a reference to the object file, even if they are made to go without.
fn without_object_file(bindings: &str) -> &str {
    let (before, _) =
        bindings.split_once("\n// Ensure that the *_component_type.o").unwrap_or((bindings, ""));
    before
}

fn generate(generator: &mut dyn WorldGenerator) -> Result<Files> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit"))?;
    let world = resolve.select_world(&[package], Some("plugin"))?;
    let mut files = Files::default();
    generator.generate(&mut resolve, world, &mut files)?;
    Ok(files)
}
