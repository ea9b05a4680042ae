//! Where hooks sit beside functions of the kernel: trace events, and places in programs.

use std::fmt;

/// A trace event. Displayed as tracefs names it: `sched/sched_process_exec`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TraceEvent {
    /// The subsystem, which is a directory of tracefs: `sched`.
    pub subsystem: String,
    /// The event: `sched_process_exec`.
    pub name: String,
}

impl fmt::Display for TraceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.subsystem, self.name)
    }
}

/// A place in the code of a program or library. Displayed as `/bin/bash:readline`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Uprobe {
    /// The file, by its absolute path.
    pub path: String,
    /// Where in it.
    pub place: ProgramPlace,
    /// `btfPath`: the absolute path of a file with the program's types.
    pub types: Option<String>,
}

/// Where in a program's or library's file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ProgramPlace {
    /// At a symbol, or this many bytes behind it.
    Symbol {
        /// Its name.
        name: String,
        /// Bytes behind it.
        offset: u64,
    },
    /// Bytes from the start of the file.
    Offset(u64),
    /// An address as the file's symbols have them.
    Address(u64),
}

impl fmt::Display for Uprobe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.place)
    }
}

/// As policies write it: `main`, `main+0x10`, `0x401000`.
impl fmt::Display for ProgramPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProgramPlace::Symbol { name, offset: 0 } => f.write_str(name),
            ProgramPlace::Symbol { name, offset } => write!(f, "{name}+{offset:#x}"),
            ProgramPlace::Offset(number) | ProgramPlace::Address(number) => write!(f, "{number:#x}"),
        }
    }
}
