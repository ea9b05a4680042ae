//! Refuses marked tasks at an LSM hook, or where their system call begins, and clears their marks. The agent loads
//! `deny` once an LSM hook, `clear` once a system call or `clear_any` for all, and `enforce` once an enforcer; `change`, `tell` and `touch`,
//! to see whether it can.
#![no_std]
#![no_main]

use core::mem::offset_of;

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::pt_regs;
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::{bpf_get_attach_cookie, bpf_override_return};
use aya_ebpf::macros::{btf_tracepoint, fexit, kprobe, lsm, uprobe};
use aya_ebpf::programs::{BtfTracePointContext, FExitContext, LsmContext, ProbeContext};
use serin_abi::selector::constant;
use serin_ebpf::{context, enforcer, fault_in};

/// The bit of this LSM hook, or of the entries of system calls, in marks; set by the agent.
#[unsafe(no_mangle)]
static POINT: u64 = 0;

#[lsm(hook = "serin")]
fn deny(_: LsmContext) -> i32 {
    match enforcer::refusal(constant(&POINT)) {
        Some(error) if (-4095..0).contains(&error) => error,
        Some(_) => -1,
        None => 0,
    }
}

#[kprobe]
fn enforce(ctx: ProbeContext) -> u32 {
    if let Some(error) = enforcer::refusal(constant(&POINT)) {
        // The function does not run, so nothing clears the mark when it returns.
        enforcer::forget(bpf_get_current_pid_tgid());
        // SAFETY: the context is the one this program was called with.
        unsafe { bpf_override_return(ctx.as_ptr().cast(), i64::from(error) as u64) };
    }
    0
}

#[fexit(function = "serin")]
fn clear(_: FExitContext) -> i32 {
    enforcer::forget(bpf_get_current_pid_tgid());
    0
}

/// `sys_exit(struct pt_regs *regs, long ret)`: the call is over, whichever it was.
#[btf_tracepoint(function = "sys_exit")]
fn clear_any(_: BtfTracePointContext) -> i32 {
    enforcer::forget(bpf_get_current_pid_tgid());
    0
}

/// Changes a register of a program.
#[uprobe]
fn change(ctx: ProbeContext) -> u32 {
    // SAFETY: the context is the one this program was called with.
    unsafe { context::set::<{ offset_of!(pt_regs, r15) }>(ctx.as_ptr(), 8, 0) };
    0
}

/// Reads a program's memory, and may wait for it.
#[uprobe(sleepable)]
fn touch(ctx: ProbeContext) -> u32 {
    fault_in::touch(ctx.as_ptr() as u64);
    0
}

/// Tells which of several functions it was called for.
#[kprobe]
fn tell(ctx: ProbeContext) -> u32 {
    // SAFETY: the context is the one this program was called with.
    unsafe { bpf_get_attach_cookie(ctx.as_ptr()) as u32 }
}
