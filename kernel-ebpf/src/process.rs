//! Exec, fork and exit: the table of processes and their records.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use serin_abi::path::{walk, walk_dentry};
use serin_abi::record::{
    EXEC, EXEC_ARGUMENTS_TRUNCATED, EXEC_BINARY_INCOMPLETE, EXEC_CWD_INCOMPLETE, EXIT, Exec, Exit, FORK,
    Fork, Header, TaskKey,
};
use serin_abi::{BinarySets, MAX_STRING, NO_FIELD, Process};

use crate::maps::PROCESSES;
use crate::memory::{PathBuffer, copy, copy_user, number, pointer};
use crate::scratch::{self, Scratch, Slot, Work};
use crate::{binaries, counters, enforcer, follow, identity, offset, output, task};

const HEADER: usize = size_of::<Header>();

/// `sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`
/// <https://elixir.bootlin.com/linux/v6.12/source/include/trace/events/sched.h#L397>
#[inline(always)]
pub fn exec(task: u64) {
    let Some(scratch) = scratch::acquire() else {
        // Without its path the binary is unknown: as one that no policy names.
        remember_exec(task, binaries::inherited(task::current_pid()));
        return output::lost_for_want_of_scratch();
    };
    report_exec(task, &scratch);
    scratch.release();
}

#[inline(always)]
fn report_exec(task: u64, scratch: &Scratch) {
    let work = scratch.work;
    let (Some(binary), Some(cwd)) = (scratch.slot(0), scratch.slot(1)) else { return };
    let file = pointer(pointer(task + offset!(task_mm)) + offset!(mm_exe_file));
    let binary_incomplete = read_path(binary, file + offset!(file_f_path), task);
    let cwd_incomplete = read_path(cwd, pointer(task + offset!(task_fs)) + offset!(fs_pwd), task);
    remember_exec(task, binaries::after_exec(task::current_pid(), work, binary));

    let mut flags = EXEC_BINARY_INCOMPLETE * binary_incomplete | EXEC_CWD_INCOMPLETE * cwd_incomplete;
    let mut exec = credentials(task);
    let mut at = (HEADER + size_of::<Exec>()) as u32;
    exec.binary = append(work, at, binary);
    at += exec.binary;
    exec.cwd = append(work, at, cwd);
    at += exec.cwd;
    let (length, truncated) = append_arguments(work, at, task);
    exec.arguments = length;
    at += length;
    if truncated {
        flags |= EXEC_ARGUMENTS_TRUNCATED;
    }
    output::begin(work, EXEC, flags);
    // SAFETY: the record is longer than a header and this, and both are aligned to eight.
    unsafe { (&raw mut (*work).record).cast::<u8>().add(HEADER).cast::<Exec>().write(exec) };
    output::end(work, at);
}

#[inline(always)]
fn credentials(task: u64) -> Exec {
    let credentials = pointer(task + offset!(task_cred));
    Exec {
        parent: task::key(pointer(task + offset!(task_real_parent))),
        uid: number(credentials + offset!(cred_uid)),
        gid: number(credentials + offset!(cred_gid)),
        euid: number(credentials + offset!(cred_euid)),
        egid: number(credentials + offset!(cred_egid)),
        auid: login_uid(task),
        binary: 0,
        cwd: 0,
        arguments: 0,
    }
}

/// The login uid; as if unset where the kernel has none.
#[inline(always)]
fn login_uid(task: u64) -> u32 {
    let offset = offset!(task_loginuid);
    if offset == u64::from(NO_FIELD) { u32::MAX } else { number(task + offset) }
}

/// Reads a `struct path` into a slot; 1 if it is incomplete, else 0: a number,
/// because the verifier would follow both ways of a branch.
#[inline(always)]
pub fn read_path(slot: *mut Slot, path: u64, task: u64) -> u8 {
    // SAFETY: a pointer to a map value.
    unsafe {
        walk(path, task::root(task), &mut (*slot).walk, PathBuffer(&raw mut (*slot).buffer));
        (*slot).start = (*slot).walk.start;
        (*slot).header.length = MAX_STRING as u32 - (*slot).start;
        (1 ^ (*slot).walk.complete as u8) & 1
    }
}

/// Reads the path of a `struct dentry` within its file system, as [`read_path`] does.
#[inline(always)]
pub fn read_dentry(slot: *mut Slot, dentry: u64) -> u8 {
    // SAFETY: a pointer to a map value.
    unsafe {
        walk_dentry(dentry, &mut (*slot).walk, PathBuffer(&raw mut (*slot).buffer));
        (*slot).start = (*slot).walk.start;
        (*slot).header.length = MAX_STRING as u32 - (*slot).start;
        (1 ^ (*slot).walk.complete as u8) & 1
    }
}

/// Copies a slot's text into the record at `at`; its length.
#[inline(always)]
fn append(work: *mut Work, at: u32, slot: *mut Slot) -> u32 {
    // SAFETY: pointers to map values; the text lies within the slot's buffer, and `at` is at most
    // two texts into the record, which has room for six.
    unsafe {
        let length = bounded((*slot).header.length);
        let text = (&raw const (*slot).buffer).cast::<u8>().add(((*slot).start as usize) & (MAX_STRING - 1));
        let to = (&raw mut (*work).record).cast::<u8>().add(within(at));
        copy(to, text as u64, length);
        length
    }
}

