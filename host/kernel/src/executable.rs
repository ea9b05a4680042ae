//! Programs and libraries: where in their files the code is that uprobes are put on.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use object::read::ReadCache;
use object::{Object as _, ObjectSegment as _, ObjectSymbol as _, SegmentFlags, SymbolKind};
use serin_policy::{PlaceError, ProgramPlace};

use crate::pclntab;

/// The offset in an executable's file of a place in its code, by which the kernel knows uprobes.
///
/// # Errors
/// If the file is no executable, or has no such place.
pub fn find_place(path: &Path, place: &ProgramPlace) -> Result<u64, PlaceError> {
    open(path)?.find(place)
}

/// An executable that is read as far as it is looked at.
pub(crate) type Executable<'f> = object::File<'f, &'f ReadCache<File>>;

/// The file of one.
pub(crate) struct ProgramFile {
    file: File,
    cache: ReadCache<File>,
}

/// Opens a program or library.
pub(crate) fn open(path: &Path) -> Result<ProgramFile, PlaceError> {
    let file = File::open(path).map_err(|error| PlaceError::Program(error.to_string()))?;
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(PlaceError::Program("not a file".into()));
    }
    let copy = file.try_clone().map_err(|error| PlaceError::Program(error.to_string()))?;
    Ok(ProgramFile { file, cache: ReadCache::new(copy) })
}

impl ProgramFile {
    pub(crate) fn parse(&self) -> Result<Executable<'_>, PlaceError> {
        object::File::parse(&self.cache).map_err(|_| PlaceError::Program("not an ELF file".into()))
    }

    /// What is in the file. To be read at offsets only: [`ProgramFile::parse`] moves where it would be read next.
    pub(crate) fn content(&self) -> &File {
        &self.file
    }

    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// A path that means this file while it is open, whatever takes its place.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }

    /// The offset of a place: see [`find_place`].
    pub(crate) fn find(&self, place: &ProgramPlace) -> Result<u64, PlaceError> {
        let object = self.parse()?;
        let found = match place {
            ProgramPlace::Symbol { name, offset } => address_of(&object, name)
                .and_then(|address| code_offset(&object, address.checked_add(*offset)?)),
            ProgramPlace::Address(address) => code_offset(&object, *address),
            ProgramPlace::Offset(offset) => has_code_at(&object, *offset).then_some(*offset),
        };
        found.ok_or_else(|| PlaceError::NotThere(names(&object)))
    }

    /// How far one place in the code is from another, in memory.
    pub(crate) fn distance(&self, from: &ProgramPlace, to: &ProgramPlace) -> Result<u64, PlaceError> {
        let object = self.parse()?;
        let address = |place: &ProgramPlace| match place {
            ProgramPlace::Symbol { name, offset } => address_of(&object, name)?.checked_add(*offset),
            ProgramPlace::Address(address) => Some(*address),
            ProgramPlace::Offset(offset) => {
                code(&object).find_map(|(start, at, size)| within((at, start, size), *offset))
            }
        };
        match (address(from), address(to)) {
            (Some(from), Some(to)) => Ok(to.wrapping_sub(from)),
            _ => Err(PlaceError::NotThere(Vec::new())),
        }
    }
}

/// The functions that the file defines: those of its own, then those that others can call. Some that are written in
/// assembler do not say that they are functions.
fn functions<'f>(object: &Executable<'f>) -> impl Iterator<Item = (&'f str, u64)> {
    let symbols = object.symbols().chain(object.dynamic_symbols());
    let is_code = |kind| matches!(kind, SymbolKind::Text | SymbolKind::Unknown);
    let defined = symbols.filter(move |symbol| symbol.is_definition() && is_code(symbol.kind()));
    defined.filter_map(|symbol| Some((symbol.name().ok()?, symbol.address())))
}

fn address_of(object: &Executable<'_>, name: &str) -> Option<u64> {
    let symbol = functions(object).find(|(known, _)| *known == name).map(|(_, address)| address);
    symbol.or_else(|| pclntab::functions(object).get(name).copied())
}

/// What functions the file has: those that it has symbols of, or without any, those of Go.
fn names(object: &Executable<'_>) -> Vec<String> {
    let symbols: Vec<_> = functions(object).map(|(name, _)| name.to_owned()).collect();
    if symbols.is_empty() {
        return pclntab::functions(object).into_keys().map(str::to_owned).collect();
    }
    symbols
}

