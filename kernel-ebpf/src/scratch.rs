//! Per-CPU scratch memory, shared by all programs.
//!
//! Programs are not migrated while they run, but on most kernels a program
//! can be preempted by a task or an interrupt that runs another (or, for LSM
//! hooks, the same) program on this CPU. So each CPU has a few levels, and a
//! program takes the first that is free.

use serin_abi::digest::Digest;
use serin_abi::expression::Places;
use serin_abi::packet::Headers;
use serin_abi::path::Walk;
use serin_abi::ranges::Bisection;
use serin_abi::record::{MAX_RECORD, MAX_STACK};
use serin_abi::segments::Segments;
use serin_abi::text::{BUFFER, Search};
use serin_abi::{BINARY_KEY, BinarySets, MAX_ARGUMENTS};

use crate::ancestry::Ancestry;
use crate::atomic;
use crate::maps::{SLOTS, WORK};

/// How many programs can be under way on one CPU at once.
pub const LEVELS: u32 = 4;

/// What a program needs to build a record.
#[repr(C)]
pub struct Work {
    busy: u64,
    /// Which level this is. Kept here, and not in a variable, because the verifier
    /// would otherwise check everything that follows anew for each level.
    level: u32,
    /// 1 if an argument of the call could not be read.
    pub unread: u32,
    /// How a process is found by its ancestors.
    pub ancestry: Ancestry,
    /// The binary filters that hold for a process.
    pub binaries: BinarySets,
    /// How a number is found among ranges.
    pub bisection: Bisection,
    /// The values of an expression.
    pub places: Places,
    /// How scattered bytes are gathered.
    pub segments: Segments,
    /// What the arguments are known by, if equal events are held back.
    pub digest: Digest,
    /// Key for looking up a binary.
    pub key: [u64; BINARY_KEY / 8],
    /// A stack that is being added to the record.
    pub stack: [u64; MAX_STACK],
    /// The record.
    pub record: [u8; MAX_RECORD],
}

/// An argument that has been read. The first fields are those of [`Followed`](crate::follow::Followed).
#[repr(C)]
pub struct Slot {
    /// The file that a descriptor to be followed stands for, and its inode.
    pub file: [u64; 2],
    /// What the record will say of it.
    pub header: serin_abi::record::Argument,
    /// Where in `buffer` a text starts.
    pub start: u32,
    /// Bytes before a text that are reported, but not compared.
    pub before: u32,
    /// A text.
    pub buffer: [u8; BUFFER],
    /// An integer's value, sign-extended.
    pub integer: u64,
    /// The argument as a parameter holds it: what a text or a structure was read from.
    pub raw: u64,
    /// How a path is read.
    pub walk: Walk,
    /// How a packet's headers are read.
    pub headers: Headers,
    /// How a text is compared.
    pub search: Search,
}

/// One level of this CPU's scratch memory, taken.
pub struct Scratch {
    /// Memory for a record.
    pub work: *mut Work,
}

/// Takes the first free level of this CPU.
#[inline(always)]
pub fn acquire() -> Option<Scratch> {
    let mut level = 0;
    while level < LEVELS {
        let work = WORK.get_ptr_mut(level)?;
        // SAFETY: the pointer is to a map value; `busy` is only touched atomically, and
        // the rest only by who has set it.
        unsafe {
            if atomic::exchange(&raw mut (*work).busy, 1) == 0 {
                (*work).level = level;
                return Some(Scratch { work });
            }
        }
        level += 1;
    }
    None
}

impl Scratch {
    /// The slot for an argument.
    #[inline(always)]
    pub fn slot(&self, index: u32) -> Option<*mut Slot> {
        // SAFETY: a pointer to a map value.
        let level = unsafe { (&raw const (*self.work).level).read_volatile() };
        SLOTS.get_ptr_mut(level * MAX_ARGUMENTS as u32 + index)
    }

    /// Gives the level back.
    #[inline(always)]
    pub fn release(self) {
        // An ordinary store: only who holds the level gives it back, and all who ask for it are on this CPU.
        // SAFETY: a pointer to a map value.
        unsafe { (&raw mut (*self.work).busy).write_volatile(0) };
    }
}