/// Copies the arguments of the process into the record; their length, and whether there are more.
#[inline(always)]
fn append_arguments(work: *mut Work, at: u32, task: u64) -> (u32, bool) {
    let memory = pointer(task + offset!(task_mm));
    let start = pointer(memory + offset!(mm_arg_start));
    let all = pointer(memory + offset!(mm_arg_end)).wrapping_sub(start);
    let length = if all > MAX_STRING as u64 { MAX_STRING as u32 } else { all as u32 };
    // SAFETY: as in `append`.
    let copied = unsafe {
        let to = (&raw mut (*work).record).cast::<u8>().add(within(at));
        copy_user(to, start, bounded(length))
    };
    if copied { (length, all > u64::from(length)) } else { (0, all != 0) }
}

/// A length, as the verifier can see at most [`MAX_STRING`].
#[inline(always)]
fn bounded(length: u32) -> u32 {
    if length > MAX_STRING as u32 { MAX_STRING as u32 } else { length }
}

/// A place in the record with room for a text behind it.
#[inline(always)]
fn within(at: u32) -> usize {
    const LAST: u32 = (HEADER + size_of::<Exec>() + 2 * MAX_STRING) as u32;
    if at > LAST { LAST as usize } else { at as usize }
}

/// `sched_process_fork(struct task_struct *parent, struct task_struct *child)`
/// <https://elixir.bootlin.com/linux/v6.12/source/include/trace/events/sched.h#L369>
#[inline(always)]
pub fn fork(caller: u64, child: u64) {
    let child_key = task::key(child);
    if child_key.pid != child_key.tid {
        return;
    }
    identity::keep_origin(child_key.pid, child);
    let caller_pid = number(caller + offset!(task_tgid));
    remember_fork(&child_key, caller_pid, parent_pid(child));
    if follows(caller_pid) {
        follow::inherit(caller, caller_pid, child_key.pid);
    }
    let Some(scratch) = scratch::acquire() else {
        return output::lost_for_want_of_scratch();
    };
    let parent = task::key(pointer(child + offset!(task_real_parent)));
    output::begin(scratch.work, FORK, 0);
    // SAFETY: the record is longer than a header and this, and both are aligned to eight.
    unsafe {
        let to = (&raw mut (*scratch.work).record).cast::<u8>().add(HEADER).cast::<Fork>();
        to.write(Fork { child: child_key, parent });
    }
    output::end(scratch.work, (HEADER + size_of::<Fork>()) as u32);
    scratch.release();
}

/// `sched_process_exit(struct task_struct *p)`
/// <https://elixir.bootlin.com/linux/v6.12/source/include/trace/events/sched.h#L327>
///
/// `signal->live` has been counted down before; two last threads may both see
/// 0 here, but only one removes the process.
#[inline(always)]
pub fn exit(task: u64) {
    enforcer::forget(bpf_get_current_pid_tgid());
    let live = number(pointer(task + offset!(task_signal)) + offset!(signal_live));
    if live != 0 {
        return;
    }
    identity::forget(task::current_pid());
    if follows(task::current_pid()) {
        follow::forget(task, task::current_pid());
    }
    let Some(scratch) = scratch::acquire() else {
        if PROCESSES.remove(task::current_pid()).is_ok() {
            output::lost_for_want_of_scratch();
        }
        return;
    };
    // The header takes the start time from the table, so the entry goes last.
    let key = task::current_pid();
    if PROCESSES.get_ptr(key).is_some() {
        report_exit(task, scratch.work, key);
    }
    scratch.release();
}

#[inline(always)]
fn report_exit(task: u64, work: *mut Work, pid: u32) {
    if PROCESSES.remove(pid).is_err() {
        return;
    }
    output::begin(work, EXIT, 0);
    // SAFETY: the record is longer than a header and this, and both are aligned to eight.
    unsafe {
        let to = (&raw mut (*work).record).cast::<u8>().add(HEADER).cast::<Exit>();
        to.write(Exit { code: number(task + offset!(task_exit_code)), reserved: 0 });
    }
    output::end(work, (HEADER + size_of::<Exit>()) as u32);
}

#[inline(always)]
fn parent_pid(task: u64) -> u32 {
    number(pointer(task + offset!(task_real_parent)) + offset!(task_tgid))
}

#[inline(always)]
fn remember_exec(task: u64, binaries: BinarySets) {
    let (pid, parent_binaries) = (task::current_pid(), binaries::of(parent_pid(task)));
    let (start_time, follows) = (task::start_time(task), u64::from(follows(pid)));
    identity::keep_origin(pid, task);
    remember(pid, Process { start_time, binaries, parent_binaries, follows });
}

/// The child still runs what the caller of fork does. Of a caller that the agent has yet to find in /proc
/// that is not known: a start time of 0 tells the agent to look for the child as well.
#[inline(always)]
fn remember_fork(child: &TaskKey, caller: u32, parent: u32) {
    let start_time = if PROCESSES.get_ptr(caller).is_some() { child.start_time } else { 0 };
    let (binaries, parent_binaries) = (binaries::of(caller), binaries::of(parent));
    let follows = u64::from(follows(caller));
    remember(child.pid, Process { start_time, binaries, parent_binaries, follows });
}

/// Whether a process may have descriptors that are followed.
#[inline(always)]
fn follows(pid: u32) -> bool {
    // SAFETY: entries are only replaced as a whole.
    unsafe { PROCESSES.get(pid) }.is_some_and(|process| process.follows != 0)
}

#[inline(always)]
fn remember(pid: u32, process: Process) {
    if PROCESSES.insert(pid, process, 0).is_err()
        && let Some(counters) = counters::of_this_cpu()
    {
        // SAFETY: a pointer to a map value.
        unsafe { counters::increment(&raw mut (*counters).processes_full) };
    }
}
