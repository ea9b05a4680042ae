//! The dispatcher's table: hook programs by system call number.
//!
//! A call's first hook stands at the call's number; each hook also stands at a
//! slot of its own, where the hook before it goes on. A new hook becomes the
//! first, and goes on at the one that was first until then.

use std::collections::HashMap;

use aya::maps::{MapData, ProgramArray};
use aya::programs::ProgramFd;

use crate::KernelError;
use crate::programs::map_error;

/// First slot that is not a system call number: `CHAINED` of the programs.
const CHAINED: u32 = 1024;
/// Slots of the table.
const SLOTS: u32 = 2048;
/// Hooks on one call: the kernel allows 33 tail calls in a row (`MAX_TAIL_CALL_CNT`).
const MAX_ON_ONE_CALL: u32 = 32;

/// The table, and where its chains start.
pub(crate) struct Dispatcher {
    table: ProgramArray<MapData>,
    attached: bool,
    next_slot: u32,
    /// Per call: the own slot of its first hook, and how many hooks it has.
    first: HashMap<u32, (u32, u32)>,
}

impl Dispatcher {
    pub(crate) fn new(table: ProgramArray<MapData>) -> Self {
        Dispatcher { table, attached: false, next_slot: CHAINED, first: HashMap::new() }
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.attached
    }

    pub(crate) fn set_attached(&mut self) {
        self.attached = true;
    }

    /// Where a new hook on this call must go on; 0 for nowhere.
    ///
    /// # Errors
    /// Says which limit one more hook would exceed.
    pub(crate) fn next(&self, number: u32) -> Result<u32, String> {
        if number >= CHAINED {
            return Err(format!("system call number {number}: the dispatcher goes up to {}", CHAINED - 1));
        }
        if self.next_slot >= SLOTS {
            return Err(format!("more than {} hooks on the dispatcher", SLOTS - CHAINED));
        }
        match self.first.get(&number) {
            None => Ok(0),
            Some((_, count)) if *count >= MAX_ON_ONE_CALL => {
                Err(format!("more than {MAX_ON_ONE_CALL} hooks on one system call"))
            }
            Some((slot, _)) => Ok(*slot),
        }
    }

    /// Puts a hook, loaded with [`Dispatcher::next`], at the start of its call's chain.
    pub(crate) fn add(&mut self, number: u32, program: &ProgramFd) -> Result<(), KernelError> {
        let slot = self.next_slot;
        self.next_slot += 1;
        for index in [slot, number] {
            self.table.set(index, program, 0).map_err(|error| map_error("SYSCALLS", error))?;
        }
        let count = self.first.get(&number).map_or(0, |(_, count)| *count);
        self.first.insert(number, (slot, count + 1));
        Ok(())
    }
}
