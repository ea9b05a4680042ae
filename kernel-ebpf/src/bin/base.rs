//! Exec, fork and exit, and the system-call dispatcher.
#![no_std]
#![no_main]

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::{btf_tracepoint, raw_tracepoint};
use aya_ebpf::maps::ProgramArray;
use aya_ebpf::programs::{BtfTracePointContext, RawTracePointContext};
use serin_ebpf::maps::{SYSCALL_RETURNS, SYSCALLS};
use serin_ebpf::memory::trusted;
use serin_ebpf::{offset, process, task, workloads};

#[btf_tracepoint(function = "sched_process_exec")]
fn exec(ctx: BtfTracePointContext) -> i32 {
    process::exec(ctx.arg(0));
    0
}

#[raw_tracepoint(tracepoint = "sched_process_exec")]
fn exec_raw(ctx: RawTracePointContext) -> i32 {
    process::exec(ctx.arg(0));
    0
}

#[btf_tracepoint(function = "sched_process_fork")]
fn fork(ctx: BtfTracePointContext) -> i32 {
    process::fork(ctx.arg(0), ctx.arg(1));
    0
}

#[raw_tracepoint(tracepoint = "sched_process_fork")]
fn fork_raw(ctx: RawTracePointContext) -> i32 {
    process::fork(ctx.arg(0), ctx.arg(1));
    0
}

#[btf_tracepoint(function = "sched_process_exit")]
fn exit(ctx: BtfTracePointContext) -> i32 {
    process::exit(ctx.arg(0));
    0
}

#[raw_tracepoint(tracepoint = "sched_process_exit")]
fn exit_raw(ctx: RawTracePointContext) -> i32 {
    process::exit(ctx.arg(0));
    0
}

#[raw_tracepoint(tracepoint = "cgroup_mkdir")]
fn cgroup_made(ctx: RawTracePointContext) -> i32 {
    workloads::made(ctx.arg(0));
    0
}

#[raw_tracepoint(tracepoint = "cgroup_rmdir")]
fn cgroup_removed(ctx: RawTracePointContext) -> i32 {
    workloads::removed(ctx.arg(0));
    0
}

/// `sys_enter(struct pt_regs *regs, long id)`: goes on in the hooks of this call, if it has any.
#[btf_tracepoint(function = "sys_enter")]
fn dispatch(ctx: BtfTracePointContext) -> i32 {
    if let Some(slot) = task::syscall_slot(ctx.arg(1)) {
        go_on(&SYSCALLS, &ctx, slot);
    }
    0
}

/// `sys_exit(struct pt_regs *regs, long ret)`: goes on in the hooks that wait for this call's return.
#[btf_tracepoint(function = "sys_exit")]
fn dispatch_return(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the verifier knows the argument as a `struct pt_regs *` and checks the offset.
    let number = unsafe { trusted(ctx.arg(0), offset!(syscall_number)) };
    if let Some(slot) = task::syscall_slot(number) {
        go_on(&SYSCALL_RETURNS, &ctx, slot);
    }
    0
}

#[inline(always)]
fn go_on(programs: &ProgramArray, ctx: &impl EbpfContext, slot: u32) {
    // SAFETY: the array holds only programs of this type; an empty slot falls through.
    unsafe { programs.tail_call(ctx, slot) };
}
