//! A policy's hook, for each way of attaching one. The agent loads one of these programs.
#![no_std]
#![no_main]

use core::mem::offset_of;

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::pt_regs;
use aya_ebpf::helpers::generated::{bpf_get_func_ret, bpf_override_return};
use aya_ebpf::macros::{
    btf_tracepoint, fentry, fexit, kprobe, kretprobe, lsm, raw_tracepoint, tracepoint, uprobe, uretprobe,
};
use aya_ebpf::programs::{
    BtfTracePointContext, FEntryContext, FExitContext, LsmContext, ProbeContext, RawTracePointContext,
    RetProbeContext, TracePointContext,
};
use serin_ebpf::arguments::Registers;
use serin_ebpf::maps::{SYSCALL_RETURNS, SYSCALLS};
use serin_ebpf::memory::{pointer, trusted};
use serin_ebpf::offset;
use serin_ebpf::{context, hook, returns};

/// Arguments of programs whose context is an array of them.
struct Array<C>(C);

impl<C: EbpfContext> Registers for Array<C> {
    #[inline(always)]
    fn argument(&self, index: u32) -> u64 {
        let context = self.0.as_ptr();
        // SAFETY: the context is the one this program was called with; the verifier checks that the function has
        // this argument.
        unsafe {
            match index {
                0 => context::word::<0>(context),
                1 => context::word::<8>(context),
                2 => context::word::<16>(context),
                3 => context::word::<24>(context),
                4 => context::word::<32>(context),
                5 => context::word::<40>(context),
                _ => 0,
            }
        }
    }

    #[inline(always)]
    fn user_register(&self, offset: u64) -> u64 {
        // SAFETY: the verifier knows the argument as a `struct pt_regs *` and checks the offset.
        unsafe { trusted(self.argument(0), offset) }
    }
}

/// Arguments in the registers that a kprobe sees.
struct Probe(ProbeContext);

impl Registers for Probe {
    #[inline(always)]
    fn argument(&self, index: u32) -> u64 {
        let context = self.0.as_ptr();
        // SAFETY: the context is the one this program was called with.
        unsafe {
            match index {
                0 => context::word::<{ offset_of!(pt_regs, rdi) }>(context),
                1 => context::word::<{ offset_of!(pt_regs, rsi) }>(context),
                2 => context::word::<{ offset_of!(pt_regs, rdx) }>(context),
                3 => context::word::<{ offset_of!(pt_regs, rcx) }>(context),
                4 => context::word::<{ offset_of!(pt_regs, r8) }>(context),
                5 => context::word::<{ offset_of!(pt_regs, r9) }>(context),
                _ => 0,
            }
        }
    }
}

/// The record of a tracepoint.
struct Record(TracePointContext);

impl Registers for Record {
    #[inline(always)]
    fn argument(&self, offset: u32) -> u64 {
        pointer(self.address(offset))
    }

    #[inline(always)]
    fn address(&self, offset: u32) -> u64 {
        self.0.as_ptr() as u64 + u64::from(offset)
    }
}

#[fentry(function = "serin")]
fn hook_fentry(ctx: FEntryContext) -> i32 {
    hook::run(&Array(ctx), hook::this_hook().hook);
    0
}

#[kprobe]
fn hook_kprobe(ctx: ProbeContext) -> u32 {
    let registers = Probe(ctx);
    if let Some(error) = hook::run(&registers, hook::this_hook().hook).return_error {
        // SAFETY: the context is the one this program was called with.
        unsafe { bpf_override_return(registers.0.as_ptr().cast(), i64::from(error) as u64) };
    }
    0
}

#[lsm(hook = "serin")]
fn hook_lsm(ctx: LsmContext) -> i32 {
    errno(hook::run(&Array(ctx), hook::this_hook().hook).result)
}

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

#[fexit(function = "serin")]
fn hook_fexit(ctx: FExitContext) -> i32 {
    let mut value = 0;
    // SAFETY: the context is the one this program was called with, and the value is there to be written.
    if unsafe { bpf_get_func_ret(ctx.as_ptr(), &raw mut value) } == 0 {
        returns::run(hook::this_hook().hook, value);
    }
    0
}

#[kretprobe]
fn hook_kretprobe(ctx: RetProbeContext) -> u32 {
    returns::run(hook::this_hook().hook, ctx.ret());
    0
}

/// Called by the dispatcher on returns, `sys_exit(struct pt_regs *regs, long ret)`; goes on in the next hook.
#[btf_tracepoint(function = "sys_exit")]
fn hook_sys_exit(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the verifier knows the argument as a `struct pt_regs *` and checks the offset.
    let number = unsafe { trusted(ctx.arg(0), offset!(syscall_number)) };
    let Some(hook) = hook::hook_on_syscall(number) else { return 0 };
    returns::run(hook.hook, ctx.arg(1));
    if hook.next_return != 0 {
        // SAFETY: the array holds only programs of this type; an empty slot falls through.
        unsafe { SYSCALL_RETURNS.tail_call(&ctx, hook.next_return) };
    }
    0
}

/// Functions of programs are called as the kernel's are.
#[uprobe]
fn hook_uprobe(ctx: ProbeContext) -> u32 {
    hook::run(&Probe(ctx), hook::this_hook().hook);
    0
}

#[uretprobe]
fn hook_uretprobe(ctx: RetProbeContext) -> u32 {
    returns::run(hook::this_hook().hook, ctx.ret());
    0
}

#[tracepoint]
fn hook_tracepoint(ctx: TracePointContext) -> u32 {
    hook::run(&Record(ctx), hook::this_hook().hook);
    0
}

/// To the verifier its arguments are mere numbers.
#[raw_tracepoint(tracepoint = "serin")]
fn hook_raw_tracepoint(ctx: RawTracePointContext) -> i32 {
    hook::run(&Array(ctx), hook::this_hook().hook);
    0
}

/// A result that LSM hooks may return, as the verifier can see.
#[inline(always)]
fn errno(result: i32) -> i32 {
    if (-4095..=0).contains(&result) { result } else { -1 }
}
