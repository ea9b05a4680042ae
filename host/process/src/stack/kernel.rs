//! Functions of the kernel and its modules, by `/proc/kallsyms`.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serin_event::StackFrame;

/// The kernel's functions, as they were when read. Some 10 MB.
#[derive(Debug, Default)]
pub(super) struct KernelSymbols {
    /// Sorted by address.
    functions: Vec<Function>,
    names: String,
    /// Of the kernel itself and then of the modules, by [`Function::module`].
    modules: Vec<Module>,
    /// `/proc/modules` at that time.
    loaded: String,
}

#[derive(Debug, Clone, Copy)]
struct Function {
    address: u64,
    name: u32,
    length: u16,
    module: u16,
}

#[derive(Debug)]
struct Module {
    name: Arc<str>,
    code: Range<u64>,
}

impl KernelSymbols {
    /// Reads them. Without the right to see addresses (`kernel.kptr_restrict`) there are none.
    pub(super) fn read(procfs: &Path) -> Self {
        let (loaded, symbols) = (modules(procfs), fs::read_to_string(procfs.join("kallsyms")));
        Self::parse(&symbols.unwrap_or_default(), loaded)
    }

    /// Whether the kernel has the same modules still.
    pub(super) fn is_current(&self, procfs: &Path) -> bool {
        self.loaded == modules(procfs)
    }

    /// The function that an address lies in.
    pub(super) fn find(&self, address: u64) -> Option<StackFrame> {
        let next = self.functions.partition_point(|function| function.address <= address);
        let function = self.functions.get(next.checked_sub(1)?)?;
        let module = self.modules.get(usize::from(function.module))?;
        let name = function.name as usize..function.name as usize + usize::from(function.length);
        module.code.contains(&address).then(|| StackFrame {
            address: 0,
            offset: address - function.address,
            symbol: self.names[name].to_owned(),
            module: Arc::clone(&module.name),
        })
    }

    fn parse(symbols: &str, loaded: String) -> Self {
        let mut parsed = Self { loaded, ..Self::default() };
        let mut kernel = 0..0;
        let modules: Vec<_> = parsed.loaded.lines().filter_map(module).collect();
        parsed.modules.push(Module { name: "".into(), code: 0..0 });
        parsed.modules.extend(modules);
        let numbers: HashMap<_, _> = parsed
            .modules
            .iter()
            .zip(0..=u16::MAX)
            .map(|(module, number)| (Arc::clone(&module.name), number))
            .collect();
        for line in symbols.lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some(address), Some(kind), Some(name)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let Ok(address) = u64::from_str_radix(address, 16) else { continue };
            let module = words.next().map_or("", |module| module.trim_matches(['[', ']']));
            match name {
                "_stext" => kernel.start = address,
                "_etext" => kernel.end = address,
                _ => {}
            }
            let Some(&module) = numbers.get(module).filter(|_| matches!(kind, "t" | "T" | "w" | "W")) else {
                continue;
            };
            let (start, length) = (parsed.names.len() as u32, name.len().min(usize::from(u16::MAX)) as u16);
            parsed.names.push_str(name);
            parsed.functions.push(Function { address, name: start, length, module });
        }
        // Of several names of a function the first stays.
        parsed.functions.sort_by_key(|function| function.address);
        parsed.functions.dedup_by_key(|function| function.address);
        parsed.modules[0].code = kernel;
        parsed
    }
}

/// Of the line `name size uses users state address …`.
fn module(line: &str) -> Option<Module> {
    let mut words = line.split_ascii_whitespace();
    let (name, size) = (words.next()?, words.next()?.parse::<u64>().ok()?);
    let address = u64::from_str_radix(words.nth(3)?.strip_prefix("0x")?, 16).ok()?;
    Some(Module { name: name.into(), code: address..address.saturating_add(size) })
}

fn modules(procfs: &Path) -> String {
    fs::read_to_string(procfs.join("modules")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const SYMBOLS: &str = "ffff1000 T _stext
ffff1000 T first
ffff1000 t alias
ffff1200 t second
ffff1280 D data
ffff1300 T _etext
ffff9000 t start\t[ext4]
ffff9100 t end\t[ext4]
ffffa000 t bpf_prog_1\t[bpf]
";

    #[test]
    fn addresses_are_in_functions_of_the_kernel_or_a_module() {
        let modules = "ext4 512 1 - Live 0xffff9000\nbroken\n".to_owned();
        let symbols = KernelSymbols::parse(SYMBOLS, modules);
        for (address, expected) in [
            (0xffff_0fff_u64, None),
            (0xffff_1010, Some(("_stext", 0x10, ""))),
            (0xffff_1290, Some(("second", 0x90, ""))),
            (0xffff_1300, None),
            (0xffff_9108, Some(("end", 8, "ext4"))),
            (0xffff_9200, None),
            (0xffff_a004, None),
            (u64::MAX, None),
        ] {
            let found = symbols.find(address);
            let found = found.as_ref().map(|frame| (&*frame.symbol, frame.offset, &*frame.module));
            assert_eq!(found, expected, "{address:#x}");
        }
    }

    #[test]
    fn hidden_addresses_name_nothing() {
        let symbols =
            KernelSymbols::parse("0000000000000000 T _stext\n0000000000000000 T first\n", String::new());
        assert_eq!(symbols.find(0), None);
        assert_eq!(symbols.find(0xffff_1000), None);
    }
}
