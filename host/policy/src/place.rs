//! Where hooks sit beside functions of the kernel: trace events, and places in programs.

use std::fmt;
use std::sync::Arc;

use crate::Digest;

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
    /// Where in the file a counter is that tells the program that somebody looks (`refCtrOffsets`); 0 if there is none.
    pub counter: u64,
    /// `binaryDigests`: the file must have one of these, if there are any.
    pub digests: Arc<[Digest]>,
    /// `ignore.digestVerificationFailure`: leave the hook out if the file has none of them.
    pub ignore_digests: bool,
}

/// A USDT probe: where its author thought that somebody might want to look. Displayed as `/bin/python3:python:line`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Usdt {
    /// The file, by its absolute path.
    pub path: String,
    /// What the probe belongs to: `python`.
    pub provider: String,
    /// Its name: `line`.
    pub name: String,
    /// `btfPath`, as of [`Uprobe::types`].
    pub types: Option<String>,
}

/// How a USDT probe passes an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeArgument {
    /// As something that can be read.
    Readable,
    /// As four bytes in memory, which can be set as well.
    Writable,
    /// As something that cannot be read, in the assembler's words.
    Unreadable(String),
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

impl fmt::Display for Usdt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path, self.provider, self.name)
    }
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
