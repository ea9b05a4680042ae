//! Debian packages: what is missing, and getting it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{layout, step};

/// Compilers for the kernel programs and the plugins, and what bpf-linker is built from.
pub(crate) const TOOLCHAIN: &[&str] = &[
    "build-essential",
    "rustc-web",
    "cargo-web",
    "libstd-rust-web-dev-bpf",
    "rust-web-src",
    "rust-web-llvm",
    "llvm-22-dev",
    "libpolly-22-dev",
    "clang-22",
    "lld-22",
    "libzstd-dev",
];

/// What compiling plugins alone takes.
pub(crate) const GUEST_TOOLCHAIN: &[&str] = &["rustc-web", "rust-web-src", "rust-web-llvm", "lld-22"];

/// What compiling plugins in C takes.
pub(crate) const C_GUEST_TOOLCHAIN: &[&str] =
    &["clang-22", "lld-22", "wasi-libc", "libclang-rt-22-dev-wasm32"];

/// What sinks are tested against.
pub(crate) const RECEIVERS: &[&str] = &["rsyslog"];

/// What components are pushed to. It is unpacked only: installed, it would start a server.
pub(crate) const REGISTRY: &str = "docker-registry";

/// What booting kernels takes.
pub(crate) const VM: &[&str] = &["qemu-system-x86", "busybox-static", "zstd", "xz-utils", "lz4"];

/// What compiling a kernel takes.
pub(crate) const KERNEL_BUILD: &[&str] = &[
    "linux-source-6.12",
    "build-essential",
    "flex",
    "bison",
    "bc",
    "pahole",
    "libelf-dev",
    "libssl-dev",
    "lz4",
    "kmod",
    "cpio",
    "xz-utils",
];

/// The packages of `wanted` that are not installed.
pub(crate) fn missing(wanted: &[&'static str]) -> Vec<&'static str> {
    wanted.iter().copied().filter(|name| !installed(name)).collect()
}

fn installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .output()
        .is_ok_and(|output| output.status.success() && output.stdout == b"installed")
}

/// Installs the missing packages of `wanted`; does nothing if there are none.
///
/// # Errors
/// Without root or apt: names what is missing and the command that gets it.
pub(crate) fn ensure(wanted: &[&'static str]) -> Result<()> {
    let missing = missing(wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if layout::in_path("apt-get").is_none() {
        bail!(
            "missing: {names}\nThis is no Debian system (no apt-get). Install these by other means, or use Debian 12."
        );
    }
    if !is_root() {
        bail!(
            "missing: {names}\nNot root, so nothing was installed. Run: sudo apt-get update && sudo apt-get install {names}"
        );
    }
    let lists = Lists::of_this_system();
    lists.update()?;
    let mut install = lists.by("apt-get");
    install.args(["install", "--yes", "--no-install-recommends", "-o", "APT::Status-Fd=1"]).args(&missing);
    step::run(format!("apt-get install {names}"), &mut install)?;
    Ok(())
}

/// Lists of packages that apt goes by.
pub(crate) struct Lists {
    /// What tells apt of them.
    options: Vec<String>,
}

impl Lists {
    /// Those of this system.
    pub(crate) const fn of_this_system() -> Self {
        Self { options: Vec::new() }
    }

    /// Those of one suite of Debian's archive alone, kept in the cache: this system's stay as they are.
    ///
    /// # Errors
    /// If nothing can be written to the cache.
    pub(crate) fn of_suite(suite: &str) -> Result<Self> {
        let folder = layout::cache(&format!("apt-{suite}"))?;
        for part in ["lists/partial", "archives/partial"] {
            std::fs::create_dir_all(folder.join(part))?;
        }
        let sources = folder.join("sources.list");
        let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let line = format!("deb [signed-by={keys}] http://deb.debian.org/debian {suite} main\n");
        std::fs::write(&sources, line)?;
        let folder = folder.display();
        let options = [
            format!("Dir::Etc::SourceList={}", sources.display()),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            format!("Dir::State::Lists={folder}/lists"),
            format!("Dir::Cache={folder}"),
            "APT::Sandbox::User=root".to_owned(),
        ];
        Ok(Self { options: options.into() })
    }

    /// The names of all packages that begin like this.
    ///
    /// # Errors
    /// If there is no apt.
    pub(crate) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let mut command = self.by("apt-cache");
        let output = command.args(["pkgnames", prefix]).output();
        let output = output.context("cannot start apt-cache; stock kernels come from Debian's packages")?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }

    /// Brings them up to date.
    ///
    /// # Errors
    /// If the archive does not answer.
    pub(crate) fn update(&self) -> Result<()> {
        step::run("apt-get update", self.by("apt-get").arg("update"))?;
        Ok(())
    }

    /// apt or one of its like, which goes by these lists.
    fn by(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "Dpkg::Use-Pty=0"]);
        for option in &self.options {
            command.arg("-o").arg(option);
        }
        command
    }
}

/// Puts the files of a package into a folder, without installing it.
///
/// # Errors
/// If there is no such package, or no apt.
pub(crate) fn unpack(package: &str, lists: &Lists, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // apt drops to another user for downloads, who may not write here: that is a warning, not an error.
    let mut get = lists.by("apt-get");
    get.args(["download", package, "-o", "APT::Sandbox::User=root"]).current_dir(folder);
    step::run(format!("download {package}"), &mut get)?;
    let archive = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("apt-get download {package} left no package"))?;
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("--extract").arg(&archive).arg(folder);
    step::run(format!("unpack {package}"), &mut unpack)?;
    Ok(())
}

/// Whether the effective user is root.
pub(crate) fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status
            .lines()
            .find_map(|line| line.strip_prefix("Uid:"))
            .and_then(|ids| ids.split_whitespace().nth(1))
            .is_some_and(|euid| euid == "0")
    })
}
