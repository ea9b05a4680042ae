//! When a kernel function returns, by a breakpoint.

use aya_ebpf::macros::kretprobe;
use aya_ebpf::programs::RetProbeContext;
use serin_ebpf::contexts::Returning;
use serin_ebpf::{hook, returns};

#[kretprobe]
fn hook_kretprobe(ctx: RetProbeContext) -> u32 {
    let registers = Returning(ctx);
    returns::run(&registers, hook::hook_on_function(&registers), registers.0.ret());
    0
}
