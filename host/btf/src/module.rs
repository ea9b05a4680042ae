//! Types of kernel modules, which go on from those of the kernel.
//!
//! <https://docs.kernel.org/bpf/btf.html>, "split BTF"

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::Btf;
use crate::parse::{MAGIC, sections};

/// Where the running kernel shows the types of its modules.
pub(crate) const MODULES: &str = "/sys/kernel/btf";

/// Largest BTF of a module that is read, in bytes.
const MAX_SIZE: u64 = 64 << 20;

/// Why the types of a module are not known.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The module is not loaded, or was built without types.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file that a loaded module has.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not BTF, or not of a module of the kernel that these types are of.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Btf {
    /// The same types, with those of the kernel's modules in another folder than that of the running kernel: each in a file
    /// with the module's name, as `/sys/kernel/btf` has them.
    #[must_use]
    pub fn with_modules_in(self, folder: &Path) -> Self {
        Btf { modules: folder.into(), ..self }
    }

    /// The folder of [`Btf::with_modules_in`]; `None` if the running kernel shows the types of its modules.
    #[must_use]
    pub fn copied_modules(&self) -> Option<&Path> {
        (self.modules != Path::new(MODULES)).then_some(&self.modules)
    }

    /// The types of the module with this name, and of this kernel; those of the module are found first.
    ///
    /// # Errors
    /// If the module is not loaded, not among the copies, or has no types.
    pub fn with_module(&self, name: &str) -> Result<Self, ModuleError> {
        let path = self.modules.join(name);
        let mut data = Vec::new();
        let file = std::fs::File::open(&path).and_then(|file| file.take(MAX_SIZE).read_to_end(&mut data));
        file.map_err(|source| ModuleError::Read { path: path.clone(), source })?;
        self.extended(&data).map_err(|reason| ModuleError::Malformed { path, reason })
    }

    /// One section of types and one of strings, each with those of the module behind those of the kernel: ids and offsets of
    /// the module's count from there.
    fn extended(&self, module: &[u8]) -> Result<Self, &'static str> {
        const HEADER: u32 = 24;
        let ((types, strings), (more_types, more_strings)) = (sections(&self.data)?, sections(module)?);
        let length = |one: &std::ops::Range<usize>, other: &std::ops::Range<usize>| {
            u32::try_from(one.len() + other.len()).map_err(|_| "larger than 4 GiB")
        };
        let (type_length, string_length) = (length(&types, &more_types)?, length(&strings, &more_strings)?);
        let mut data = MAGIC.to_le_bytes().to_vec();
        data.extend([1, 0]);
        for word in [HEADER, 0, type_length, type_length, string_length] {
            data.extend(word.to_le_bytes());
        }
        data.extend(&self.data[types]);
        data.extend(&module[more_types]);
        data.extend(&self.data[strings]);
        data.extend(&module[more_strings]);
        let first = self.offsets.len() as u32;
        Ok(Btf { preferred: first, ..Btf::parse(data)? })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::builder::Builder;
    use crate::{Element, Root, TypeKind};

    /// BTF whose ids and offsets of strings count from those of the kernel's.
    fn module(kernel: &Btf) -> Vec<u8> {
        let (first, start) = (kernel.offsets.len() as u32, kernel.strings.len() as u32);
        let strings = b"node\0own\0next\0other\0";
        let [node, own, next, other] = [0, 5, 9, 14].map(|at| start + at);
        let mut types = Vec::new();
        // struct node { int own; struct node *next; }; struct other { struct node next; };
        for word in [node, 4 << 24 | 2, 16, own, 1, 0, next, first + 1, 64] {
            types.extend(u32::to_le_bytes(word));
        }
        for word in [0, 2 << 24, first, other, 4 << 24 | 1, 16, next, first, 0] {
            types.extend(u32::to_le_bytes(word));
        }
        let mut data = MAGIC.to_le_bytes().to_vec();
        data.extend([1, 0]);
        let length = types.len() as u32;
        for word in [24, 0, length, length, strings.len() as u32] {
            data.extend(u32::to_le_bytes(word));
        }
        data.extend(types);
        data.extend(strings);
        data
    }

    #[test]
    fn types_of_a_module_go_on_from_those_of_the_kernel() {
        let mut builder = Builder::default();
        builder.add("int", 1, 0, 4, &[1 << 24 | 32]);
        let name = builder.name("name");
        builder.add("node", 4, 1, 4, &[name, 1, 0]);
        let kernel = Btf::parse(builder.build(24)).unwrap();
        let both = kernel.extended(&module(&kernel)).unwrap();
        let path = ["next", "next", "own"].map(|name| Element::Field(name.into()));
        let walk = both.walk(Root::Pointer("other"), &path).unwrap();
        assert_eq!(walk.kind, TypeKind::Int { size: 4, signed: true });
        assert_eq!(walk.steps.iter().map(|step| step.offset).collect::<Vec<_>>(), [0, 8, 0]);
        // The kernel has another structure of this name.
        assert!(both.walk(Root::Pointer("node"), &path[2..]).is_ok());
        assert!(kernel.walk(Root::Pointer("node"), &path[2..]).is_err());
        assert_eq!(
            both.field("node", "name").unwrap().size,
            4,
            "the kernel's own fields are looked up as before"
        );
    }

    #[test]
    fn types_go_on_from_those_of_the_running_kernel() {
        let Ok(kernel) = Btf::load(Path::new(crate::KERNEL_BTF)) else {
            eprintln!("skipped: this kernel shows no BTF");
            return;
        };
        let both = kernel.extended(&module(&kernel)).unwrap();
        let path = ["next", "next"].map(|name| Element::Field(name.into()));
        let walk = both.walk(Root::Pointer("other"), &path).unwrap();
        assert_eq!(walk.kind, TypeKind::Pointer { target: "struct node".into() });
        assert!(both.walk(Root::Pointer("task_struct"), &[Element::Field("tgid".into())]).is_ok());
    }

    #[test]
    fn types_of_modules_are_found_among_copies() {
        let folder = tempfile::tempdir().unwrap();
        let mut builder = Builder::default();
        builder.add("int", 1, 0, 4, &[1 << 24 | 32]);
        let kernel = Btf::parse(builder.build(24)).unwrap();
        assert_eq!(kernel.copied_modules(), None);
        let kernel = kernel.with_modules_in(folder.path());
        assert_eq!(kernel.copied_modules(), Some(folder.path()));
        std::fs::write(folder.path().join("mine"), module(&kernel)).unwrap();
        assert!(kernel.with_module("mine").unwrap().field("other", "next").is_ok());
        assert!(matches!(kernel.with_module("yours"), Err(ModuleError::Read { .. })));
    }

    #[test]
    fn what_is_no_module_is_told() {
        let kernel = Btf::parse(Builder::default().build(24)).unwrap();
        let error = kernel.with_module("no_such_module").err().unwrap().to_string();
        assert!(error.starts_with("/sys/kernel/btf/no_such_module cannot be read: "), "{error}");
        assert_eq!(kernel.extended(b"n").err(), Some("shorter than a header"));
    }
}
