//! Compilers and tools that rustup's stable toolchain lacks: found where they are, installed where they are not.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{layout, packages, step};

/// The linker of kernel programs; the version that links what Debian's rustc 1.96 (LLVM 22) emits.
const BPF_LINKER: &str = "0.13.0";

/// Where Debian's LLVM 22 is.
const LLVM: &str = "/usr/lib/llvm-22";

/// What objcopy leaves out of kernel programs. Relocations of BTF are for static linkers, and as many as lines of code.
const STRIPPED: [&str; 3] = ["--strip-debug", "--remove-section=.rel.BTF", "--remove-section=.rel.BTF.ext"];

/// The licence and source check.
const CARGO_DENY: &str = "0.20.2";

/// A compiler for `bpfel-unknown-none` with the linker that fits it.
pub(crate) enum KernelToolchain {
    /// Debian's rustc, which brings `core` for BPF.
    Debian {
        /// Path of bpf-linker.
        linker: PathBuf,
    },
    /// rustup's nightly with rust-src.
    Nightly {
        /// Path of bpf-linker.
        linker: PathBuf,
    },
}

impl KernelToolchain {
    /// Takes what is there: Debian's, then nightly's; installs Debian's if there is neither.
    ///
    /// # Errors
    /// Without either, and without the means to install one; the error says what to do.
    pub(crate) fn find_or_install() -> Result<Self> {
        if let Some(linker) = nightly_instead() {
            return Ok(Self::Nightly { linker });
        }
        packages::ensure(packages::TOOLCHAIN).context(
            "no compiler for kernel programs. Debian's serves, or rustup's nightly: \
             rustup toolchain install nightly --component rust-src && cargo install bpf-linker",
        )?;
        Ok(Self::Debian { linker: bpf_linker()? })
    }

    /// The packages that it takes.
    pub(crate) fn packages() -> &'static [&'static str] {
        if nightly_instead().is_some() { &[] } else { packages::TOOLCHAIN }
    }

    /// `cargo build` for kernel programs, flags for the target included.
    pub(crate) fn cargo_build(&self) -> Command {
        let (mut command, linker) = match self {
            Self::Debian { linker } => {
                let mut command = debian_cargo();
                command.arg("build");
                (command, linker)
            }
            Self::Nightly { linker } => {
                let mut command = outer_cargo(Path::new("cargo"));
                command.args(["+nightly", "build", "-Z", "build-std=core"]);
                (command, linker)
            }
        };
        let flags =
            format!("-C linker={} -C link-arg=--btf -C debuginfo=2 -C target-cpu=v3", linker.display());
        command.env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_RUSTFLAGS", flags);
        command.args(["--release", "--target", "bpfel-unknown-none"]);
        command
    }

    /// A kernel program as it is embedded: with BTF, but without the DWARF that BTF was made from, which
    /// is most of the file. Where no objcopy knows BPF, DWARF stays.
    pub(crate) fn without_debug_info(&self, object: &Path) -> Result<PathBuf> {
        let objcopy = match self {
            Self::Debian { .. } => Some(PathBuf::from(LLVM).join("bin/llvm-objcopy")),
            Self::Nightly { .. } => layout::in_path("llvm-objcopy"),
        };
        let Some(objcopy) = objcopy else { return Ok(object.to_path_buf()) };
        let stripped = object.with_extension("stripped");
        let status = Command::new(&objcopy).args(STRIPPED).args([object, &stripped]).status();
        let status = status.with_context(|| format!("cannot start {}", objcopy.display()))?;
        ensure!(status.success(), "{} ended with {status}", objcopy.display());
        Ok(stripped)
    }
}

/// Debian's cargo with Debian's rustc, unstable features allowed.
fn debian_cargo() -> Command {
    let mut command = outer_cargo(Path::new("/usr/bin/cargo"));
    command.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
    command
}

/// A cargo of another toolchain than the one that runs xtask: without that one's environment.
fn outer_cargo(program: &Path) -> Command {
    let mut command = Command::new(program);
    for name in
        ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH", "CARGO_TARGET_DIR", "RUSTFLAGS"]
    {
        command.env_remove(name);
    }
    command
}

/// bpf-linker beside a nightly toolchain with rust-src, if they are there and Debian's compiler is not.
fn nightly_instead() -> Option<PathBuf> {
    if packages::missing(packages::TOOLCHAIN).is_empty() {
        return None;
    }
    let output = Command::new("rustc").args(["+nightly", "--print", "sysroot"]).output().ok()?;
    let sysroot = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    let source = sysroot.join("lib/rustlib/src/rust/library/core");
    (output.status.success() && source.is_dir()).then(|| layout::in_path("bpf-linker")).flatten()
}

/// bpf-linker for Debian's LLVM 22, built once per user.
fn bpf_linker() -> Result<PathBuf> {
    cargo_install("bpf-linker", BPF_LINKER, |command| {
        command
            .args(["--no-default-features", "--features", "llvm-22"])
            .env("LLVM_PREFIX", LLVM)
            .env("LLVM_SYS_221_PREFIX", LLVM);
    })
}

/// cargo-deny, built once per user.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    cargo_install("cargo-deny", CARGO_DENY, |command| {
        command.arg("--locked");
    })
}

fn cargo_install(name: &str, version: &str, configure: impl FnOnce(&mut Command)) -> Result<PathBuf> {
    let place = layout::cache(&format!("{name}-{version}"))?;
    let program = place.join("bin").join(name);
    if !program.is_file() {
        let mut command = cargo();
        command
            .args(["install", name, "--version", version, "--root"])
            .arg(&place)
            .env_remove("CARGO_TARGET_DIR");
        configure(&mut command);
        step::run(format!("cargo install {name} {version}"), step::with_cargo_progress(&mut command))?;
    }
    Ok(program)
}

/// The cargo that runs xtask, in the root of the checkout.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(layout::root()).env_remove("CARGO_TARGET_DIR");
    command
}
