//! One call of the hooked function: its arguments, each read at most once, and its record.

use serin_abi::MAX_ARGUMENTS;
use serin_abi::config::{
    ACTION_COPY, ACTION_HASH, ACTION_UNFOLLOW, ACTIONS_ENFORCING, RATE_UNLIMITED, READ_VALUE,
};
use serin_abi::digest::Digest;
use serin_abi::network::Sock;
use serin_abi::record::{
    ARGUMENT_UNREADABLE, Argument, COPIED_SHIFT, HOOK_FAILED_CLOSED, HOOK_SILENT, HOOK_UNENFORCED, Header,
    Hit, KIND_BYTES, KIND_FILE, KIND_SOCK, RETURNED, TaskKey,
};
use serin_abi::selector::{Selected, constant, entry};

use crate::arguments::{Moment, Registers};
use crate::hook::{HOOK_CONFIG, Outcome, count};
use crate::report::{append, append_returned, hit, send};
use crate::scratch::{Scratch, Slot, Work};
use crate::{
    arguments, buffers, calls, follow, hashes, network, output, rate, report, sockets, stacks, task,
    undecided,
};

/// One call of the hooked function.
pub struct Call<'a, R> {
    /// Where its arguments are.
    pub registers: &'a R,
    /// Memory to work in.
    pub scratch: &'a Scratch,
    /// The hook's id.
    pub hook: u32,
    /// Slots that have been read: one bit each.
    pub loaded: u32,
}

impl<'a, R: Registers> Call<'a, R> {
    /// Whether it may be decided when it returns.
    pub const PUTS_OFF: bool = matches!(R::MOMENT, Moment::Entry);

    /// A call of which nothing has been read.
    #[inline(always)]
    pub fn new(registers: &'a R, scratch: &'a Scratch, hook: u32) -> Self {
        // SAFETY: a pointer to a map value.
        unsafe { (*scratch.work).unread = 0 };
        Self { registers, scratch, hook, loaded: 0 }
    }

    /// Whether a selector with these actions has to wait until the call returns, as an argument could not be read.
    #[inline(always)]
    pub fn is_undecided(&self, actions: u32) -> bool {
        // Read anew: what the verifier knows of a variable it would follow through all that comes after.
        // SAFETY: a pointer to a map value.
        Self::PUTS_OFF
            && constant(&HOOK_CONFIG.late) != 0
            && actions & ACTIONS_ENFORCING == 0
            && unsafe { (&raw const (*self.scratch.work).unread).read_volatile() } != 0
    }

    /// Has the call decided when it returns.
    #[inline(always)]
    pub fn put_off(&self) {
        if !undecided::put_off(self.hook) {
            count(self.hook, |counters| &raw mut counters.unreadable);
        }
    }

    /// Reads an argument into its slot, if that has not been done yet.
    ///
    /// What this comes to is most of a program's code, and there again wherever it is called: so that is in few places.
    #[inline(always)]
    pub fn load(&mut self, index: u32) {
        if matches!(R::MOMENT, Moment::Return) || self.loaded & (1 << index) != 0 {
            return;
        }
        // In any case, or the verifier follows the second place for a slot that it thinks might not be there.
        self.loaded |= 1 << index;
        if let Some(slot) = self.scratch.slot(index) {
            arguments::load(&HOOK_CONFIG, self.registers, index, slot, self.scratch.work);
            if Self::PUTS_OFF && constant(&HOOK_CONFIG.late) != 0 {
                // SAFETY: pointers to map values.
                unsafe {
                    let unread = u32::from((*slot).header.flags & ARGUMENT_UNREADABLE);
                    (*self.scratch.work).unread |= unread;
                }
            }
        }
    }

    /// Reads the arguments that no filter has asked for.
    #[inline(always)]
    pub fn load_all(&mut self) {
        let mut index = 0;
        while index < MAX_ARGUMENTS as u32 && index < constant(&HOOK_CONFIG.argument_count) {
            self.load(index);
            index += 1;
        }
    }

    /// The slot of an argument, which must have been read.
    #[inline(always)]
    pub fn slot(&self, index: u32) -> Option<*mut Slot> {
        self.scratch.slot(index)
    }

    /// Takes the selector's action on the names of descriptors. All arguments must have been read.
    #[inline(always)]
    pub fn follow(&mut self, selected: &Selected) {
        let descriptor = self.raw(selected.descriptor) as u32;
        if selected.actions & ACTION_UNFOLLOW != 0 {
            follow::unfollow(descriptor);
        } else if selected.actions & ACTION_COPY != 0 {
            follow::copy_name(descriptor, self.raw(selected.name) as u32);
        } else if let Some(name) = self.slot(selected.name) {
            let argument = entry(&HOOK_CONFIG.arguments, selected.name);
            let is_file = constant(&argument.kind) == KIND_FILE && constant(&argument.read) == READ_VALUE;
            let file = if is_file { self.raw(selected.name) } else { 0 };
            follow::follow(descriptor, name, file);
        }
    }

    /// The address of the socket in a slot, which must have been read.
    #[inline(always)]
    pub fn socket(&self, slot: u32) -> u64 {
        network::socket(constant(&entry(&HOOK_CONFIG.arguments, slot).read), self.raw(slot))
    }

    /// Whose call it is: the owner's of the first socket among the arguments that is tracked, or the current process's.
    /// All arguments must have been read.
    #[inline(always)]
    pub fn owner(&self) -> TaskKey {
        let mut index = 0;
        while index < MAX_ARGUMENTS as u32 && index < constant(&HOOK_CONFIG.argument_count) {
            if constant(&entry(&HOOK_CONFIG.arguments, index).kind) == KIND_SOCK
                && let Some(owner) = sockets::owner(self.socket(index))
            {
                return owner;
            }
            index += 1;
        }
        task::current_key()
    }

