//! Finds the kernel programs, which another compiler builds first.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-env-changed=SERIN_EBPF_DIR");
    let directory = std::env::var_os("SERIN_EBPF_DIR").map_or_else(default_directory, PathBuf::from);
    for object in
        ["base", "deny", "fentry", "kprobe", "lsm", "sys_enter", "uprobe", "tracepoint", "raw_tracepoint"]
    {
        let path = directory.join(object).with_extension("o");
        println!("cargo::rerun-if-changed={}", path.display());
        if !path.exists() {
            println!("cargo::error={} is missing: run `cargo xtask build` first", path.display());
        }
        println!("cargo::rustc-env=SERIN_{}_OBJECT={}", object.to_uppercase(), path.display());
    }
}

/// `target/ebpf` of the workspace, where xtask puts them.
fn default_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/ebpf")
}
