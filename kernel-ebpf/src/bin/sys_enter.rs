//! A hook on a system call, by the dispatcher.
#![no_std]
#![no_main]

#[path = "returns/sys_exit.rs"]
mod sys_exit;

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use serin_ebpf::contexts::Array;
use serin_ebpf::hook;
use serin_ebpf::maps::SYSCALLS;

/// Called by the dispatcher, `sys_enter(struct pt_regs *regs, long id)`; goes on in the next hook on the same call.
#[btf_tracepoint(function = "sys_enter")]
fn hook_sys_enter(ctx: BtfTracePointContext) -> i32 {
    let Some(hook) = hook::hook_on_syscall(ctx.arg(1)) else { return 0 };
    let registers = Array(ctx);
    hook::run(&registers, hook.hook);
    if hook.next != 0 {
        // SAFETY: the array holds only programs of this type; an empty slot falls through.
        unsafe { SYSCALLS.tail_call(&registers.0, hook.next) };
    }
    0
}
