//! Type information that is made by hand.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write;

use serin_btf::Btf;

/// A kernel's type information, written as <https://docs.kernel.org/bpf/btf.html> says.
#[derive(Default)]
pub(crate) struct Kernel {
    types: Vec<u8>,
    pub(crate) count: u32,
    strings: Vec<u8>,
}

impl Kernel {
    pub(crate) fn string(&mut self, text: &str) -> u32 {
        if self.strings.is_empty() {
            self.strings.push(0);
        }
        let at = u32::try_from(self.strings.len()).unwrap();
        self.strings.extend(text.bytes().chain([0]));
        if text.is_empty() { 0 } else { at }
    }

    pub(crate) fn add(&mut self, name: &str, info: u32, size_or_type: u32, trailing: &[u32]) -> u32 {
        let name = self.string(name);
        for word in [name, info, size_or_type].iter().chain(trailing) {
            self.types.extend(word.to_le_bytes());
        }
        self.count += 1;
        self.count
    }

    pub(crate) fn function(&mut self, name: &str, returns: u32, parameters: &[(&str, u32)]) {
        let trailing: Vec<u32> =
            parameters.iter().flat_map(|&(name, kind)| [self.string(name), kind]).collect();
        let count = u32::try_from(parameters.len()).unwrap();
        let prototype = self.add("", (13 << 24) | count, returns, &trailing);
        self.add(name, 12 << 24, prototype, &[]);
    }

    pub(crate) fn load(self) -> Btf {
        let (types, strings) =
            (u32::try_from(self.types.len()).unwrap(), u32::try_from(self.strings.len()).unwrap());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[0x9f, 0xeb, 1, 0]).unwrap();
        for word in [24, 0, types, types, strings] {
            file.write_all(&word.to_le_bytes()).unwrap();
        }
        file.write_all(&self.types).unwrap();
        file.write_all(&self.strings).unwrap();
        Btf::load(file.path()).unwrap()
    }
}
