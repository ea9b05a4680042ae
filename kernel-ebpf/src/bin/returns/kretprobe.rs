//! When a kernel function returns, by a breakpoint.

use aya_ebpf::macros::kretprobe;
use aya_ebpf::programs::RetProbeContext;
use serin_ebpf::returns::Returned;
use serin_ebpf::{hook, returns};

#[kretprobe]
fn hook_kretprobe(ctx: RetProbeContext) -> u32 {
    returns::run(&Returned, hook::this_hook().hook, ctx.ret());
    0
}