/// Address, offset in the file and size of each part of the file that is loaded as code.
fn code(object: &Executable<'_>) -> impl Iterator<Item = (u64, u64, u64)> {
    let is_code = |flags| matches!(flags, SegmentFlags::Elf { p_flags } if p_flags & object::elf::PF_X != 0);
    let segments = object.segments().filter(move |segment| is_code(segment.flags()));
    segments.map(|segment| (segment.address(), segment.file_range().0, segment.file_range().1))
}

/// The offset in the file of an address in its code.
pub(crate) fn code_offset(object: &Executable<'_>, address: u64) -> Option<u64> {
    code(object).find_map(|segment| within(segment, address))
}

/// The offset in the file of an address in its data.
pub(crate) fn data_offset(object: &Executable<'_>, address: u64) -> Option<u64> {
    let is_data = |flags| matches!(flags, SegmentFlags::Elf { p_flags } if p_flags & object::elf::PF_W != 0);
    let mut segments = object.segments().filter(move |segment| is_data(segment.flags()));
    segments.find_map(|segment| {
        within((segment.address(), segment.file_range().0, segment.file_range().1), address)
    })
}

fn within((start, offset, size): (u64, u64, u64), address: u64) -> Option<u64> {
    address.checked_sub(start).filter(|at| *at < size)?.checked_add(offset)
}

fn has_code_at(object: &Executable<'_>, offset: u64) -> bool {
    code(object).any(|(_, start, size)| offset.checked_sub(start).is_some_and(|at| at < size))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn find(place: ProgramPlace) -> Result<u64, PlaceError> {
        find_place(&std::env::current_exe().unwrap(), &place)
    }

    #[test]
    fn symbols_addresses_and_offsets_mean_the_same_place() {
        let main = |offset| ProgramPlace::Symbol { name: "main".into(), offset };
        let offset = find(main(0)).unwrap();
        assert_eq!(find(main(4)).unwrap(), offset + 4);
        assert_eq!(find(ProgramPlace::Offset(offset)).unwrap(), offset);
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let object = object::File::parse(&*file).unwrap();
        let symbol = object.symbols().find(|symbol| symbol.name() == Ok("main")).unwrap();
        assert_eq!(find(ProgramPlace::Address(symbol.address())).unwrap(), offset);
    }

    #[test]
    fn distances_are_those_in_memory() {
        let file = open(&std::env::current_exe().unwrap()).unwrap();
        let main = |offset| ProgramPlace::Symbol { name: "main".into(), offset };
        let offset = ProgramPlace::Offset(find(main(0)).unwrap());
        for (from, to, expected) in
            [(main(0), main(4), 4), (main(4), main(0), 4_u64.wrapping_neg()), (offset, main(16), 16)]
        {
            assert_eq!(file.distance(&from, &to).unwrap(), expected, "{from} to {to}");
        }
        let absent = ProgramPlace::Symbol { name: "no_such_function".into(), offset: 0 };
        assert!(matches!(file.distance(&main(0), &absent), Err(PlaceError::NotThere(_))));
    }

    #[test]
    fn what_is_not_there_is_told() {
        let symbol = ProgramPlace::Symbol { name: "no_such_function".into(), offset: 0 };
        let Err(PlaceError::NotThere(functions)) = find(symbol) else { panic!("it is there") };
        assert!(functions.iter().any(|name| name == "main"));
        // The header of the file is no code.
        for place in
            [ProgramPlace::Offset(0), ProgramPlace::Offset(u64::MAX), ProgramPlace::Address(u64::MAX)]
        {
            assert!(matches!(find(place), Err(PlaceError::NotThere(_))));
        }
    }

    #[test]
    fn what_is_no_program_is_told() {
        for (path, expected) in
            [("/no/such", "No such file"), ("/", "not a file"), ("/etc/passwd", "not an ELF file")]
        {
            let place = ProgramPlace::Offset(0);
            let Err(PlaceError::Program(reason)) = find_place(Path::new(path), &place) else {
                panic!("{path}")
            };
            assert!(reason.contains(expected), "{path}: {reason}");
        }
    }
}
