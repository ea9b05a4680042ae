//! The dispatcher's table: hook programs by system call number.
//!
//! A call's first hook stands at the call's number; each hook also stands at a
//! slot of its own, where the hook before it goes on. A new hook becomes the
//! first, and goes on at the one that was first until then.

mod chain;

use std::collections::HashMap;

use aya::maps::{MapData, MapError, ProgramArray};
use aya::programs::ProgramFd;

use self::chain::Chain;
use crate::KernelError;
use crate::programs::map_error;

/// First slot that is not a system call number: `CHAINED` of the programs.
const CHAINED: u32 = 1024;
/// Slots of the table.
const SLOTS: u32 = 2048;
/// Hooks on one call: the kernel allows 33 tail calls in a row (`MAX_TAIL_CALL_CNT`).
const MAX_ON_ONE_CALL: usize = 32;

/// The table, and its chains by system call number.
pub(crate) struct Dispatcher {
    table: ProgramArray<MapData>,
    attached: bool,
    /// Where to look for a free slot. It goes round, so that a slot is not used again while a call that was under way
    /// may still go on there.
    cursor: u32,
    chains: HashMap<u32, Chain<ProgramFd>>,
}

impl Dispatcher {
    pub(crate) fn new(table: ProgramArray<MapData>) -> Self {
        Dispatcher { table, attached: false, cursor: CHAINED, chains: HashMap::new() }
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.attached
    }

    pub(crate) fn set_attached(&mut self, attached: bool) {
        self.attached = attached;
    }

    /// Whether no call has a hook.
    pub(crate) fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }

    /// Where a new hook on this call must go on; 0 for nowhere.
    ///
    /// # Errors
    /// Says which limit one more hook would exceed.
    pub(crate) fn next(&self, number: u32) -> Result<u32, String> {
        if number >= CHAINED {
            return Err(format!("system call number {number}: the dispatcher goes up to {}", CHAINED - 1));
        }
        if self.free_slot().is_none() {
            return Err(format!("more than {} hooks on the dispatcher", SLOTS - CHAINED));
        }
        let Some(chain) = self.chains.get(&number) else { return Ok(0) };
        if chain.len() >= MAX_ON_ONE_CALL {
            return Err(format!("more than {MAX_ON_ONE_CALL} hooks on one system call"));
        }
        Ok(chain.first().unwrap_or(0))
    }

    /// Puts a hook, loaded with [`Dispatcher::next`], at the start of its call's chain; its slot.
    pub(crate) fn add(&mut self, number: u32, program: &ProgramFd) -> Result<u32, KernelError> {
        let slot = self.free_slot().unwrap_or(CHAINED);
        let kept = program.try_clone().map_err(|source| map_error("SYSCALLS", source.into()))?;
        for index in [slot, number] {
            self.table.set(index, program, 0).map_err(|error| map_error("SYSCALLS", error))?;
        }
        self.cursor = slot + 1;
        self.chains.entry(number).or_default().add(slot, kept);
        Ok(slot)
    }

    /// Takes the hook of a slot out of its call's chain.
    pub(crate) fn remove(&mut self, number: u32, slot: u32) -> Result<(), KernelError> {
        let Some(chain) = self.chains.get_mut(&number) else { return Ok(()) };
        let freed = chain.remove(slot).into_iter().map(|slot| (slot, None));
        // The way in first: a call that comes now sees the chain as it is from now on.
        let indices: Vec<_> =
            std::iter::once((number, chain.entry())).chain(chain.slots()).chain(freed).collect();
        for (index, program) in indices {
            let written = match program {
                Some(program) => self.table.set(index, program, 0),
                None => self.table.clear_index(&index).or_else(absent),
            };
            written.map_err(|error| map_error("SYSCALLS", error))?;
        }
        if chain.len() == 0 {
            self.chains.remove(&number);
        }
        Ok(())
    }

    fn free_slot(&self) -> Option<u32> {
        let used = |slot: &u32| self.chains.values().any(|chain| chain.has(*slot));
        (self.cursor..SLOTS).chain(CHAINED..self.cursor).find(|slot| !used(slot))
    }
}

/// A slot that is empty already.
fn absent(error: MapError) -> Result<(), MapError> {
    match error {
        MapError::KeyNotFound => Ok(()),
        MapError::SyscallError(error) if error.io_error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        error => Err(error),
    }
}
