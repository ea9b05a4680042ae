//! Types of a program, as a file of BTF.
//!
//! <https://docs.kernel.org/bpf/btf.html>

/// The types of the C library's broken-down time:
///
/// ```c
/// struct tm { int tm_sec; …; int tm_isdst; long tm_gmtoff; char *tm_zone; };
/// ```
pub(crate) fn of_time() -> Vec<u8> {
    const INT: u32 = 1;
    const LONG: u32 = 2;
    const CHAR: u32 = 3;
    const TEXT: u32 = 4;
    let mut types = Types::default();
    types.add("int", 1 << 24, 4, &[1 << 24 | 32]);
    types.add("long int", 1 << 24, 8, &[1 << 24 | 64]);
    types.add("char", 1 << 24, 1, &[1 << 24 | 8]);
    types.add("", 2 << 24, CHAR, &[]);
    let integers = ["sec", "min", "hour", "mday", "mon", "year", "wday", "yday", "isdst"];
    let integers = integers.iter().zip(0..).map(|(name, index)| (format!("tm_{name}"), INT, 32 * index));
    let others = [("tm_gmtoff".to_owned(), LONG, 8 * 40), ("tm_zone".to_owned(), TEXT, 8 * 48)];
    let fields: Vec<_> = integers.chain(others).collect();
    let words: Vec<_> =
        fields.iter().flat_map(|(name, kind, bits)| [types.name(name), *kind, *bits]).collect();
    types.add("tm", 4 << 24 | fields.len() as u32, 56, &words);
    types.file()
}

/// Types in the making, and their names.
#[derive(Default)]
struct Types {
    types: Vec<u8>,
    names: Vec<u8>,
}

impl Types {
    fn name(&mut self, name: &str) -> u32 {
        if self.names.is_empty() {
            self.names.push(0);
        }
        let at = self.names.len() as u32;
        self.names.extend(name.bytes().chain([0]));
        if name.is_empty() { 0 } else { at }
    }

    fn add(&mut self, name: &str, info: u32, size_or_type: u32, trailing: &[u32]) {
        let name = self.name(name);
        for word in [name, info, size_or_type].iter().chain(trailing) {
            self.types.extend(word.to_le_bytes());
        }
    }

    fn file(self) -> Vec<u8> {
        const HEADER: u32 = 24;
        let (types, names) = (self.types.len() as u32, self.names.len() as u32);
        let mut file = vec![0x9f, 0xeb, 1, 0];
        for word in [HEADER, 0, types, types, names] {
            file.extend(word.to_le_bytes());
        }
        file.extend(self.types);
        file.extend(self.names);
        file
    }
}
