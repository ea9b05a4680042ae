//! Boots kernels in qemu and runs commands inside.
//!
//! Always by emulation (TCG): it works on every machine, nested or not, and
//! a small kernel is up in two seconds. The guest's root is an initramfs
//! with busybox, the built binaries and the libraries they need; inside,
//! files have the same paths below `/serin` as below the checkout.

mod initramfs;
mod kernel;
mod qemu;
mod vmlinux;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::{layout, packages};
use initramfs::Initramfs;
pub(crate) use kernel::{ErrorInjection, Kernel};
pub(crate) use qemu::{Machine, PANICKED, TIMED_OUT};

/// Where the checkout's files are in the guest.
const GUEST_ROOT: &str = "/serin";

/// Where the folder that [`run_with`] takes along is in the guest.
pub(crate) const GUEST_FOLDER: &str = "/folder";

/// `cargo xtask vm -- COMMAND`: boots and runs, with the files of a folder in [`GUEST_FOLDER`] if there is one. Returns the
/// command's exit status.
pub(crate) fn command(
    kernel: &str,
    machine: &Machine,
    folder: Option<&Path>,
    command: &[String],
) -> Result<u8> {
    packages::ensure(packages::VM)?;
    let kernel = Kernel::find(kernel)?;
    let command: Vec<String> = command.iter().map(|word| quote(word)).collect();
    let (command, output) = (command.join(" "), &mut |line: &str| println!("{line}"));
    match folder {
        Some(folder) => run_with(folder, &kernel, machine, &command, output),
        None => run(&kernel, machine, &command, output),
    }
}

/// Boots the kernel, runs a shell command in `/serin`, and hands every line it prints to `output`.
pub(crate) fn run(
    kernel: &Kernel,
    machine: &Machine,
    command: &str,
    output: &mut dyn FnMut(&str),
) -> Result<u8> {
    boot(kernel, machine, guest_image(command)?, output)
}

/// [`run`] with the files of a folder, which the guest finds in [`GUEST_FOLDER`].
pub(crate) fn run_with(
    folder: &Path,
    kernel: &Kernel,
    machine: &Machine,
    command: &str,
    output: &mut dyn FnMut(&str),
) -> Result<u8> {
    let mut image = guest_image(command)?;
    let mut files = Vec::new();
    files_below(folder, &mut files)?;
    for file in files {
        let place = Path::new(GUEST_FOLDER.trim_start_matches('/')).join(file.strip_prefix(folder)?);
        image.add_file(&file, &place.to_string_lossy())?;
    }
    boot(kernel, machine, image, output)
}

fn boot(kernel: &Kernel, machine: &Machine, image: Initramfs, output: &mut dyn FnMut(&str)) -> Result<u8> {
    std::fs::create_dir_all(layout::target().join("vm"))?;
    let initrd = place("initrd");
    std::fs::write(&initrd, image.finish()).with_context(|| format!("cannot write {}", initrd.display()))?;
    let status = machine.boot(&kernel.vmlinux, &initrd, output);
    let _ = std::fs::remove_file(&initrd);
    status
}

/// A file of one machine, of which several may run at once.
fn place(name: &str) -> PathBuf {
    static MACHINES: AtomicU32 = AtomicU32::new(0);
    let machine = MACHINES.fetch_add(1, Ordering::Relaxed);
    layout::target().join("vm").join(format!("{name}-{}-{machine}", std::process::id()))
}

fn guest_image(command: &str) -> Result<Initramfs> {
    let mut image = Initramfs::default();
    image.add_bytes("init", include_bytes!("init.sh"), true);
    image.add_bytes("vm/command", format!("cd {GUEST_ROOT}\n{command}\n").as_bytes(), false);
    image.add_file(Path::new("/bin/busybox"), "bin/busybox")?;
    for path in guest_files()? {
        let below_root = path.strip_prefix(layout::root()).unwrap_or(&path);
        let place = Path::new(GUEST_ROOT.trim_start_matches('/')).join(below_root);
        image.add_program(&path, &place.to_string_lossy())?;
    }
    Ok(image)
}

/// What the guest gets of the checkout: what was built, policies and pipelines.
fn guest_files() -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> =
        ["serin", "serin-tests"].map(layout::binary).into_iter().filter(|file| file.is_file()).collect();
    for folder in
        [layout::plugins(), layout::root().join("policies"), layout::root().join("host/serin/pipelines")]
    {
        files_below(&folder, &mut files)?;
    }
    Ok(files)
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files_below(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// Quotes a word for a POSIX shell.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
