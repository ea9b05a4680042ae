//! A hook on a trace event that has a record.
#![no_std]
#![no_main]

use aya_ebpf::macros::tracepoint;
use aya_ebpf::programs::TracePointContext;
use serin_ebpf::contexts::Record;
use serin_ebpf::hook;

#[tracepoint]
fn hook_tracepoint(ctx: TracePointContext) -> u32 {
    hook::run(&Record(ctx), hook::this_hook().hook);
    0
}
