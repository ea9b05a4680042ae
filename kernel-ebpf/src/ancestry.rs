//! A process's ids, and those of its ancestors, in a set.

use serin_abi::config::{PID_ANCESTORS, PID_NAMESPACE};
use serin_abi::{CONTINUE, Member, STOP, repeat};

use crate::facts::MEMBERS;
use crate::memory::{number, pointer};
use crate::{offset, task};

/// Ancestors that are looked at: more than processes are followed at once.
const MAX_ANCESTORS: u32 = 1 << 16;

/// A walk from a process to its ancestors. It lies in a map: see [`serin_abi::text::Search`].
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Ancestry {
    /// The `task_struct` that comes next.
    task: u64,
    /// The pid namespace whose ids are looked up, and its level below the initial one.
    namespace: u64,
    level: u32,
    set: u32,
    found: u64,
}

/// Whether the current process's id (by `flags`, an ancestor's, or in its pid namespace) is in the set.
///
/// In a pid namespace, ancestors count as far as they are within it.
///
/// # Safety
/// `walk` must be valid.
#[inline(always)]
pub unsafe fn is_member(walk: *mut Ancestry, set: u32, flags: u32) -> bool {
    if flags == 0 {
        return contains(set, task::current_pid());
    }
    let current = task::current();
    let ids = ids(current);
    let level = if flags & PID_NAMESPACE != 0 { number(ids + offset!(pid_level)) } else { 0 };
    let entry = entry(ids, level);
    if flags & PID_ANCESTORS == 0 {
        return contains(set, number(entry + offset!(upid_nr)));
    }
    let namespace = pointer(entry + offset!(upid_ns));
    let mut context = walk;
    // SAFETY: the caller vouches for the pointer.
    unsafe {
        walk.write(Ancestry { task: current, namespace, level, set, found: 0 });
        repeat(MAX_ANCESTORS, &mut context, step);
        (&raw const (*walk).found).read_volatile() == 1
    }
}

extern "C" fn step(index: u32, walk: &mut *mut Ancestry) -> i64 {
    let walk = *walk;
    // SAFETY: the caller of `is_member` vouches for the pointer.
    unsafe {
        let (task, level) = ((*walk).task, (*walk).level);
        let ids = ids(task);
        let entry = entry(ids, level);
        let id = number(entry + offset!(upid_nr));
        // A process of an outer namespace has no entry at this level; the idle task, 0, is nobody's ancestor.
        let outside = number(ids + offset!(pid_level)) < level
            || pointer(entry + offset!(upid_ns)) != (*walk).namespace;
        if outside || id == 0 && index != 0 {
            return STOP;
        }
        if contains((*walk).set, id) {
            (*walk).found = 1;
            return STOP;
        }
        (*walk).task = pointer(task + offset!(task_real_parent));
    }
    CONTINUE
}

/// Address of the `struct pid_namespace` that a process is in.
#[inline(always)]
pub fn pid_namespace(task: u64) -> u64 {
    let ids = ids(task);
    pointer(entry(ids, number(ids + offset!(pid_level))) + offset!(upid_ns))
}

/// Address of a process's `struct pid`.
#[inline(always)]
fn ids(task: u64) -> u64 {
    pointer(pointer(task + offset!(task_group_leader)) + offset!(task_thread_pid))
}

/// Address of a `struct upid`: the process's id at a level of pid namespaces.
#[inline(always)]
fn entry(ids: u64, level: u32) -> u64 {
    let size = offset!(upid_ns) + size_of::<u64>() as u64;
    ids + offset!(pid_numbers) + u64::from(level) * size
}

#[inline(always)]
fn contains(set: u32, id: u32) -> bool {
    MEMBERS.get_ptr(Member { value: u64::from(id), set, reserved: 0 }).is_some()
}
