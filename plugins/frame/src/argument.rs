//! Values of hooked functions' arguments.

use crate::schema::ArgumentView;

/// The value of an argument, by the type the policy gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgumentValue<'a> {
    /// A signed 32-bit integer.
    Int(i32),
    /// An unsigned 32-bit integer.
    Uint(u32),
    /// A signed 64-bit integer.
    Long(i64),
    /// An unsigned 64-bit integer.
    Size(u64),
    /// A string.
    String(&'a str),
    /// A file.
    File {
        /// What it was to the function.
        role: FileRole,
        /// Path seen from the task's root directory.
        path: &'a str,
        /// The path could not be resolved to the root.
        incomplete: bool,
        /// `inode.i_mode`; 0 if unknown.
        mode: u16,
    },
    /// Bytes.
    Bytes {
        /// As text: what is not UTF-8 is replaced by U+FFFD.
        text: &'a str,
        /// How many there were, of which at most 4088 are here.
        original: u64,
    },
    /// A structure of the kernel's, named by its key in JSON, such as `sock_arg`; see [`ArgumentView::field`].
    Structure(&'a str),
    /// The value could not be read; why.
    Unreadable(&'a str),
    /// A type that this schema does not know.
    Unknown,
}

/// What a file was to the hooked function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileRole {
    /// An open file.
    Open,
    /// A path or directory entry.
    Path,
    /// The program about to be executed.
    Program,
}

impl<'a> ArgumentView<'a> {
    /// The value.
    #[inline]
    pub fn value(&self) -> ArgumentValue<'a> {
        match self.type_code() {
            1 => ArgumentValue::Int(self.integer() as i32),
            2 => ArgumentValue::Uint(self.integer() as u32),
            3 => ArgumentValue::Long(self.integer() as i64),
            4 => ArgumentValue::Size(self.integer()),
            5 => ArgumentValue::String(self.text()),
            6 => self.file(FileRole::Open),
            7 => ArgumentValue::Unreadable(self.text()),
            8 => self.file(FileRole::Path),
            9 => self.file(FileRole::Program),
            10 => ArgumentValue::Structure(self.text()),
            11 => ArgumentValue::Bytes { text: self.text(), original: self.integer() },
            _ => ArgumentValue::Unknown,
        }
    }

    fn file(&self, role: FileRole) -> ArgumentValue<'a> {
        let (path, incomplete, mode) = (self.text(), self.incomplete() != 0, self.mode());
        ArgumentValue::File { role, path, incomplete, mode }
    }

    /// A field of a structure by its name in JSON, such as `daddr`; `None` if it has no such field, or that is 0
    /// or empty.
    #[inline]
    pub fn field(&self, key: &str) -> Option<&'a str> {
        self.fields().find(|field| field.key() == key).map(|field| field.value())
    }

    /// The string, the bytes as text or the file's path, if it is one of them.
    #[inline]
    pub fn as_str(&self) -> Option<&'a str> {
        matches!(self.type_code(), 5 | 6 | 8 | 9 | 11).then(|| self.text())
    }
}
