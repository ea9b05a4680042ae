//! A hook where the kernel asks its security modules.
#![no_std]
#![no_main]

#[path = "returns/fexit.rs"]
mod fexit;
#[path = "returns/kretprobe.rs"]
mod kretprobe;

use aya_ebpf::macros::lsm;
use aya_ebpf::programs::LsmContext;
use serin_ebpf::contexts::Array;
use serin_ebpf::hook;

#[lsm(hook = "serin")]
fn hook_lsm(ctx: LsmContext) -> i32 {
    errno(hook::run(&Array(ctx), hook::this_hook().hook).result)
}

/// A result that LSM hooks may return, as the verifier can see.
#[inline(always)]
fn errno(result: i32) -> i32 {
    if (-4095..=0).contains(&result) { result } else { -1 }
}
