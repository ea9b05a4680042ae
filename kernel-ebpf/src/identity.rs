//! Namespaces and credentials of tasks, and what has changed of them.

use serin_abi::NO_FIELD;
use serin_abi::identity::{
    CAPABILITY_SETS, NAMESPACE_PID, NAMESPACE_USER, NAMESPACES, Origin, USER_EFFECTIVE,
};
use serin_abi::selector::{constant, entry};

use crate::ancestry::pid_namespace;
use crate::maps::ORIGINS;
use crate::memory::{number, pointer};
use crate::{OFFSETS, offset, task};

/// 1 if a policy asks what has changed; set by the agent.
#[unsafe(no_mangle)]
pub static KEEP_ORIGINS: u32 = 0;

/// The inode number of the task's namespace of this kind; 0 if the kernel does not have it.
#[inline(always)]
pub fn namespace(task: u64, kind: u32) -> u32 {
    let inum = constant(entry(&OFFSETS.inum, kind));
    if inum == NO_FIELD {
        return 0;
    }
    let namespace = match kind {
        NAMESPACE_PID => pid_namespace(task),
        NAMESPACE_USER => pointer(pointer(task + offset!(task_cred)) + offset!(cred_user_ns)),
        _ => {
            let place = u64::from(constant(entry(&OFFSETS.nsproxy, kind)));
            pointer(pointer(task + offset!(task_nsproxy)) + place)
        }
    };
    number(namespace + u64::from(inum))
}

/// A set of the task's capabilities.
#[inline(always)]
pub fn capabilities(task: u64, set: u32) -> u64 {
    let place = u64::from(constant(entry(&OFFSETS.cred_capabilities, set)));
    pointer(pointer(task + offset!(task_cred)) + place)
}

/// A user id of the task.
#[inline(always)]
pub fn user(task: u64, which: u32) -> u32 {
    let place = if which == USER_EFFECTIVE { offset!(cred_euid) } else { offset!(cred_uid) };
    number(pointer(task + offset!(task_cred)) + place)
}

/// The kinds of namespaces of a mask that are not those that the current process came from.
#[inline(always)]
pub fn changed_namespaces(mask: u32) -> u32 {
    let Some(origin) = ORIGINS.get_ptr(task::current_pid()) else { return 0 };
    let mut changed = 0;
    let mut kind = 0;
    while kind < NAMESPACES as u32 {
        if mask & 1 << kind != 0 {
            // SAFETY: a pointer to a map value.
            let before = unsafe { *entry(&(*origin).namespaces, kind) };
            changed |= u32::from(before != namespace(task::current(), kind)) << kind;
        }
        kind += 1;
    }
    changed
}

/// The capabilities that the current process has in a set, or came with, but not both.
#[inline(always)]
pub fn changed_capabilities(set: u32) -> u64 {
    let Some(origin) = ORIGINS.get_ptr(task::current_pid()) else { return 0 };
    // SAFETY: a pointer to a map value.
    let before = unsafe { *entry(&(*origin).capabilities, set) };
    before ^ capabilities(task::current(), set)
}

/// Takes note of what a process is, if a policy asks what changes.
#[inline(always)]
pub fn keep_origin(pid: u32, task: u64) {
    if constant(&KEEP_ORIGINS) != 0 {
        remember(pid, task);
    }
}

/// Takes note of what a process is.
#[inline(always)]
pub fn remember(pid: u32, task: u64) {
    let mut origin = Origin { namespaces: [0; NAMESPACES], capabilities: [0; CAPABILITY_SETS] };
    let mut kind = 0;
    while kind < NAMESPACES {
        origin.namespaces[kind] = namespace(task, kind as u32);
        kind += 1;
    }
    let mut set = 0;
    while set < CAPABILITY_SETS {
        origin.capabilities[set] = capabilities(task, set as u32);
        set += 1;
    }
    let _ = ORIGINS.insert(pid, origin, 0);
}

/// Forgets a process.
#[inline(always)]
pub fn forget(pid: u32) {
    if constant(&KEEP_ORIGINS) != 0 {
        let _ = ORIGINS.remove(pid);
    }
}
