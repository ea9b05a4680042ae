//! `FollowFD`, `UnfollowFD`, `CopyFD`: the names that descriptors were followed under.
//!
//! A name belongs to a descriptor of a process for as long as that is the same open file, which is
//! known by its address and its inode. A child has what its parent had when it was forked.

use serin_abi::record::{ARGUMENT_UNREADABLE, Argument, KIND_FILE};
use serin_abi::text::BUFFER;
use serin_abi::{CONTINUE, Descriptor, repeat};

use crate::files::open_file;
use crate::maps::{FOLLOWED, PROCESSES};
use crate::memory::{copy, number, pointer, short};
use crate::scratch::Slot;
use crate::{counters, offset, task};

/// Descriptors of a process that are looked at when it forks or exits: those below this number.
const MAX_DESCRIPTORS: u32 = 1 << 16;

/// A descriptor's file, and its name: the first fields of a [`Slot`], as it lies there.
#[repr(C)]
pub struct Followed {
    file: [u64; 2],
    header: Argument,
    start: u32,
    before: u32,
    buffer: [u8; BUFFER],
}

const _: () = assert!(core::mem::offset_of!(Slot, buffer) == core::mem::offset_of!(Followed, buffer));

#[inline(always)]
fn of_current(number: u32) -> Descriptor {
    Descriptor { pid: task::current_pid(), number }
}

/// The file and its inode.
#[inline(always)]
fn identity(file: u64) -> [u64; 2] {
    [file, pointer(file + offset!(file_f_inode))]
}

/// Remembers the name in the slot for a descriptor of the current process, which stands or will stand for this
/// file; 0 if it is not known, so that it is the one that the descriptor stands for by now.
#[inline(always)]
pub fn follow(number: u32, name: *mut Slot, file: u64) {
    let file = if file == 0 { open_file(task::current(), number) } else { file };
    // SAFETY: pointers to map values, of which the slot starts with the other's fields.
    unsafe {
        if (*name).header.flags & ARGUMENT_UNREADABLE != 0 {
            return;
        }
        (*name).file = identity(file);
        insert(of_current(number), name.cast());
    }
    mark(task::current_pid());
}

/// Forgets a descriptor of the current process.
#[inline(always)]
pub fn unfollow(number: u32) {
    let _ = FOLLOWED.remove(of_current(number));
}

/// Gives a descriptor of the current process the name that another has.
#[inline(always)]
pub fn copy_name(from: u32, to: u32) {
    match FOLLOWED.get_ptr(of_current(from)) {
        // SAFETY: a pointer to a map value.
        Some(followed) => unsafe { insert(of_current(to), followed) },
        None => unfollow(to),
    }
}

/// Reads the name that a descriptor of the current process is followed under; false if it is not.
#[inline(always)]
pub fn load(to: *mut Slot, number: u32) -> bool {
    let Some(followed) = FOLLOWED.get_ptr(of_current(number)) else { return false };
    let file = identity(open_file(task::current(), number));
    // SAFETY: pointers to map values, of which the slot starts with the other's fields.
    unsafe {
        if file[0] == 0 || (*followed).file[0] != file[0] || (*followed).file[1] != file[1] {
            return false;
        }
        if !copy(to.cast(), followed as u64, size_of::<Followed>() as u32) {
            return false;
        }
        (*to).header.kind = KIND_FILE as u8;
        (*to).header.mode = short(file[1] + offset!(inode_i_mode));
    }
    true
}

/// # Safety
/// `followed` must be valid.
#[inline(always)]
unsafe fn insert(descriptor: Descriptor, followed: *const Followed) {
    // SAFETY: the caller vouches for the pointer.
    let inserted = unsafe { FOLLOWED.insert(descriptor, &*followed, 0) };
    if inserted.is_err()
        && let Some(counters) = counters::of_this_cpu()
    {
        // SAFETY: a pointer to a map value.
        unsafe { counters::increment(&raw mut (*counters).followed_full) };
    }
}

#[inline(always)]
fn mark(pid: u32) {
    if let Some(process) = PROCESSES.get_ptr_mut(pid) {
        // SAFETY: a pointer to a map value.
        unsafe { (*process).follows = 1 };
    }
}

/// Gives a new process what is followed of the process that `task` belongs to.
#[inline(always)]
pub fn inherit(task: u64, parent: u32, child: u32) {
    let mut forked = Forked { parent, child };
    repeat(descriptors(task), &mut forked, inherit_one);
}

struct Forked {
    parent: u32,
    child: u32,
}

extern "C" fn inherit_one(number: u32, forked: &mut Forked) -> i64 {
    if let Some(followed) = FOLLOWED.get_ptr(Descriptor { pid: forked.parent, number }) {
        // SAFETY: a pointer to a map value.
        unsafe { insert(Descriptor { pid: forked.child, number }, followed) };
    }
    CONTINUE
}

/// Forgets all descriptors of a process that `task` belongs to.
#[inline(always)]
pub fn forget(task: u64, pid: u32) {
    let mut pid = pid;
    repeat(descriptors(task), &mut pid, forget_one);
}

extern "C" fn forget_one(number: u32, pid: &mut u32) -> i64 {
    let _ = FOLLOWED.remove(Descriptor { pid: *pid, number });
    CONTINUE
}

/// How many descriptors the process's table has room for.
#[inline(always)]
fn descriptors(task: u64) -> u32 {
    let table = pointer(pointer(task + offset!(task_files)) + offset!(files_fdt));
    let count = number(table + offset!(fdtable_max_fds));
    if count > MAX_DESCRIPTORS { MAX_DESCRIPTORS } else { count }
}
