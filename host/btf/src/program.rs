//! Types of programs, which compilers do not keep in this form by themselves: `pahole -J` makes them of debugging information.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use object::read::ReadCache;
use object::{Object as _, ObjectSection as _};

use crate::Btf;

/// Most bytes of types that are read of a program; those of the kernel have less than a tenth of that.
const MAX_SIZE: u64 = 64 << 20;

/// Why a program's types could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProgramTypesError {
    /// The file cannot be read.
    #[error("{0}")]
    Read(#[from] std::io::Error),
    /// It is a directory or a device.
    #[error("not a file")]
    NotAFile,
    /// There is more than anything sensible.
    #[error("more than {MAX_SIZE} bytes of types")]
    TooLarge,
    /// It is a program without types.
    #[error("an ELF file without a section `.BTF`")]
    NoSection,
    /// It is neither types nor a program, or a damaged one.
    #[error("not BTF: {0}")]
    Malformed(&'static str),
}

impl Btf {
    /// Reads the types of a program: a file of BTF, or the section `.BTF` of an ELF file.
    ///
    /// # Errors
    /// If there are none in the file.
    pub fn of_program(path: &Path) -> Result<Self, ProgramTypesError> {
        // Opening a pipe would wait for its writer.
        if !std::fs::metadata(path)?.is_file() {
            return Err(ProgramTypesError::NotAFile);
        }
        let mut file = File::open(path)?;
        let mut magic = [0; 4];
        let is_elf = file.read_exact(&mut magic).is_ok() && magic == object::elf::ELFMAG;
        file.rewind()?;
        let data = if is_elf { section(file)? } else { whole(file)? };
        Btf::parse(data).map_err(ProgramTypesError::Malformed)
    }
}

fn whole(file: File) -> Result<Vec<u8>, ProgramTypesError> {
    let mut data = vec![];
    file.take(MAX_SIZE + 1).read_to_end(&mut data)?;
    if data.len() as u64 > MAX_SIZE { Err(ProgramTypesError::TooLarge) } else { Ok(data) }
}

fn section(file: File) -> Result<Vec<u8>, ProgramTypesError> {
    let damaged = |_| ProgramTypesError::Malformed("the ELF file is damaged");
    let cache = ReadCache::new(file);
    let object = object::File::parse(&cache).map_err(damaged)?;
    let section = object.section_by_name(".BTF").ok_or(ProgramTypesError::NoSection)?;
    if section.size() > MAX_SIZE {
        return Err(ProgramTypesError::TooLarge);
    }
    Ok(section.data().map_err(damaged)?.to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::builder::Builder;

    /// An ELF file of x86-64 with these bytes as its section `.BTF`.
    fn elf(btf: &[u8]) -> Vec<u8> {
        const NAMES: &[u8] = b"\0.BTF\0.shstrtab\0";
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        let names = 64 + btf.len() as u64;
        let sections = names + NAMES.len() as u64;
        // ET_REL, EM_X86_64, EV_CURRENT, no entry, no segments.
        file.extend([1, 0, 62, 0, 1, 0, 0, 0]);
        for word in [0, 0, sections] {
            file.extend(word.to_le_bytes());
        }
        file.extend([0, 0, 0, 0, 64, 0, 56, 0, 0, 0, 64, 0, 3, 0, 2, 0]);
        file.extend(btf);
        file.extend(NAMES);
        // Name, type, flags, address, offset, size, link, information, alignment, size of entries.
        let lengths = [(0, 0, 0, 0), (1_u32, 1_u32, 64, btf.len() as u64), (6, 3, names, NAMES.len() as u64)];
        for (name, kind, offset, size) in lengths {
            file.extend(name.to_le_bytes());
            file.extend(kind.to_le_bytes());
            for word in [0, 0, offset, size, 0, u64::from(kind != 0), 0] {
                file.extend(word.to_le_bytes());
            }
        }
        file
    }

    fn read(bytes: &[u8]) -> Result<Btf, String> {
        let name = format!("serin-btf-{}-{:x}", std::process::id(), bytes.as_ptr() as usize);
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).unwrap();
        let read = Btf::of_program(&path).map_err(|error| error.to_string());
        std::fs::remove_file(&path).unwrap();
        read
    }

    #[test]
    fn types_are_a_file_or_a_section() {
        let mut builder = Builder::default();
        builder.add("int", 1, 0, 4, &[1 << 24 | 32]);
        let a = builder.name("a");
        builder.add("s", 4, 1, 4, &[a, 1, 0]);
        let types = builder.build(24);
        for file in [types.clone(), elf(&types)] {
            assert_eq!(read(&file).unwrap().field("s", "a").unwrap().size, 4);
        }
        for (file, expected) in [
            (b"".to_vec(), "not BTF: shorter than a header"),
            (b"int".to_vec(), "not BTF: wrong magic number (or another byte order)"),
            (elf(b"types"), "not BTF: wrong magic number (or another byte order)"),
            (elf(&types)[..80].to_vec(), "not BTF: the ELF file is damaged"),
            (b"\x7fELF".to_vec(), "not BTF: the ELF file is damaged"),
        ] {
            assert_eq!(read(&file).err().as_deref(), Some(expected));
        }
        let program = std::env::current_exe().unwrap();
        let error = Btf::of_program(&program).err().unwrap().to_string();
        assert_eq!(error, "an ELF file without a section `.BTF`");
        assert_eq!(Btf::of_program(Path::new("/")).err().unwrap().to_string(), "not a file");
        assert!(
            Btf::of_program(Path::new("/no/such/file")).err().unwrap().to_string().contains("No such file")
        );
    }
}
