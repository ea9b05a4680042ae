//! Values of hooked functions' arguments.

use std::borrow::Cow;

use crate::structure::Structure;

/// One argument of a hook, by the type the policy gave it.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// A signed 32-bit integer: Tetragon's `int_arg`.
    Int(i32),
    /// An unsigned 32-bit integer: `uint_arg`.
    Uint(u32),
    /// A signed 64-bit integer: `long_arg`.
    Long(i64),
    /// An unsigned 64-bit integer: `size_arg`.
    Size(u64),
    /// A NUL-terminated string without its NUL, lossily decoded as UTF-8: `string_arg`.
    String(String),
    /// A file: `file_arg`, `path_arg` or `linux_binprm_arg`, as [`File::role`] says.
    File(File),
    /// Bytes: `bytes_arg`, or `truncated_bytes_arg` if there are more.
    Bytes {
        /// As many as were read.
        bytes: Vec<u8>,
        /// How many there were.
        original: u64,
    },
    /// A number that is told in words, with its key in the event: `bpf_cmd_arg`, `kernel_cap_t_arg` and others.
    Word(&'static str, Cow<'static, str>),
    /// A structure of the kernel's: `sock_arg`, `skb_arg` and others.
    Structure(Box<Structure>),
    /// The value could not be read: `error_arg`.
    Unreadable(&'static str),
}

/// What a file was to the hooked function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FileRole {
    /// An open file: `file_arg`.
    #[default]
    Open,
    /// A path or directory entry: `path_arg`.
    Path,
    /// The program about to be executed: `linux_binprm_arg`.
    Program,
}

/// Where a file is and what it is: Tetragon's `KprobeFile`, `KprobePath` and `KprobeLinuxBinprm`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct File {
    /// What it was to the function.
    pub role: FileRole,
    /// Path seen from the task's root directory.
    pub path: String,
    /// The path could not be resolved to the root (`unresolvedPathComponents`).
    pub incomplete: bool,
    /// `inode.i_mode`; 0 if unknown. Printed like `ls -l`: `-rw-r--r--`.
    pub mode: u16,
}

impl File {
    /// The mode as `ls -l` prints it, `-rw-r--r--`; empty if unknown.
    pub fn permission(&self) -> String {
        if self.mode == 0 {
            return String::new();
        }
        let kind = match self.mode & 0o170_000 {
            0o140_000 => 's',
            0o120_000 => 'l',
            0o100_000 => '-',
            0o060_000 => 'b',
            0o040_000 => 'd',
            0o020_000 => 'c',
            0o010_000 => 'p',
            _ => '?',
        };
        let mut text = String::with_capacity(10);
        text.push(kind);
        for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
            let bits = self.mode >> shift;
            text.push(if bits & 4 != 0 { 'r' } else { '-' });
            text.push(if bits & 2 != 0 { 'w' } else { '-' });
            text.push(match (bits & 1 != 0, self.mode & special != 0) {
                (true, false) => 'x',
                (false, false) => '-',
                (true, true) => letter,
                (false, true) => letter.to_ascii_uppercase(),
            });
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_look_like_ls() {
        for (mode, expected) in [
            (0o100_644, "-rw-r--r--"),
            (0o104_755, "-rwsr-xr-x"),
            (0o102_644, "-rw-r-Sr--"),
            (0o041_777, "drwxrwxrwt"),
            (0o041_776, "drwxrwxrwT"),
            (0o120_777, "lrwxrwxrwx"),
            (0o020_620, "crw--w----"),
            (0o060_660, "brw-rw----"),
            (0o010_600, "prw-------"),
            (0o140_755, "srwxr-xr-x"),
            (0o000_400, "?r--------"),
            (0, ""),
        ] {
            assert_eq!(File { mode, ..File::default() }.permission(), expected, "mode {mode:o}");
        }
    }
}
