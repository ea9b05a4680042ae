//! When a system call returns, by the dispatcher.

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use serin_ebpf::arguments::Registers;
use serin_ebpf::contexts::Array;
use serin_ebpf::maps::SYSCALL_RETURNS;
use serin_ebpf::memory::trusted;
use serin_ebpf::{hook, offset, returns};

/// Called by the dispatcher on returns, `sys_exit(struct pt_regs *regs, long ret)`; goes on in the next hook.
#[btf_tracepoint(function = "sys_exit")]
fn hook_sys_exit(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the verifier knows the argument as a `struct pt_regs *` and checks the offset.
    let number = unsafe { trusted(ctx.arg(0), offset!(syscall_number)) };
    let Some(hook) = hook::hook_on_syscall(number) else { return 0 };
    let registers = Array(ctx);
    returns::run(&registers, hook.hook, registers.argument(1));
    if hook.next_return != 0 {
        // SAFETY: the array holds only programs of this type; an empty slot falls through.
        unsafe { SYSCALL_RETURNS.tail_call(&registers.0, hook.next_return) };
    }
    0
}
