//! Generates the SDK's bindings from `wit/`, so that a plugin needs no code generator:
//! `cargo run --release --manifest-path plugins/Cargo.toml -p bindgen`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use wit_bindgen_core::{Files, WorldGenerator};
use wit_parser::Resolve;

fn main() -> anyhow::Result<()> {
    let target = root().join("plugins/sdk/src/bindings.rs");
    std::fs::write(&target, generate()?).with_context(|| format!("cannot write {}", target.display()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn generate() -> anyhow::Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit"))?;
    let world = resolve.select_world(&[package], Some("plugin"))?;
    let options = wit_bindgen_rust::Opts {
        format: true,
        generate_all: true,
        pub_export_macro: true,
        default_bindings_module: Some("serin_plugin::bindings".to_owned()),
        additional_derive_attributes: vec!["PartialEq".to_owned()],
        ..Default::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let (_, source) = files.iter().next().context("nothing was generated")?;
    Ok(source.to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    #[test]
    fn committed_bindings_are_those_of_the_wit() {
        let committed = std::fs::read(super::root().join("plugins/sdk/src/bindings.rs")).unwrap();
        assert!(
            committed == super::generate().unwrap(),
            "plugins/sdk/src/bindings.rs is stale: cargo run --release --manifest-path plugins/Cargo.toml -p bindgen"
        );
    }
}
