//! A hook on a trace event as the kernel calls it. To the verifier its arguments are mere numbers.
#![no_std]
#![no_main]

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use serin_ebpf::contexts::Array;
use serin_ebpf::hook;

#[raw_tracepoint(tracepoint = "serin")]
fn hook_raw_tracepoint(ctx: RawTracePointContext) -> i32 {
    hook::run(&Array(ctx), hook::this_hook().hook);
    0
}
