//! Rust: cargo, and the linker that makes a component at once.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::tool;

const TARGET: &str = "wasm32-unknown-unknown";

/// Compiles the crate in a folder; gives the component.
pub(super) fn build(folder: &Path) -> Result<Vec<u8>> {
    let component = Compiler::find()?.build(folder)?;
    std::fs::read(&component).with_context(|| format!("cannot read {}", component.display()))
}

/// A Rust compiler that can make WebAssembly, and the linker that makes components of it.
struct Compiler {
    rustc: PathBuf,
    linker: PathBuf,
    /// Where its standard library is, if not where it looks itself.
    sysroot: Option<PathBuf>,
}

impl Compiler {
    /// Takes the toolchain in use if it has the target, else what `cargo xtask build` has set up.
    fn find() -> Result<Self> {
        let rustc = PathBuf::from("rustc");
        let own = sysroot(&rustc).context("there is no Rust compiler: see https://rustup.rs")?;
        if own.join("lib/rustlib").join(TARGET).join("lib").is_dir() {
            return Self::new(rustc, None);
        }
        let debian = PathBuf::from("/usr/bin/rustc");
        match cached_sysroot(&debian) {
            Some(sysroot) => Self::new(debian, Some(sysroot)),
            None => bail!(
                "the Rust compiler lacks the target {TARGET}: run `rustup target add {TARGET}` \
                 (or, in a checkout of serin, `cargo xtask build`)"
            ),
        }
    }

    /// Every toolchain brings the linker, beside its own host's libraries.
    fn new(rustc: PathBuf, sysroot_of_target: Option<PathBuf>) -> Result<Self> {
        let version = tool::output(Command::new(&rustc).arg("-vV"))?;
        let host =
            version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
        let linker = sysroot(&rustc)?.join("lib/rustlib").join(host).join("bin/wasm-component-ld");
        if !linker.is_file() {
            bail!("{} is missing: use Rust 1.82 or newer", linker.display());
        }
        Ok(Self { rustc, linker, sysroot: sysroot_of_target })
    }

    /// Runs cargo; gives the component.
    fn build(&self, folder: &Path) -> Result<PathBuf> {
        let mut flags = format!("-Clinker={}", self.linker.display());
        if let Some(sysroot) = &self.sysroot {
            flags.push_str(&format!(" --sysroot={}", sysroot.display()));
        }
        let mut command = Command::new("cargo");
        command
            .current_dir(folder)
            .args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"])
            .env("RUSTC", &self.rustc)
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags);
        // What the caller's environment says is about other builds.
        for name in ["CARGO_TARGET_DIR", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER"] {
            command.env_remove(name);
        }
        let messages =
            command.stderr(std::process::Stdio::inherit()).output().context("cannot start cargo")?;
        if !messages.status.success() {
            bail!("cargo ended with {}", messages.status);
        }
        module(&String::from_utf8_lossy(&messages.stdout)).context(
            "cargo made no .wasm file: write `crate-type = [\"cdylib\", \"rlib\"]` below `[lib]` in Cargo.toml",
        )
    }
}

/// The last module that cargo's JSON messages name: the package itself comes after what it depends on.
fn module(messages: &str) -> Option<PathBuf> {
    let files = |message: serde_json::Value| message["filenames"].as_array().cloned().unwrap_or_default();
    let mut modules = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .flat_map(files)
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    modules.next_back()
}

fn sysroot(rustc: &Path) -> Result<PathBuf> {
    Ok(PathBuf::from(tool::output(Command::new(rustc).args(["--print", "sysroot"]))?.trim()))
}

/// The standard library that `cargo xtask build` has compiled for this compiler; named as in `xtask/src/guest.rs`.
fn cached_sysroot(rustc: &Path) -> Option<PathBuf> {
    let version = tool::output(Command::new(rustc).arg("-vV")).ok()?;
    let release = version.lines().find_map(|line| line.strip_prefix("release: "))?;
    let digest = Sha256::digest(&version);
    let key: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let sysroot = tool::cache().ok()?.join(format!("{TARGET}-{release}-{key}/sysroot"));
    sysroot.is_dir().then_some(sysroot)
}
