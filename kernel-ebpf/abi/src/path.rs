//! Paths, walked from a dentry to the root as the kernel's `prepend_path` does.
//!
//! <https://elixir.bootlin.com/linux/v6.12/source/fs/d_path.c#L96>

use crate::selector::constant;
use crate::{CONTINUE, MAX_NAME, MAX_STRING, Offsets, STOP, repeat};

/// An offset, added to an address.
#[inline(always)]
fn offset(field: &u32) -> u64 {
    u64::from(constant(field))
}

/// What follows the path of a file that has been removed but is still open, or never was in a directory.
const DELETED: &[u8; 10] = b" (deleted)";

/// Names a path can have, mounts crossed included: what fits into [`MAX_STRING`] bytes.
const MAX_STEPS: u32 = MAX_STRING as u32 / 2;

/// Kernel memory, and the buffer a path is built in.
pub trait Memory {
    /// The pointer at this address; 0 if it cannot be read.
    fn pointer(&self, address: u64) -> u64;
    /// The 32-bit number at this address; 0 if it cannot be read.
    fn number(&self, address: u64) -> u32;
    /// Copies a NUL-terminated name of at most [`MAX_NAME`] bytes to this place of the buffer, the NUL
    /// included; its length without the NUL, or `None` if it cannot be read.
    fn copy_name(&self, to: u32, from: u64) -> Option<u32>;
    /// Writes one byte of the buffer.
    fn put(&self, at: u32, byte: u8);
    /// The kernel's offsets.
    fn offsets(&self) -> &'static Offsets;
}

/// A walk; when it has ended, `start..MAX_STRING` of the buffer is the path.
///
/// In the kernel it must lie in a map: of numbers on the stack the verifier
/// follows every value they take from step to step, of those in a map none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Walk {
    /// Where the path starts.
    pub start: u32,
    /// 1 if the walk reached the root.
    pub complete: u32,
    /// Where the names end, and [`DELETED`] starts if it is there.
    end: u32,
    /// 1 if the file is in no directory: its name is all there is.
    detached: u32,
    dentry: u64,
    mount: u64,
    root_dentry: u64,
    root_mount: u64,
}

struct Step<'w, M> {
    walk: &'w mut Walk,
    memory: M,
}

/// Walks the `struct path` at `path` up to the `struct path` at `root`, or to the global root.
#[inline(always)]
pub fn walk<M: Memory>(path: u64, root: u64, walk: &mut Walk, memory: M) {
    let offsets = memory.offsets();
    let dentry = memory.pointer(path + offset(&offsets.path_dentry));
    let detached = is_detached(dentry, &memory);
    let end = MAX_STRING as u32 - put_deleted(dentry, &memory) - DELETED.len() as u32 * detached;
    *walk = Walk {
        start: end,
        complete: 0,
        end,
        detached,
        dentry,
        mount: memory.pointer(path + offset(&offsets.path_mnt)),
        root_dentry: memory.pointer(root + offset(&offsets.path_dentry)),
        root_mount: memory.pointer(root + offset(&offsets.path_mnt)),
    };
    let mut step = Step { walk, memory };
    repeat(MAX_STEPS, &mut step, next::<M>);
    finish(&mut step);
}

/// Walks from a dentry up to the root of its file system, wherever that is mounted.
#[inline(always)]
pub fn walk_dentry<M: Memory>(dentry: u64, walk: &mut Walk, memory: M) {
    let end = MAX_STRING as u32 - put_deleted(dentry, &memory);
    // One by one: to set the rest, which is not used, the compiler would call memset.
    (walk.start, walk.end, walk.dentry, walk.complete) = (end, end, dentry, 0);
    let mut step = Step { walk, memory };
    repeat(MAX_STEPS, &mut step, next_in_file_system::<M>);
    finish(&mut step);
}

/// The root itself has no name.
#[inline(always)]
fn finish<M: Memory>(step: &mut Step<'_, M>) {
    if step.walk.start == step.walk.end {
        step.walk.start = step.walk.start.wrapping_sub(1);
        step.memory.put(step.walk.start, b'/');
    }
}

/// Ends the buffer with [`DELETED`], which the names will overwrite unless the
/// dentry has been removed; how many bytes they must leave.
///
/// Removed is what `d_unlinked` says: not in the hash table, and no root.
#[inline(always)]
fn put_deleted(dentry: u64, memory: &impl Memory) -> u32 {
    let offsets = memory.offsets();
    let mut index = 0;
    while index < DELETED.len() {
        memory.put((MAX_STRING - DELETED.len() + index) as u32, DELETED[index]);
        index += 1;
    }
    let hashed = memory.pointer(dentry + offset(&offsets.dentry_d_hash_pprev));
    let parent = memory.pointer(dentry + offset(&offsets.dentry_d_parent));
    // A dentry that cannot be read has no parent.
    DELETED.len() as u32 * (1 ^ nonzero(hashed)) * nonzero(parent ^ dentry) * nonzero(parent)
}

