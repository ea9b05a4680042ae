//! Embeds the empty plugin, which `serin plugin bench` measures others against.

use std::path::{Path, PathBuf};

fn main() {
    let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins/empty.wasm");
    println!("cargo::rerun-if-changed={}", component.display());
    let place = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("empty.wasm");
    // Without `cargo xtask build` before there is none, and the benchmark says so.
    let bytes = std::fs::read(&component).unwrap_or_default();
    if let Err(error) = std::fs::write(&place, bytes) {
        println!("cargo::error=cannot write {}: {error}", place.display());
    }
}
