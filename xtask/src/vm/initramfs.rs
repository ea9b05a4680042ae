//! An initramfs: a cpio archive in the kernel's `newc` format.
//!
//! <https://docs.kernel.org/driver-api/early-userspace/buffer-format.html>

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_644;

/// An archive under construction. Folders come by themselves; what is there already is not added again.
#[derive(Default)]
pub(crate) struct Initramfs {
    archive: Vec<u8>,
    paths: BTreeSet<String>,
    inode: u32,
}

impl Initramfs {
    /// Adds a file with the given content at a path relative to the root.
    pub(crate) fn add_bytes(&mut self, place: &str, content: &[u8], executable: bool) {
        if let Some((folder, _)) = place.rsplit_once('/') {
            self.add_folder(folder);
        }
        self.entry(place, if executable { PROGRAM } else { FILE }, content);
    }

    /// Adds a file of this machine.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn add_file(&mut self, file: &Path, place: &str) -> Result<()> {
        let content = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let executable = std::fs::metadata(file)?.permissions().mode() & 0o111 != 0;
        self.add_bytes(place, &content, executable);
        Ok(())
    }

    /// Adds a file of this machine, and if it is a dynamic program the libraries it needs.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub(crate) fn add_program(&mut self, file: &Path, place: &str) -> Result<()> {
        self.add_file(file, place)?;
        for library in libraries(file) {
            self.add_file(Path::new(&library), library.trim_start_matches('/'))?;
        }
        Ok(())
    }

    /// The finished archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.archive
    }

    fn add_folder(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.add_folder(parent);
        }
        self.entry(path, DIRECTORY, &[]);
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        if path.is_empty() || !self.paths.insert(path.to_owned()) {
            return;
        }
        self.inode += 1;
        // inode, mode, uid, gid, links, mtime, size, device ×4, length of the name, checksum
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let name = u32::try_from(path.len() + 1).unwrap_or(u32::MAX);
        let fields = [self.inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name, 0];
        self.archive.extend_from_slice(b"070701");
        for field in fields {
            self.archive.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.archive.extend_from_slice(path.as_bytes());
        self.archive.push(0);
        self.align();
        self.archive.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        self.archive.resize(self.archive.len().next_multiple_of(4), 0);
    }
}

/// The absolute paths of the libraries that `ldd` finds; none for other files.
fn libraries(file: &Path) -> Vec<String> {
    let Ok(output) = Command::new("ldd").arg(file).output() else { return Vec::new() };
    String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .filter(|word| word.starts_with('/') && word.contains(".so"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Path, mode and content of each entry, read as the format says.
    fn entries(mut archive: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut entries = Vec::new();
        while !archive.is_empty() {
            assert_eq!(&archive[..6], b"070701");
            let field = |index: usize| {
                let digits = std::str::from_utf8(&archive[6 + 8 * index..][..8]).unwrap();
                u32::from_str_radix(digits, 16).unwrap() as usize
            };
            let (mode, size, name) = (field(1), field(6), field(11));
            let path = String::from_utf8(archive[110..110 + name - 1].to_vec()).unwrap();
            let content = (110 + name).next_multiple_of(4);
            entries.push((path, mode as u32, archive[content..content + size].to_vec()));
            archive = &archive[(content + size).next_multiple_of(4)..];
        }
        entries
    }

    #[test]
    fn folders_come_before_what_is_in_them() {
        let mut image = Initramfs::default();
        image.add_bytes("vm/command", b"true\n", false);
        image.add_bytes("init", b"#!", true);
        let expected = [
            ("vm", DIRECTORY, &b""[..]),
            ("vm/command", FILE, b"true\n"),
            ("init", PROGRAM, b"#!"),
            ("TRAILER!!!", 0, b""),
        ];
        let expected = expected.map(|(path, mode, content)| (path.to_owned(), mode, content.to_vec()));
        assert_eq!(entries(&image.finish()), expected);
    }

    #[test]
    fn nothing_is_added_twice() {
        let mut image = Initramfs::default();
        image.add_bytes("a/b", b"1", false);
        let length = image.archive.len();
        image.add_bytes("a/b", b"2", false);
        assert_eq!(image.archive.len(), length);
    }
}
