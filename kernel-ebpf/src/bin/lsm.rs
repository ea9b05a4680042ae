//! A hook where the kernel asks its security modules.
#![no_std]
#![no_main]

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_get_func_ret;
use aya_ebpf::macros::{fexit, kretprobe, lsm};
use aya_ebpf::programs::{FExitContext, LsmContext, RetProbeContext};
use serin_ebpf::contexts::{Array, Hashing};
use serin_ebpf::returns::Returned;
use serin_ebpf::{hashes, hook, returns};

#[lsm(hook = "serin")]
fn hook_lsm(ctx: LsmContext) -> i32 {
    errno(hook::run(&Hashing(Array(ctx)), hook::this_hook().hook).result)
}

/// Comes after the other, if a selector asks for the file's hash.
#[lsm(hook = "serin", sleepable)]
fn hook_lsm_hash(ctx: LsmContext) -> i32 {
    hashes::run(&Array(ctx), hook::this_hook().hook);
    0
}

/// When the `security_*` function that asks returns, by a trampoline. Its calls are never decided only then, as system calls
/// may be, so nothing here reads arguments.
#[fexit(function = "serin")]
fn hook_fexit(ctx: FExitContext) -> i32 {
    let mut value = 0;
    // SAFETY: the context is the one this program was called with, and the value is there to be written.
    if unsafe { bpf_get_func_ret(ctx.as_ptr(), &raw mut value) } == 0 {
        returns::run(&Returned, hook::this_hook().hook, value);
    }
    0
}

/// The same, by a breakpoint.
#[kretprobe]
fn hook_kretprobe(ctx: RetProbeContext) -> u32 {
    returns::run(&Returned, hook::this_hook().hook, ctx.ret());
    0
}

/// A result that LSM hooks may return, as the verifier can see.
#[inline(always)]
fn errno(result: i32) -> i32 {
    if (-4095..=0).contains(&result) { result } else { -1 }
}
