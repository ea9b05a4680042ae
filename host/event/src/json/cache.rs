//! Processes that are in JSON already.

use std::sync::Arc;

use super::process;
use crate::process::Process;

/// A power of two.
const SLOTS: usize = 1024;

/// Longer ones are written anew each time, which keeps the cache below 1 MiB whatever is executed.
const MAX_LENGTH: usize = 1024;

/// The last processes written: most events come from processes that had one just before, and each has a parent.
///
/// A slot shares the process, so its address stays taken and nothing in it can change.
pub(super) struct Cache(Box<[Option<Slot>]>);

struct Slot {
    process: Arc<Process>,
    json: Box<[u8]>,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self((0..SLOTS).map(|_| None).collect())
    }

    /// Appends a process as the event's thread `tid` saw it.
    pub(super) fn process(&mut self, process: &Arc<Process>, tid: u32, out: &mut Vec<u8>) {
        let slot = &mut self.0[slot(process)];
        match slot {
            Some(slot) if Arc::ptr_eq(&slot.process, process) => out.extend_from_slice(&slot.json),
            _ => {
                let start = out.len();
                process::all_but_thread(process, out);
                if out.len() - start <= MAX_LENGTH {
                    *slot = Some(Slot { process: Arc::clone(process), json: out[start..].into() });
                }
            }
        }
        process::thread(tid, out);
    }
}

/// Spreads addresses, whose low bits are alike, over the slots (Fibonacci hashing).
fn slot(process: &Arc<Process>) -> usize {
    let address = Arc::as_ptr(process) as u64;
    (address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % SLOTS
}
