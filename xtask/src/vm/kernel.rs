//! The kernels that tests run on, cached per user and version; none is ever installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use super::vmlinux;
use crate::packages::Lists;
use crate::{layout, packages, step};

/// Where Debian has kernels that are newer than its releases.
const BACKPORTS: &str = "trixie-backports";
/// Names a ready-made kernel with error injection: a vmlinux, possibly compressed with zstd.
const TEST_KERNEL: &str = "SERIN_TEST_KERNEL";

/// A kernel that can be booted.
pub(crate) struct Kernel {
    /// For people: `Debian 6.12.117+deb12-cloud-amd64`.
    pub(crate) name: String,
    /// The ELF image.
    pub(crate) vmlinux: PathBuf,
}

impl Kernel {
    /// Finds a kernel by what the command line calls it: `debian-6.1`, `debian-6.12`, `debian-6.18`, `slim`, or a path.
    ///
    /// # Errors
    /// If it is not there and cannot be had.
    pub(crate) fn find(name: &str) -> Result<Self> {
        match name {
            "debian-6.1" => Self::debian(&Lists::of_this_system(), "linux-image-6.1.0-", "-cloud-amd64"),
            "debian-6.12" => {
                Self::debian(&Lists::of_this_system(), "linux-image-6.12.", "+deb12-cloud-amd64")
            }
            "debian-6.18" => {
                Self::debian(&Lists::of_suite(BACKPORTS)?, "linux-image-6.18.", "+deb13-cloud-amd64")
            }
            "slim" => match Self::error_injection()? {
                ErrorInjection::Ready(kernel) => Ok(kernel),
                ErrorInjection::Missing(how) => {
                    bail!("the kernel with error injection is not at hand: {how}")
                }
            },
            path => Self::file(Path::new(path)),
        }
    }

    /// The newest of Debian's packages whose name starts and ends like this.
    fn debian(lists: &Lists, prefix: &str, suffix: &str) -> Result<Self> {
        let package = match newest_package(lists, prefix, suffix)? {
            Some(package) => package,
            None => {
                lists.update()?;
                newest_package(lists, prefix, suffix)?
                    .with_context(|| format!("apt knows no package {prefix}*{suffix}"))?
            }
        };
        let version = package.trim_start_matches("linux-image-");
        let place = layout::cache("kernels")?.join(version);
        let vmlinux = place.join("vmlinux");
        if !vmlinux.is_file() {
            download(&package, lists, version, &place, &vmlinux)?;
        }
        Ok(Self { name: format!("Debian {version}"), vmlinux })
    }

    /// A kernel image on this machine; unpacked into the cache unless it is an ELF file already.
    fn file(path: &Path) -> Result<Self> {
        let image =
            std::fs::read(path).with_context(|| format!("cannot read the kernel {}", path.display()))?;
        let name = path.display().to_string();
        if image.starts_with(b"\x7fELF") {
            return Ok(Self { name, vmlinux: path.to_path_buf() });
        }
        let place = layout::cache("kernels")?.join(digest(&image));
        let unpacked = place.join("vmlinux");
        if !unpacked.is_file() {
            std::fs::create_dir_all(&place)?;
            write_whole(&unpacked, &vmlinux::extract(image).with_context(|| format!("in {name}"))?)?;
        }
        Ok(Self { name, vmlinux: unpacked })
    }

    /// The kernel with error injection, if it is at hand.
    pub(crate) fn error_injection() -> Result<ErrorInjection> {
        if let Some(path) = std::env::var_os(TEST_KERNEL).filter(|path| !path.is_empty()) {
            return Ok(ErrorInjection::Ready(Self::file(&layout::root().join(path))?));
        }
        let vmlinux = slim_place()?.join("vmlinux");
        if vmlinux.is_file() {
            return Ok(ErrorInjection::Ready(Self {
                name: "slim 6.12 with error injection".to_owned(),
                vmlinux,
            }));
        }
        Ok(ErrorInjection::Missing(format!(
            "build it once with `cargo xtask vm kernel` (about 20 minutes), or name one in {TEST_KERNEL}"
        )))
    }

    /// Compiles the kernel with error injection from Debian's sources, unless the cache has it.
    pub(crate) fn build_error_injection() -> Result<Self> {
        let place = slim_place()?;
        let vmlinux = place.join("vmlinux");
        if !vmlinux.is_file() {
            packages::ensure(packages::KERNEL_BUILD)?;
            compile(&place)?;
        }
        Ok(Self { name: "slim 6.12 with error injection".to_owned(), vmlinux })
    }
}

