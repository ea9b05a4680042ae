//! Facts of tasks.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::{bpf_get_current_task, bpf_get_current_task_btf, bpf_task_pt_regs};
use serin_abi::COMPAT_SLOT;
use serin_abi::record::TaskKey;

use crate::maps::PROCESSES;
use crate::memory::{number, pointer, trusted};
use crate::offset;

/// `TS_COMPAT` of arch/x86/include/asm/thread_info.h: the task is in a 32-bit system call.
const TS_COMPAT: u32 = 0x0002;

/// Address of the current `task_struct`.
#[inline(always)]
pub fn current() -> u64 {
    // SAFETY: the helper takes no arguments.
    unsafe { bpf_get_current_task() }
}

/// Process id (`tgid`) of the current task.
#[inline(always)]
pub fn current_pid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

/// The current thread and process.
#[inline(always)]
pub fn current_key() -> TaskKey {
    let pid_tgid = bpf_get_current_pid_tgid();
    let pid = (pid_tgid >> 32) as u32;
    TaskKey {
        pid,
        tid: pid_tgid as u32,
        start_time: known_start_time(pid).unwrap_or_else(current_start_time),
    }
}

/// The thread and process of a `task_struct`.
#[inline(always)]
pub fn key(task: u64) -> TaskKey {
    TaskKey {
        pid: number(task + offset!(task_tgid)),
        tid: number(task + offset!(task_pid)),
        start_time: start_time(task),
    }
}

#[inline(always)]
fn known_start_time(pid: u32) -> Option<u64> {
    // SAFETY: entries are only replaced as a whole; a torn read would give a wrong time, not a bad access.
    let process = unsafe { PROCESSES.get(pid) }?;
    if process.start_time == 0 { None } else { Some(process.start_time) }
}

#[inline(always)]
fn current_start_time() -> u64 {
    start_time(current())
}

/// When the process of a `task_struct` was started.
#[inline(always)]
pub fn start_time(task: u64) -> u64 {
    let leader = pointer(task + offset!(task_group_leader));
    pointer(leader + offset!(task_start_boottime))
}

/// Address of the current task's root directory (`struct path`).
#[inline(always)]
pub fn root(task: u64) -> u64 {
    pointer(task + offset!(task_fs)) + offset!(fs_root)
}

/// The dispatchers' slot of the system call with this number that the current task makes.
#[inline(always)]
pub fn syscall_slot(number: u64) -> Option<u32> {
    if number >= u64::from(COMPAT_SLOT) {
        return None;
    }
    Some(number as u32 + if in_32_bit_syscall() { COMPAT_SLOT } else { 0 })
}

/// The dispatchers' slot of the system call that the current task is in, if it is in one: an interrupt or a fault leaves a
/// negative number in the call's place.
#[inline(always)]
pub fn current_call() -> Option<u32> {
    // SAFETY: the verifier knows the address as a `struct pt_regs *`, and checks the offset.
    let number = unsafe { trusted(user_registers(), offset!(syscall_number)) };
    syscall_slot(number)
}

/// Address of the `struct pt_regs` in which the current task's program left its registers when it entered the kernel.
#[inline(always)]
pub fn user_registers() -> u64 {
    // SAFETY: the helpers check what they are given, and the verifier knows the task.
    unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) as u64 }
}

/// Whether the current task is in a 32-bit system call, whose numbers mean something else.
#[inline(always)]
pub fn in_32_bit_syscall() -> bool {
    // SAFETY: the helper takes no arguments, and the verifier knows its result as a `struct task_struct *`.
    let status: u32 = unsafe {
        let current = bpf_get_current_task_btf();
        trusted(current as u64, offset!(task_thread_info_status))
    };
    status & TS_COMPAT != 0
}
