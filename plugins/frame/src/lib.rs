#![no_std]
//! The batch of events that crosses into a plugin: one writer, lazy readers.
//!
//! A frame is a header, a row of records, one per event, and a part that they
//! share: processes, hooks, what plugins found. A record can be copied as it is to
//! any frame with the same shared part, and a frame can grow by what is found
//! while it passes through the plugins. The agent writes frames
//! ([`FrameWriter`]); a plugin reads them ([`Frame`]), paying only for the fields
//! it looks at. The layout is described for other languages in
//! `docs/plugin-abi.md`.
//!
//! Readers take nothing for granted: bytes that are no frame, or lie about
//! their lengths, give empty values, never a panic or a read out of bounds.

extern crate alloc;

mod argument;
mod layout;
mod read;
mod schema;
mod write;

pub use argument::{ArgumentValue, FileRole};
pub use read::{Frame, FrameError, List, SharedList, Texts};
pub use schema::*;
pub use write::{FrameWriter, RecordRange, RecordWriter, Shared, Writer};

/// The first four bytes of a frame: `SFRM`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"SFRM");

/// The newest schema: it counts up whenever fields are appended.
pub const SCHEMA: u16 = 5;

/// Size of a frame's header in bytes.
pub const HEADER_SIZE: usize = 24;

/// A kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A program was started.
    ProcessExec,
    /// A process ended.
    ProcessExit,
    /// A policy's hook matched at a kernel function or system call.
    ProcessKprobe,
    /// Records were lost, and counted.
    Loss,
    /// What became of a requested action.
    ActionResult,
    /// A policy's hook matched at an LSM hook.
    ProcessLsm,
    /// What a plugin found.
    Alert,
    /// A plugin failed.
    PluginError,
    /// A policy's hook matched at a tracepoint.
    ProcessTracepoint,
    /// A policy's hook matched in a program or library.
    ProcessUprobe,
    /// A policy's hook matched at a probe of a program or library.
    ProcessUsdt,
    /// A file was mapped so that it can be executed.
    ProcessLoader,
    /// A kind that this schema does not know.
    Unknown,
}

impl Kind {
    /// Every kind that this schema knows.
    pub const ALL: [Self; 12] = [
        Self::ProcessExec,
        Self::ProcessExit,
        Self::ProcessKprobe,
        Self::Loss,
        Self::ActionResult,
        Self::ProcessLsm,
        Self::Alert,
        Self::PluginError,
        Self::ProcessTracepoint,
        Self::ProcessUprobe,
        Self::ProcessUsdt,
        Self::ProcessLoader,
    ];

    /// The kinds of events that policies' hooks make; all of them have [`EventView::kprobe`].
    pub const HOOKS: [Self; 5] = [
        Self::ProcessKprobe,
        Self::ProcessLsm,
        Self::ProcessTracepoint,
        Self::ProcessUprobe,
        Self::ProcessUsdt,
    ];

    /// The key of the event in the JSON output, e.g. `process_exec`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ProcessExec => "process_exec",
            Self::ProcessExit => "process_exit",
            Self::ProcessKprobe => "process_kprobe",
            Self::Loss => "loss",
            Self::ActionResult => "action_result",
            Self::ProcessLsm => "process_lsm",
            Self::Alert => "alert",
            Self::PluginError => "plugin_error",
            Self::ProcessTracepoint => "process_tracepoint",
            Self::ProcessUprobe => "process_uprobe",
            Self::ProcessUsdt => "process_usdt",
            Self::ProcessLoader => "process_loader",
            Self::Unknown => "unknown",
        }
    }

    /// The kind with this [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind's byte in a record.
    pub fn code(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::ProcessExec => 1,
            Self::ProcessExit => 2,
            Self::ProcessKprobe => 3,
            Self::Loss => 4,
            Self::ActionResult => 5,
            Self::ProcessLsm => 6,
            Self::Alert => 7,
            Self::PluginError => 8,
            Self::ProcessTracepoint => 9,
            Self::ProcessUprobe => 10,
            Self::ProcessUsdt => 11,
            Self::ProcessLoader => 12,
        }
    }

    /// The kind with this [`code`](Self::code).
    pub fn from_code(code: u8) -> Self {
        match code {
            1 => Self::ProcessExec,
            2 => Self::ProcessExit,
            3 => Self::ProcessKprobe,
            4 => Self::Loss,
            5 => Self::ActionResult,
            6 => Self::ProcessLsm,
            7 => Self::Alert,
            8 => Self::PluginError,
            9 => Self::ProcessTracepoint,
            10 => Self::ProcessUprobe,
            11 => Self::ProcessUsdt,
            12 => Self::ProcessLoader,
            _ => Self::Unknown,
        }
    }
}
