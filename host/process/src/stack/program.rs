//! Functions of programs and libraries, by their symbol tables.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use object::read::ReadCache;
use object::{Object as _, ObjectSegment as _, ObjectSymbol as _, SymbolKind};
use serin_event::StackFrame;

/// Files whose functions are remembered. When one more comes, all are forgotten.
const MAX_FILES: usize = 64;

/// Functions of a file that are remembered, the first of its table.
const MAX_FUNCTIONS: usize = 500_000;

/// What of a process's memory is a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Map {
    /// Addresses.
    pub(super) range: Range<u64>,
    /// Where in the file they begin.
    offset: u64,
    /// The file, as the process sees it; or what the kernel calls this, such as `[vdso]`.
    path: Arc<str>,
}

/// The parts of a process's memory that hold code: <https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html>
///
/// # Errors
/// There is no such process, or it may not be read.
pub(super) fn maps(directory: &Path) -> io::Result<Vec<Map>> {
    let text = fs::read(directory.join("maps"))?;
    Ok(String::from_utf8_lossy(&text).lines().filter_map(parse).collect())
}

fn parse(line: &str) -> Option<Map> {
    let mut fields = line.splitn(6, ' ');
    let (range, permissions) = (fields.next()?, fields.next()?);
    let (start, end) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let range = number(start)?..number(end)?;
    let offset = number(fields.next()?)?;
    let path = fields.nth(2).map_or("", str::trim_start).into();
    permissions.contains('x').then_some(Map { range, offset, path })
}

/// What files are known by: device, inode, size and time of change.
type Identity = (u64, u64, u64, i64);

/// The functions of files that stacks have led to.
#[derive(Debug, Default)]
pub(super) struct Files(HashMap<Identity, Functions>);

impl Files {
    /// The function that an address in this part of a process's memory lies in.
    pub(super) fn find(&mut self, directory: &Path, map: &Map, address: u64) -> StackFrame {
        let offset = address - map.range.start + map.offset;
        let symbol = self.functions(directory, map).and_then(|functions| functions.find(offset));
        let symbol = symbol.unwrap_or_default().to_owned();
        let address = if map.path.is_empty() { address } else { 0 };
        StackFrame {
            address,
            offset: if address == 0 { offset } else { 0 },
            symbol,
            module: Arc::clone(&map.path),
        }
    }

    fn functions(&mut self, directory: &Path, map: &Map) -> Option<&Functions> {
        if !map.path.starts_with('/') {
            return None;
        }
        // The file itself, whatever its path means to the process or the agent.
        let Range { start, end } = map.range;
        let file = directory.join("map_files").join(format!("{start:x}-{end:x}"));
        let found = fs::metadata(&file).ok()?;
        let identity = (found.dev(), found.ino(), found.size(), found.ctime_nsec() ^ found.ctime());
        if !self.0.contains_key(&identity) && self.0.len() >= MAX_FILES {
            self.0.clear();
        }
        Some(self.0.entry(identity).or_insert_with(|| Functions::read(&file).unwrap_or_default()))
    }
}

/// A file's functions, by where they are in the file. Empty for what is no ELF file.
#[derive(Debug, Default)]
struct Functions(Vec<(Range<u64>, Box<str>)>);

impl Functions {
    fn read(path: &Path) -> io::Result<Self> {
        let cache = ReadCache::new(File::open(path)?);
        let Ok(file) = object::File::parse(&cache) else { return Ok(Self::default()) };
        let segments: Vec<_> = file
            .segments()
            .map(|segment| (segment.address()..segment.address() + segment.size(), segment.file_range().0))
            .collect();
        let to_offset = |address: u64| {
            let (range, start) = segments.iter().find(|(range, _)| range.contains(&address))?;
            (address - range.start).checked_add(*start)
        };
        let functions =
            file.symbols().chain(file.dynamic_symbols()).filter(|symbol| symbol.kind() == SymbolKind::Text);
        let mut found: Vec<_> = functions
            .filter_map(|symbol| {
                let start = to_offset(symbol.address()).filter(|_| symbol.size() > 0)?;
                Some((start..start.checked_add(symbol.size())?, symbol.name().ok()?.into()))
            })
            .take(MAX_FUNCTIONS)
            .collect();
        found.sort_by_key(|(range, _)| range.start);
        Ok(Self(found))
    }

    fn find(&self, offset: u64) -> Option<&str> {
        let next = self.0.partition_point(|(range, _)| range.start <= offset);
        let (range, name) = self.0.get(next.checked_sub(1)?)?;
        range.contains(&offset).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn maps_are_those_with_code() {
        let map = parse("7f00-7fff r-xp 00001000 fe:01 12 \t  /opt/a b (deleted)").unwrap();
        let expected = Map { range: 0x7f00..0x7fff, offset: 0x1000, path: "/opt/a b (deleted)".into() };
        assert_eq!(map, expected);
        assert_eq!(&*parse("7f00-7fff r-xp 00000000 00:00 0 ").unwrap().path, "");
        for line in ["7f00-7fff r--p 00001000 fe:01 12 /bin/a", "7f00-x r-xp 0 0 0", "", "7f00-7fff"] {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn an_address_of_this_program_has_its_function() {
        let directory = Path::new("/proc/self");
        let address = std::env::args as fn() -> _ as usize as u64;
        let maps = maps(directory).unwrap();
        let map = maps.iter().find(|map| map.range.contains(&address)).unwrap();
        let frame = Files::default().find(directory, map, address + 1);
        assert!(frame.symbol.contains("args"), "{frame:?}");
        assert_eq!(&*frame.module, std::env::current_exe().unwrap().to_str().unwrap());
        assert_eq!(frame.address, 0);
    }
}
