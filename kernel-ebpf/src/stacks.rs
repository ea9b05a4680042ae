//! Stacks: how the kernel, and the program, came to the hooked function.

use aya_ebpf::bindings::BPF_F_USER_STACK;
use aya_ebpf::helpers::generated::bpf_get_stack;
use serin_abi::config::{ACTION_KERNEL_STACK, ACTION_USER_STACK};
use serin_abi::record::{Argument, HOOK_KERNEL_STACK, HOOK_USER_STACK, MAX_RECORD, MAX_STACK_BYTES};
use serin_abi::selector::constant;

use crate::arguments::Registers;
use crate::hook::HOOK_CONFIG;
use crate::memory::copy;
use crate::scratch::Work;

/// The record's flags for the stacks that these actions ask for. A stack that no selector of the hook asks for is a
/// constant 0.
#[inline(always)]
pub fn flags(actions: u32) -> u8 {
    let wanted = constant(&HOOK_CONFIG.stacks) & actions;
    let mut flags = 0;
    if wanted & ACTION_KERNEL_STACK != 0 {
        flags |= HOOK_KERNEL_STACK;
    }
    if wanted & ACTION_USER_STACK != 0 {
        flags |= HOOK_USER_STACK;
    }
    flags
}

/// Appends to the record, at `at`, the stacks that its flags promise; where the record goes on.
#[inline(always)]
pub fn append(work: *mut Work, at: u32, flags: u8, registers: &impl Registers) -> u32 {
    let mut at = at;
    if constant(&HOOK_CONFIG.stacks) & ACTION_KERNEL_STACK != 0 && flags & HOOK_KERNEL_STACK != 0 {
        at = append_one(work, at, 0, registers);
    }
    if constant(&HOOK_CONFIG.stacks) & ACTION_USER_STACK != 0 && flags & HOOK_USER_STACK != 0 {
        at = append_one(work, at, BPF_F_USER_STACK.into(), registers);
    }
    at
}

/// One that cannot be taken is empty, as that of a thread of the kernel's has no part in a program.
#[inline(always)]
fn append_one(work: *mut Work, at: u32, of: u64, registers: &impl Registers) -> u32 {
    const LAST: u32 = (MAX_RECORD - size_of::<Argument>() - MAX_STACK_BYTES) as u32;
    if at > LAST {
        return at;
    }
    // SAFETY: a pointer to a map value; `at` leaves room for a stack, and is a multiple of eight as all lengths in a
    // record; the context is the one the program was called with.
    unsafe {
        let stack = &raw mut (*work).stack;
        let result = bpf_get_stack(registers.context(), stack.cast(), MAX_STACK_BYTES as u32, of);
        // 0 instead of an error number, without a branch; the mask changes nothing, but shows the verifier the bound.
        let length = (result & !(result >> 63)) as u32 & MAX_STACK_BYTES.next_power_of_two() as u32 - 1;
        let to = (&raw mut (*work).record).cast::<u8>().add(at as usize);
        to.cast::<Argument>().write(Argument { length, kind: 0, flags: 0, mode: 0 });
        copy(to.add(size_of::<Argument>()), stack as u64, length);
        at + size_of::<Argument>() as u32 + length
    }
}
