//! A hook on a kernel function, by a breakpoint; or hooks on several, which one program is on (kprobe.multi).
#![no_std]
#![no_main]

#[path = "returns/kretprobe.rs"]
mod kretprobe;
#[path = "returns/sys_exit.rs"]
mod sys_exit;

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_override_return;
use aya_ebpf::macros::kprobe;
use aya_ebpf::programs::ProbeContext;
use serin_ebpf::contexts::Probe;
use serin_ebpf::hook;

#[kprobe]
fn hook_kprobe(ctx: ProbeContext) -> u32 {
    let registers = Probe::<false>(ctx);
    if let Some(error) = hook::run(&registers, hook::hook_on_function(&registers)).return_error {
        // SAFETY: the context is the one this program was called with.
        unsafe { bpf_override_return(registers.0.as_ptr().cast(), i64::from(error) as u64) };
    }
    0
}
