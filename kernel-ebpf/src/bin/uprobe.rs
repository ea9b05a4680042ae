//! A hook on a place in a program or library. Its functions are called as the kernel's are.
#![no_std]
#![no_main]

use aya_ebpf::macros::{uprobe, uretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};
use serin_ebpf::contexts::Probe;
use serin_ebpf::returns::Returned;
use serin_ebpf::{hook, returns};

#[uprobe]
fn hook_uprobe(ctx: ProbeContext) -> u32 {
    hook::run(&Probe::<true>(ctx), hook::this_hook().hook);
    0
}

#[uretprobe]
fn hook_uretprobe(ctx: RetProbeContext) -> u32 {
    returns::run(&Returned, hook::this_hook().hook, ctx.ret());
    0
}
