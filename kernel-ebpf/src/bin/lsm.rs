//! A hook where the kernel asks its security modules. Its functions are hooked at their return as the kernel's others are.
#![no_std]
#![no_main]

#[path = "returns/fexit.rs"]
mod fexit;
#[path = "returns/kretprobe.rs"]
mod kretprobe;

use aya_ebpf::macros::lsm;
use aya_ebpf::programs::LsmContext;
use serin_ebpf::contexts::{Array, Hashing};
use serin_ebpf::{hashes, hook};

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

/// A result that LSM hooks may return, as the verifier can see.
#[inline(always)]
fn errno(result: i32) -> i32 {
    if (-4095..=0).contains(&result) { result } else { -1 }
}
