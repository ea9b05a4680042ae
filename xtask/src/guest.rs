//! Builds the plugins: Rust to core WebAssembly, and that to components.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::{layout, packages, step, toolchain};

const TARGET: &str = "wasm32-unknown-unknown";

/// Builds every plugin of `plugins/` into `out`; gives the components' paths.
///
/// # Errors
/// Without a compiler for WebAssembly and the means to install one, or if a plugin doesn't compile.
pub(crate) fn build(root: &Path, out: &Path) -> Result<Vec<PathBuf>> {
    let compiler = Compiler::find_or_install()?;
    let mut command = compiler.cargo_build(&root.join("plugins"));
    command.args(["--message-format", "json-render-diagnostics"]);
    let messages = step::run("plugins", step::with_cargo_progress(&mut command))?;
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    modules(&messages).iter().map(|module| componentize(module, out)).collect()
}

/// The core modules that cargo's JSON messages name.
fn modules(messages: &str) -> Vec<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect()
}

/// Wraps a core module into a component. What it may import and must export, `export!` has put into the module.
fn componentize(module: &Path, out: &Path) -> Result<PathBuf> {
    let bytes = std::fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let component = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|mut encoder| encoder.encode())
        .with_context(|| format!("{} can't become a component", module.display()))?;
    let name = module.file_name().context("a module without a name")?.to_string_lossy().replace('_', "-");
    let place = out.join(name);
    if std::fs::read(&place).is_ok_and(|old| old == component) {
        return Ok(place);
    }
    std::fs::write(&place, component).with_context(|| format!("cannot write {}", place.display()))?;
    Ok(place)
}

/// A Rust compiler that can make WebAssembly.
struct Compiler {
    rustc: PathBuf,
    /// Where its standard library is, if not where it looks itself.
    sysroot: Option<PathBuf>,
}

impl Compiler {
    /// Takes the first that serves: the toolchain in use with the target added, nightly with the
    /// target or rust-src, Debian's rustc-web; installs the last if there is none.
    fn find_or_install() -> Result<Self> {
        let nightly = rustup_rustc("nightly");
        for rustc in [Some(PathBuf::from("rustc")), nightly.clone()].into_iter().flatten() {
            if has_target(&rustc) {
                return Ok(Self { rustc, sysroot: None });
            }
        }
        if let Some(rustc) = nightly.filter(|rustc| has_source(rustc)) {
            return Self::with_sysroot(rustc);
        }
        packages::ensure(packages::GUEST_TOOLCHAIN).context(format!(
            "No compiler for plugins. Either: rustup target add {TARGET}, or Debian's packages"
        ))?;
        Self::with_sysroot(PathBuf::from("/usr/bin/rustc"))
    }

    /// A compiler that has the standard library as source only: builds it, once per compiler and user.
    fn with_sysroot(rustc: PathBuf) -> Result<Self> {
        let version = output(Command::new(&rustc).arg("-vV"))?;
        let release = version.lines().find_map(|line| line.strip_prefix("release: ")).unwrap_or("unknown");
        let digest = Sha256::digest(&version);
        let key: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let place = layout::cache(&format!("{TARGET}-{release}-{key}"))?;
        let sysroot = place.join("sysroot");
        if !sysroot.is_dir() {
            build_sysroot(&rustc, &place)?;
        }
        Ok(Self { rustc, sysroot: Some(sysroot) })
    }

    fn cargo_build(&self, folder: &Path) -> Command {
        let flags = self.sysroot.as_ref().map(|sysroot| format!("--sysroot={}", sysroot.display()));
        let mut command = cargo_with(&self.rustc, &flags.unwrap_or_default());
        command.current_dir(folder);
        command
    }
}

/// `cargo build` for [`TARGET`], free of what the caller's environment says about other builds.
fn cargo_with(rustc: &Path, flags: &str) -> Command {
    let mut command = toolchain::cargo();
    for name in ["CARGO_TARGET_DIR", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER"] {
        command.env_remove(name);
    }
    command
        .args(["build", "--release", "--target", TARGET])
        .env("RUSTC", rustc)
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags);
    command
}

/// Builds the standard library into `place/sysroot`, with bitcode, so that plugins can be optimised together with it.
fn build_sysroot(rustc: &Path, place: &Path) -> Result<()> {
    let source = place.join("build");
    std::fs::create_dir_all(&source)?;
    std::fs::write(source.join("Cargo.toml"), SYSROOT_MANIFEST)?;
    std::fs::write(source.join("lib.rs"), "#![no_std]\n")?;
    let mut command = cargo_with(rustc, "-Cembed-bitcode=yes");
    command.current_dir(&source).env("RUSTC_BOOTSTRAP", "1").args(["-Z", "build-std=std,panic_abort"]);
    step::run(format!("standard library for {TARGET}"), step::with_cargo_progress(&mut command))?;

    let partial = place.join("partial");
    let libraries = partial.join("lib/rustlib").join(TARGET).join("lib");
    std::fs::create_dir_all(&libraries)?;
    for entry in std::fs::read_dir(source.join("target").join(TARGET).join("release/deps"))? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().ends_with(".rlib") && !name.to_string_lossy().starts_with("libsysroot") {
            std::fs::copy(entry.path(), libraries.join(name))?;
        }
    }
    link_host_part(rustc, &partial)?;
    std::fs::rename(&partial, place.join("sysroot"))?;
    std::fs::remove_dir_all(&source)?;
    Ok(())
}

const SYSROOT_MANIFEST: &str = r#"[package]
name = "sysroot"
version = "0.0.0"
edition = "2024"

[lib]
path = "lib.rs"

[profile.release]
panic = "abort"

[workspace]
"#;

/// The compiler looks for its linker beside its own platform's libraries.
fn link_host_part(rustc: &Path, sysroot: &Path) -> Result<()> {
    let version = output(Command::new(rustc).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let link = sysroot.join("lib/rustlib").join(host);
    if link.symlink_metadata().is_ok() {
        std::fs::remove_file(&link)?;
    }
    std::os::unix::fs::symlink(own_sysroot(rustc)?.join("lib/rustlib").join(host), link)?;
    Ok(())
}

fn own_sysroot(rustc: &Path) -> Result<PathBuf> {
    Ok(PathBuf::from(output(Command::new(rustc).args(["--print", "sysroot"]))?.trim()))
}

fn has_target(rustc: &Path) -> bool {
    own_sysroot(rustc).is_ok_and(|sysroot| sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir())
}

fn has_source(rustc: &Path) -> bool {
    own_sysroot(rustc).is_ok_and(|sysroot| sysroot.join("lib/rustlib/src/rust/library/std").is_dir())
}

fn rustup_rustc(toolchain: &str) -> Option<PathBuf> {
    let path = output(Command::new("rustup").args(["which", "--toolchain", toolchain, "rustc"])).ok()?;
    Some(PathBuf::from(path.trim()))
}

fn output(command: &mut Command) -> Result<String> {
    let output =
        command.output().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{} ended with {}", command.get_program().display(), output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}
