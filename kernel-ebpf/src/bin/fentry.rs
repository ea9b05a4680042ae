//! A hook on a kernel function, by a trampoline.
#![no_std]
#![no_main]

#[path = "returns/fexit.rs"]
mod fexit;
#[path = "returns/sys_exit.rs"]
mod sys_exit;

use aya_ebpf::macros::fentry;
use aya_ebpf::programs::FEntryContext;
use serin_ebpf::contexts::Array;
use serin_ebpf::hook;

#[fentry(function = "serin")]
fn hook_fentry(ctx: FEntryContext) -> i32 {
    hook::run(&Array(ctx), hook::this_hook().hook);
    0
}