/// Whether the kernel with error injection is at hand.
pub(crate) enum ErrorInjection {
    /// Here it is.
    Ready(Kernel),
    /// It is not; how to get it.
    Missing(String),
}

fn newest_package(lists: &Lists, prefix: &str, suffix: &str) -> Result<Option<String>> {
    let names = lists.names(prefix)?;
    let newest = names
        .iter()
        .filter(|name| name.ends_with(suffix) && !name.contains("-unsigned"))
        .filter(|name| numbers(name.trim_start_matches(prefix)).next().is_some())
        .max_by(|left, right| numbers(left).cmp(numbers(right)));
    Ok(newest.cloned())
}

/// The numbers in a version, for comparison.
fn numbers(version: &str) -> impl Iterator<Item = u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok())
}

fn download(package: &str, lists: &Lists, version: &str, place: &Path, vmlinux: &Path) -> Result<()> {
    let work = place.join("download");
    packages::unpack(package, lists, &work)?;
    let image = work.join("boot").join(format!("vmlinuz-{version}"));
    let image = std::fs::read(&image).with_context(|| format!("cannot read {}", image.display()))?;
    write_whole(vmlinux, &vmlinux::extract(image)?)?;
    Ok(std::fs::remove_dir_all(&work)?)
}

/// Where the kernel with error injection is kept: one folder for each content of its configuration.
fn slim_place() -> Result<PathBuf> {
    let config = slim_config();
    let content = std::fs::read(&config).with_context(|| format!("cannot read {}", config.display()))?;
    Ok(layout::cache("kernels")?.join(format!("slim-{}", digest(&content))))
}

fn slim_config() -> PathBuf {
    layout::root().join("tests/vm/slim.config")
}

fn compile(place: &Path) -> Result<()> {
    let work = place.join("build");
    std::fs::create_dir_all(&work)?;
    let mut unpack = Command::new("tar");
    unpack.args(["--extract", "--file", "/usr/src/linux-source-6.12.tar.xz", "--directory"]).arg(&work);
    step::run("unpack linux-source-6.12", &mut unpack)?;
    let source = work.join("linux-source-6.12");
    let mut configure = Command::new("make");
    configure.args(["-s", "allnoconfig"]).env("KCONFIG_ALLCONFIG", slim_config()).current_dir(&source);
    step::run("configure the kernel", &mut configure)?;
    check_config(&source.join(".config"))?;
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut make = Command::new("make");
    make.arg(format!("-j{jobs}")).arg("vmlinux").current_dir(&source);
    step::run("compile the kernel (about 20 CPU minutes)", &mut make)?;
    let stripped = place.join("vmlinux.stripped");
    let mut strip = Command::new("strip");
    strip.arg("--strip-debug").arg("-o").arg(&stripped).arg(source.join("vmlinux"));
    step::run("strip the kernel", &mut strip)?;
    std::fs::rename(&stripped, place.join("vmlinux"))?;
    Ok(std::fs::remove_dir_all(&work)?)
}

/// Every option that the fragment sets must have survived the kernel's own dependencies.
fn check_config(config: &Path) -> Result<()> {
    let wanted = std::fs::read_to_string(slim_config())?;
    let actual = std::fs::read_to_string(config)?;
    let lost: Vec<&str> = wanted
        .lines()
        .filter(|line| line.starts_with("CONFIG_") && !line.ends_with("=n"))
        .filter(|line| !actual.lines().any(|other| other == *line))
        .collect();
    ensure!(lost.is_empty(), "these options of tests/vm/slim.config did not take: {}", lost.join(", "));
    Ok(())
}

/// Writes a file so that nobody ever sees half of it.
fn write_whole(place: &Path, content: &[u8]) -> Result<()> {
    let partial = place.with_extension("partial");
    std::fs::write(&partial, content).with_context(|| format!("cannot write {}", partial.display()))?;
    Ok(std::fs::rename(&partial, place)?)
}

fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_their_numbers() {
        let newer = "linux-image-6.12.117+deb12-cloud-amd64";
        let older = "linux-image-6.12.95+deb12-cloud-amd64";
        assert!(numbers(newer).gt(numbers(older)));
    }
}