/// 1 for a file that was never in a directory, such as one of memfd_create(2), which the kernel names by
/// `simple_dname`: a regular file on a file system that names its dentries itself.
///
/// <https://elixir.bootlin.com/linux/v6.12/source/fs/d_path.c#L318>
#[inline(always)]
fn is_detached(dentry: u64, memory: &impl Memory) -> u32 {
    const S_IFMT: u32 = 0o170_000;
    const S_IFREG: u32 = 0o100_000;
    let offsets = memory.offsets();
    let operations = memory.pointer(dentry + offset(&offsets.dentry_d_op));
    let names_itself = memory.pointer(operations + offset(&offsets.dentry_operations_d_dname));
    let parent = memory.pointer(dentry + offset(&offsets.dentry_d_parent));
    let inode = memory.pointer(dentry + offset(&offsets.dentry_d_inode));
    let mode = memory.number(inode + offset(&offsets.inode_i_mode)) & S_IFMT;
    let other = nonzero(parent ^ dentry) | nonzero(u64::from(mode ^ S_IFREG));
    nonzero(operations) * nonzero(names_itself) * (1 ^ other)
}

/// 1 for a number that is not 0, without a branch, of which the verifier would follow both ways.
#[inline(always)]
fn nonzero(number: u64) -> u32 {
    ((number | number.wrapping_neg()) >> 63) as u32
}

extern "C" fn next_in_file_system<M: Memory>(_: u32, step: &mut Step<'_, M>) -> i64 {
    let Step { walk, memory } = step;
    let parent = memory.pointer(walk.dentry + offset(&memory.offsets().dentry_d_parent));
    if parent == walk.dentry {
        walk.complete = 1;
        return STOP;
    }
    if parent == 0 || !prepend_name(walk, memory) {
        return STOP;
    }
    walk.dentry = parent;
    CONTINUE
}

extern "C" fn next<M: Memory>(_: u32, step: &mut Step<'_, M>) -> i64 {
    let Step { walk, memory } = step;
    if walk.dentry == walk.root_dentry && walk.mount == walk.root_mount {
        walk.complete = 1;
        return STOP;
    }
    if walk.dentry == 0 || walk.mount == 0 {
        return STOP;
    }
    let offsets = memory.offsets();
    let parent = memory.pointer(walk.dentry + offset(&offsets.dentry_d_parent));
    let mount_root = memory.pointer(walk.mount + offset(&offsets.vfsmount_mnt_root));
    if walk.detached == 0 && (walk.dentry == mount_root || walk.dentry == parent) {
        return leave_mount(walk, memory, walk.dentry == mount_root);
    }
    if parent == 0 || !prepend_name(walk, memory) {
        return STOP;
    }
    if walk.detached != 0 {
        walk.complete = 1;
        return STOP;
    }
    walk.dentry = parent;
    CONTINUE
}

/// Goes on at the place where the current mount is mounted.
#[inline(always)]
fn leave_mount(walk: &mut Walk, memory: &impl Memory, at_its_root: bool) -> i64 {
    let offsets = memory.offsets();
    let mount = walk.mount.wrapping_sub(offset(&offsets.mount_mnt));
    let parent = memory.pointer(mount + offset(&offsets.mount_mnt_parent));
    if !at_its_root || parent == mount || parent == 0 {
        walk.complete = u32::from(at_its_root && parent == mount);
        return STOP;
    }
    walk.dentry = memory.pointer(mount + offset(&offsets.mount_mnt_mountpoint));
    walk.mount = parent + offset(&offsets.mount_mnt);
    CONTINUE
}

/// Puts `/name` before the path so far; false if there is no room or it cannot be read.
#[inline(always)]
fn prepend_name(walk: &mut Walk, memory: &impl Memory) -> bool {
    let offsets = memory.offsets();
    let length = memory.number(walk.dentry + offset(&offsets.dentry_d_name_len)) & MAX_NAME as u32;
    let name = memory.pointer(walk.dentry + offset(&offsets.dentry_d_name_name));
    if length + 1 > walk.start || length == 0 {
        return false;
    }
    // A length that the verifier does not know the bounds of would make it check
    // everything else for every value: hence a string, whose NUL takes the place of the next slash.
    let copied = memory.copy_name(walk.start.wrapping_sub(length), name);
    if walk.start < MAX_STRING as u32 {
        // What stood here: a slash, or the space that `DELETED` starts with.
        let before_end = (walk.start.wrapping_sub(walk.end) >> 31) as u8;
        memory.put(walk.start, b' ' + (b'/' - b' ') * before_end);
    }
    // Another length: it is being renamed.
    if copied != Some(length) {
        return false;
    }
    walk.start = walk.start.wrapping_sub(length + 1);
    memory.put(walk.start, b'/');
    true
}

#[cfg(test)]
mod tests;
