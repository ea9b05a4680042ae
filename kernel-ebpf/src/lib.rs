//! serin's kernel programs.
//!
//! `base` reports exec, fork and exit and holds the system-call dispatcher; it is loaded once. `deny` refuses system
//! calls at LSM hooks. The others are templates of a policy's hook, an object for each way of attaching one, with what
//! runs when the function returns: the agent loads one of them for each hook, with other read-only data. All meet in the
//! maps of [`maps`], which the agent pins.
#![no_std]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

pub mod ancestry;
pub mod arguments;
pub mod assignments;
pub mod atomic;
pub mod binaries;
pub mod buffers;
pub mod call;
pub mod calls;
pub mod context;
pub mod contexts;
pub mod counters;
pub mod enforcer;
pub mod facts;
pub mod fault_in;
pub mod files;
pub mod follow;
pub mod hashes;
pub mod hook;
pub mod identity;
pub mod maps;
pub mod memory;
pub mod network;
pub mod operands;
pub mod output;
pub mod process;
pub mod rate;
pub mod report;
pub mod resolve;
pub mod returns;
pub mod scratch;
pub mod selectors;
pub mod sockets;
pub mod stacks;
pub mod structure;
pub mod task;
pub mod undecided;
pub mod workloads;

use serin_abi::Offsets;

/// Where the kernel's fields lie; set by the agent.
#[unsafe(no_mangle)]
pub static OFFSETS: Offsets = {
    // SAFETY: every field is an integer.
    unsafe { core::mem::zeroed() }
};

/// Reads one of [`OFFSETS`].
#[macro_export]
macro_rules! offset {
    ($field:ident) => {
        u64::from(serin_abi::selector::constant(&$crate::OFFSETS.$field))
    };
}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The verifier lets programs use GPL-only helpers by this.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
pub static LICENSE: [u8; 13] = *b"Dual BSD/GPL\0";
