//! A dispatcher's table: hook programs by system call, for entries or for returns.
//!
//! A call's first hook stands at the call's slot; each hook also stands at a
//! slot of its own, where the hook before it goes on. A new hook becomes the
//! first, and goes on at the one that was first until then.

use std::collections::HashMap;

use aya::maps::{MapData, ProgramArray};
use aya::programs::ProgramFd;

use serin_abi::{CHAIN_SLOT, COMPAT_SLOT, DISPATCH_SLOTS};

use crate::KernelError;
use crate::programs::map_error;

/// Hooks on one call: the kernel allows 33 tail calls in a row (`MAX_TAIL_CALL_CNT`).
const MAX_ON_ONE_CALL: u32 = 32;

/// The table, and where its chains start.
pub(crate) struct Dispatcher {
    name: &'static str,
    table: ProgramArray<MapData>,
    attached: bool,
    next_slot: u32,
    /// Per call: the own slot of its first hook, and how many hooks it has.
    first: HashMap<u32, (u32, u32)>,
}

impl Dispatcher {
    /// `name` is that of the table among the maps.
    pub(crate) fn new(name: &'static str, table: ProgramArray<MapData>) -> Self {
        Dispatcher { name, table, attached: false, next_slot: CHAIN_SLOT, first: HashMap::new() }
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.attached
    }

    pub(crate) fn set_attached(&mut self) {
        self.attached = true;
    }

    /// Where a new hook on the call with this slot must go on; 0 for nowhere.
    ///
    /// # Errors
    /// Says which limit one more hook would exceed.
    pub(crate) fn next(&self, call: u32) -> Result<u32, String> {
        if call >= CHAIN_SLOT {
            return Err(format!("system call number {call}: the dispatcher goes up to {}", COMPAT_SLOT - 1));
        }
        if self.next_slot >= DISPATCH_SLOTS {
            return Err(format!("more than {} hooks on the dispatcher", DISPATCH_SLOTS - CHAIN_SLOT));
        }
        match self.first.get(&call) {
            None => Ok(0),
            Some((_, count)) if *count >= MAX_ON_ONE_CALL => {
                Err(format!("more than {MAX_ON_ONE_CALL} hooks on one system call"))
            }
            Some((slot, _)) => Ok(*slot),
        }
    }

    /// Puts a hook, loaded with [`Dispatcher::next`], at the start of its call's chain.
    pub(crate) fn add(&mut self, call: u32, program: &ProgramFd) -> Result<(), KernelError> {
        let slot = self.next_slot;
        self.next_slot += 1;
        for index in [slot, call] {
            self.table.set(index, program, 0).map_err(|error| map_error(self.name, error))?;
        }
        let count = self.first.get(&call).map_or(0, |(_, count)| *count);
        self.first.insert(call, (slot, count + 1));
        Ok(())
    }
}
