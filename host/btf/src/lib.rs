//! Reads kernel type information (BTF) and resolves field offsets and function signatures; and the formats of trace
//! events.
//!
//! eBPF programs written in Rust carry no CO-RE relocations, so every kernel
//! field they touch is looked up here when the agent starts and handed to them
//! as read-only data. The parser makes one pass that only records where each
//! type starts; everything else is read from the bytes when it is asked for.
//!
//! <https://docs.kernel.org/bpf/btf.html>

#[cfg(test)]
mod builder;
mod field;
mod format;
mod function;
mod kind;
mod module;
mod parse;
mod program;
mod record;
mod tracefs;
mod walk;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

pub use field::Field;
pub use format::{FieldKind, Format, FormatField, UNTOLD};
pub use function::{Function, Parameter};
pub use kind::TypeKind;
pub use module::ModuleError;
pub use program::ProgramTypesError;
pub use tracefs::{Tracefs, TracefsError};
pub use walk::{Bits, Element, Load, Root, Step, Walk, WalkError, WalkReason};

/// Where the running kernel shows its BTF.
pub const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// BTF of a kernel, indexed.
pub struct Btf {
    data: Vec<u8>,
    /// Byte offset in `data` of each type; index 0 stands for `void`.
    offsets: Vec<u32>,
    /// Byte range of the string section in `data`.
    strings: std::ops::Range<usize>,
    /// The first type of a module, where walks look for structures first; 1 if there is none.
    preferred: u32,
    /// Where the types of modules are, each in a file with the module's name.
    modules: PathBuf,
    /// The functions that have been asked for, by name: many hooks are on the same ones, and looking one up passes by
    /// all types.
    functions: Mutex<HashMap<String, Option<u32>>>,
}

/// Why BTF could not be read, or a field not be found in it.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The file cannot be read.
    #[error(
        "cannot read kernel type information from {}: {source}; the kernel must be built with \
         CONFIG_DEBUG_INFO_BTF=y, or give its BTF with --btf FILE",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The bytes are not BTF.
    #[error("{}: not BTF: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The kernel has no such field.
    #[error("this kernel's BTF has no field {structure}.{path}")]
    NoField {
        /// Name of the struct.
        structure: String,
        /// Dotted path of the field.
        path: String,
    },
}

impl Btf {
    /// Reads and indexes a BTF file.
    ///
    /// # Errors
    /// If the file cannot be read or is not BTF.
    pub fn load(path: &Path) -> Result<Self, BtfError> {
        let data = std::fs::read(path).map_err(|source| BtfError::Read { path: path.into(), source })?;
        Self::parse(data).map_err(|reason| BtfError::Malformed { path: path.into(), reason })
    }
}
