//! A dispatcher's table: hook programs by system call, for entries or for returns.
//!
//! A call's first hook stands at the call's slot; each hook also stands at a
//! slot of its own, where the hook before it goes on. A new hook becomes the
//! first, and goes on at the one that was first until then.

mod chain;

use std::collections::HashMap;

use aya::maps::{MapData, MapError, ProgramArray};
use aya::programs::ProgramFd;

use serin_abi::{CHAIN_SLOT, COMPAT_SLOT, DISPATCH_SLOTS};

use self::chain::Chain;
use crate::KernelError;
use crate::programs::map_error;

/// Hooks on one call: the kernel allows 33 tail calls in a row (`MAX_TAIL_CALL_CNT`).
const MAX_ON_ONE_CALL: usize = 32;

/// The table, and its chains by the slots of their system calls.
pub(crate) struct Dispatcher {
    name: &'static str,
    table: ProgramArray<MapData>,
    attached: bool,
    /// Where to look for a free slot. It goes round, so that a slot is not used again while a call that was under way
    /// may still go on there.
    cursor: u32,
    chains: HashMap<u32, Chain<ProgramFd>>,
}

impl Dispatcher {
    /// `name` is that of the table among the maps.
    pub(crate) fn new(name: &'static str, table: ProgramArray<MapData>) -> Self {
        Dispatcher { name, table, attached: false, cursor: CHAIN_SLOT, chains: HashMap::new() }
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

    /// Where a new hook on the call with this slot must go on; 0 for nowhere.
    ///
    /// # Errors
    /// Says which limit one more hook would exceed.
    pub(crate) fn next(&self, call: u32) -> Result<u32, String> {
        if call >= CHAIN_SLOT {
            return Err(format!("system call number {call}: the dispatcher goes up to {}", COMPAT_SLOT - 1));
        }
        if self.free_slot().is_none() {
            return Err(format!("more than {} hooks on the dispatcher", DISPATCH_SLOTS - CHAIN_SLOT));
        }
        let Some(chain) = self.chains.get(&call) else { return Ok(0) };
        if chain.len() >= MAX_ON_ONE_CALL {
            return Err(format!("more than {MAX_ON_ONE_CALL} hooks on one system call"));
        }
        Ok(chain.first().unwrap_or(0))
    }

    /// Puts a hook, loaded with [`Dispatcher::next`], at the start of its call's chain; its slot.
    pub(crate) fn add(&mut self, call: u32, program: &ProgramFd) -> Result<u32, KernelError> {
        let slot = self.free_slot().ok_or(KernelError::DispatcherFull(DISPATCH_SLOTS - CHAIN_SLOT))?;
        let kept = program.try_clone().map_err(|source| map_error(self.name, source.into()))?;
        for index in [slot, call] {
            self.table.set(index, program, 0).map_err(|error| map_error(self.name, error))?;
        }
        self.cursor = slot + 1;
        self.chains.entry(call).or_default().add(slot, kept);
        Ok(slot)
    }

    /// Takes the hook of a slot out of its call's chain.
    pub(crate) fn remove(&mut self, call: u32, slot: u32) -> Result<(), KernelError> {
        let Some(chain) = self.chains.get_mut(&call) else { return Ok(()) };
        let freed = chain.remove(slot).into_iter().map(|slot| (slot, None));
        // The way in first: a call that comes now sees the chain as it is from now on.
        let indices: Vec<_> =
            std::iter::once((call, chain.entry())).chain(chain.slots()).chain(freed).collect();
        for (index, program) in indices {
            let written = match program {
                Some(program) => self.table.set(index, program, 0),
                None => self.table.clear_index(&index).or_else(absent),
            };
            written.map_err(|error| map_error(self.name, error))?;
        }
        if chain.len() == 0 {
            self.chains.remove(&call);
        }
        Ok(())
    }

    fn free_slot(&self) -> Option<u32> {
        let used = |slot: &u32| self.chains.values().any(|chain| chain.has(*slot));
        (self.cursor..DISPATCH_SLOTS).chain(CHAIN_SLOT..self.cursor).find(|slot| !used(slot))
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
