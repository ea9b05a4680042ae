//! Functions of Go programs: the table that Go's runtime goes by, which programs have that were stripped of their symbols.
//!
//! Read as [`debug/gosym`](https://go.dev/src/debug/gosym/pclntab.go) does, of programs made by Go 1.18 or later.

use std::collections::HashMap;

use object::{Object as _, ObjectSection as _};

use crate::executable::Executable;

/// Where the table is, in programs that are loaded anywhere (`-buildmode=pie`) the latter.
const SECTIONS: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];

/// The first four bytes, since Go 1.18 and since Go 1.20.
const MAGIC: [u32; 2] = [0xffff_fff0, 0xffff_fff1];

/// Where the words of the header are.
const FIRST_WORD: usize = 8;

/// The functions that the table names, with their addresses; none if there is no table that can be read.
pub(crate) fn functions<'f>(object: &Executable<'f>) -> HashMap<&'f str, u64> {
    let section = SECTIONS.iter().find_map(|name| object.section_by_name(name));
    let table = section.and_then(|section| section.data().ok());
    table.and_then(|table| read(table, || code_start(object))).unwrap_or_default()
}

/// Where the code of Go starts, which the table does not say since Go 1.26. With C in the program it is not where the section
/// starts, and cannot be told.
fn code_start(object: &Executable<'_>) -> Option<u64> {
    let has_c = [".plt", ".init"].iter().any(|name| object.section_by_name(name).is_some());
    let section = object.section_by_name(".text").filter(|_| !has_c)?;
    Some(section.address())
}

/// Reads a table: a header, names, and for each function where it starts and where its description is.
fn read(table: &[u8], code_start: impl FnOnce() -> Option<u64>) -> Option<HashMap<&str, u64>> {
    let is_known = MAGIC.contains(&number(table, 0)?) && *table.get(7)? == 8;
    let word = |index: usize| -> Option<u64> {
        Some(u64::from_le_bytes(*table.get(FIRST_WORD + 8 * index..)?.first_chunk()?))
    };
    let count = usize::try_from(word(0).filter(|_| is_known)?).ok()?;
    let start = match word(2)? {
        0 => code_start()?,
        start => start,
    };
    let names = table.get(usize::try_from(word(3)?).ok()?..)?;
    let functions = table.get(usize::try_from(word(7)?).ok()?..)?;
    let mut found: HashMap<&str, (u64, u32)> = HashMap::new();
    for index in 0..count.min(functions.len() / 8) {
        let Some((name, at, size)) = function(functions, names, index) else { continue };
        // Some have another of the same name that only calls them: the larger is the one that is meant.
        let largest = found.entry(name).or_insert((0, 0));
        if size > largest.1 {
            *largest = (start.wrapping_add(at.into()), size);
        }
    }
    Some(found.into_iter().map(|(name, (address, _))| (name, address)).collect())
}

/// Name, distance from the start of the code, and size.
fn function<'t>(functions: &[u8], names: &'t [u8], index: usize) -> Option<(&'t str, u32, u32)> {
    let (at, next) = (number(functions, 8 * index)?, number(functions, 8 * index + 8)?);
    let description = number(functions, 8 * index + 4)? as usize;
    let name = names.get(number(functions, description.checked_add(4)?)? as usize..)?;
    let name = name.split(|byte| *byte == 0).next()?;
    Some((std::str::from_utf8(name).ok()?, at, next.saturating_sub(at)))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// A table of functions that start so far behind each other.
    fn table(code_start: u64, functions: &[(&str, u32)]) -> Vec<u8> {
        let (mut names, mut name_offsets) = (Vec::new(), Vec::new());
        for (name, _) in functions {
            name_offsets.push(names.len() as u32);
            names.extend(name.as_bytes());
            names.push(0);
        }
        let names_at = FIRST_WORD as u64 + 8 * 8;
        let functions_at = names_at + names.len() as u64;
        let mut bytes = MAGIC[1].to_le_bytes().to_vec();
        bytes.extend([0, 0, 1, 8]);
        let words = [functions.len() as u64, 0, code_start, names_at, 0, 0, 0, functions_at];
        bytes.extend(words.into_iter().flat_map(u64::to_le_bytes));
        bytes.extend(names);
        let (mut at, descriptions) = (0, 8 * functions.len() as u32 + 4);
        for (index, (_, size)) in functions.iter().enumerate() {
            bytes.extend([at, descriptions + 8 * index as u32].into_iter().flat_map(u32::to_le_bytes));
            at += size;
        }
        bytes.extend(at.to_le_bytes());
        for offset in name_offsets {
            bytes.extend([0, offset].into_iter().flat_map(u32::to_le_bytes));
        }
        bytes
    }

    const FUNCTIONS: [(&str, u32); 4] =
        [("runtime.text", 16), ("main.main", 5), ("main.main", 300), ("main.last", 1)];

    #[test]
    fn functions_have_the_addresses_of_the_larger_of_their_name() {
        for (written, asked, start) in [(0x1000, None, 0x1000), (0, Some(0x2000), 0x2000)] {
            let table = table(written, &FUNCTIONS);
            let functions = read(&table, || asked).unwrap();
            assert_eq!(functions.len(), 3, "{functions:?}");
            assert_eq!(functions["runtime.text"], start);
            assert_eq!(functions["main.main"], start + 21);
            assert_eq!(functions["main.last"], start + 321);
        }
        assert_eq!(read(&table(0, &FUNCTIONS), || None), None);
    }

    #[test]
    fn what_is_cut_short_or_nonsense_is_no_table() {
        let table = table(0x1000, &FUNCTIONS);
        for length in 0..table.len() {
            let _ = read(&table[..length], || None);
            let mut other = table.clone();
            other[length] ^= 0xff;
            let _ = read(&other, || None);
        }
        assert_eq!(read(&[0; 100], || Some(0)), None);
        assert_eq!(read(&table[..70], || Some(0)), None);
    }
}
