//! Values of hooked functions' arguments.

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
    /// An open file: `file_arg`.
    File(File),
    /// The value could not be read: `error_arg`.
    Unreadable(&'static str),
}

/// A `struct file`: Tetragon's `KprobeFile`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct File {
    /// Path seen from the task's root directory.
    pub path: String,
    /// The path could not be resolved to the root (`unresolvedPathComponents`).
    pub incomplete: bool,
    /// `inode.i_mode`; 0 if unknown. Printed like `ls -l`: `-rw-r--r--`.
    pub mode: u16,
}