    /// An argument as a parameter holds it, which must have been read.
    #[inline(always)]
    fn raw(&self, index: u32) -> u64 {
        // SAFETY: a pointer to a map value.
        self.slot(index).map_or(0, |slot| unsafe { (*slot).raw })
    }

    /// Whether the selector's `rateLimit` lets this event pass. All arguments must have been read.
    #[inline(always)]
    pub fn within_rate(&mut self, selected: &Selected) -> bool {
        if selected.rate_scope == RATE_UNLIMITED {
            return true;
        }
        // SAFETY: pointers to map values; texts lie within their slots' buffers.
        let digest = unsafe {
            let digest = &raw mut (*self.scratch.work).digest;
            digest.write(Digest::new(constant(&HOOK_CONFIG.seed)));
            let mut index = 0;
            while index < MAX_ARGUMENTS as u32 && index < constant(&HOOK_CONFIG.argument_count) {
                let Some(slot) = self.slot(index) else { break };
                rate::add(digest, slot);
                index += 1;
            }
            (&raw const (*digest).value).read_volatile()
        };
        let allowed = rate::allows(selected, digest);
        if !allowed {
            count(self.hook, |counters| &raw mut counters.limited);
        }
        allowed
    }

    /// Writes the record, or keeps it until the call returns; if it is not to be posted, only for what is done then. All
    /// arguments must have been read.
    #[inline(always)]
    pub fn report(&mut self, selected: &Selected, posted: bool, enforced: bool, outcome: &Outcome) {
        let work = self.scratch.work;
        let mut flags = 0;
        if selected.failed_closed {
            flags |= HOOK_FAILED_CLOSED;
        }
        if !enforced {
            flags |= HOOK_UNENFORCED;
        }
        if !posted {
            flags |= HOOK_SILENT;
        }
        let flags = flags | stacks::flags(selected.actions);
        let at = stacks::append(work, self.compose(selected, posted), flags, self.registers);
        let is_hashed =
            R::HASHES && selected.actions & ACTION_HASH != 0 && outcome.result == 0 && hashes::will_run();
        match (constant(&HOOK_CONFIG.returned.kind), outcome.return_error) {
            // As if it had been kept: the call has returned.
            // SAFETY: a pointer to a map value.
            _ if matches!(R::MOMENT, Moment::Late) => unsafe { calls::put_length(work, at, flags) },
            (0, _) if !is_hashed => send(work, flags, at),
            // The function does not run, and what sees it return may not be called.
            (_, Some(error)) if posted => self.report_return(flags, at, i64::from(error) as u64),
            (_, Some(_)) => {}
            (_, None) => {
                // SAFETY: a pointer to a map value.
                if !unsafe { calls::keep(work, self.hook, at, flags) } && posted {
                    output::lost_call();
                    count(self.hook, |counters| &raw mut counters.lost);
                }
            }
        }
    }

    /// Writes what was returned behind the arguments, and the record.
    #[inline(always)]
    pub fn report_return(&mut self, flags: u8, at: u32, value: u64) {
        let work = self.scratch.work;
        let Some(slot) = self.scratch.slot(0) else { return };
        arguments::load_returned(&HOOK_CONFIG, value, slot);
        // SAFETY: the record is longer than a header and this, and both are aligned to eight; the slot is a map value.
        let (buffer, count) = unsafe {
            (*hit(work)).returned = RETURNED;
            ((*hit(work)).buffer, (&raw const (*slot).integer).read_volatile() as i64)
        };
        let end = match constant(&HOOK_CONFIG.returned.kind) {
            KIND_SOCK => append_returned::<{ size_of::<Sock>() }>(work, at, slot),
            _ => append_returned::<{ size_of::<u64>() }>(work, at, slot),
        };
        let end =
            if constant(&HOOK_CONFIG.copied) == 0 { end } else { copy_out(work, end, slot, buffer, count) };
        send(work, flags, end);
    }

    /// Builds the record but for its header, with arguments only if it is to be posted; its length.
    #[inline(always)]
    fn compose(&mut self, selected: &Selected, posted: bool) -> u32 {
        let work = self.scratch.work;
        let count_of_arguments = constant(&HOOK_CONFIG.argument_count);
        let copied = constant(&HOOK_CONFIG.copied);
        let to = Hit {
            hook: self.hook,
            selector: selected.index,
            arguments: count_of_arguments,
            returned: 0,
            buffer: if copied == 0 { 0 } else { self.raw(copied - 1) },
        };
        let owner = self.owner();
        // SAFETY: the record is longer than a header and this, and both are aligned to eight.
        unsafe {
            report::task(work).write(owner);
            hit(work).write(to);
        }
        let mut at = (size_of::<Header>() + size_of::<Hit>()) as u32;
        let mut index = 0;
        while posted && index < MAX_ARGUMENTS as u32 && index < count_of_arguments {
            let Some(slot) = self.slot(index) else { break };
            at = append(work, at, slot);
            index += 1;
        }
        at
    }
}

/// Appends what a call has put into a buffer: as many bytes as it returned. Where the record ends.
#[inline(always)]
fn copy_out(work: *mut Work, at: u32, slot: *mut Slot, buffer: u64, count: i64) -> u32 {
    let header = Argument { length: 0, kind: KIND_BYTES as u8, flags: 0, mode: 0 };
    // SAFETY: pointers to map values.
    unsafe {
        (*slot).header = header;
        if !buffers::load(slot, buffer, count) {
            (*slot).header = Argument { flags: ARGUMENT_UNREADABLE, ..header };
        }
        (*hit(work)).returned = RETURNED | constant(&HOOK_CONFIG.copied) << COPIED_SHIFT;
    }
    append(work, at, slot)
}
