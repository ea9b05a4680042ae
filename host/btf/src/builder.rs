//! BTF that is made by hand, for tests.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::Btf;

/// Builds BTF by hand: types are appended raw, strings are interned.
#[derive(Default)]
pub(crate) struct Builder {
    types: Vec<u8>,
    strings: Vec<u8>,
}

impl Builder {
    pub(crate) fn name(&mut self, name: &str) -> u32 {
        if self.strings.is_empty() {
            self.strings.push(0);
        }
        if name.is_empty() {
            return 0;
        }
        let at = self.strings.len() as u32;
        self.strings.extend(name.as_bytes());
        self.strings.push(0);
        at
    }

    pub(crate) fn add(&mut self, name: &str, kind: u32, count: u32, size_or_type: u32, trailing: &[u32]) {
        let name = self.name(name);
        for word in [name, kind << 24 | count, size_or_type].iter().chain(trailing) {
            self.types.extend(word.to_le_bytes());
        }
    }

    pub(crate) fn build(self, header: u32) -> Vec<u8> {
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        let mut data = 0xeb9f_u16.to_le_bytes().to_vec();
        data.extend([1, 0]);
        for word in [header, 0, types, types, strings] {
            data.extend(word.to_le_bytes());
        }
        data.resize(header as usize, 0);
        data.extend(self.types);
        data.extend(self.strings);
        data
    }
}

/// 1 int, 2 struct inner {int a; int b}, 3 union {inner; int c}, 4 struct outer {int x; union; }, 5 ptr, 6 proto, 7 func
pub(crate) fn sample(header: u32) -> Btf {
    let mut builder = Builder::default();
    builder.add("int", 1, 0, 4, &[1 << 24 | 32]);
    let (a, b, c, x) = (builder.name("a"), builder.name("b"), builder.name("c"), builder.name("x"));
    builder.add("inner", 4, 2, 8, &[a, 1, 0, b, 1, 32]);
    builder.add("", 5, 2, 8, &[0, 2, 0, c, 1, 0]);
    builder.add("outer", 4, 2, 12, &[x, 1, 0, 0, 3, 32]);
    builder.add("", 2, 0, 4, &[]);
    let p = builder.name("p");
    builder.add("", 13, 1, 1, &[p, 5]);
    builder.add("do_it", 12, 0, 6, &[]);
    Btf::parse(builder.build(header)).unwrap()
}
