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
mod tests {
    extern crate std;
    use core::cell::RefCell;
    use std::collections::HashMap;
    use std::string::String;
    use std::vec::Vec;

    use super::*;

    static OFFSETS: Offsets = {
        // SAFETY: every field is an integer.
        let mut offsets: Offsets = unsafe { core::mem::zeroed() };
        offsets.path_dentry = 8;
        offsets.dentry_d_parent = 0x10;
        offsets.dentry_d_hash_pprev = 0x30;
        offsets.dentry_d_name_len = 0x18;
        offsets.dentry_d_name_name = 0x20;
        offsets.mount_mnt = 0x40;
        offsets.mount_mnt_parent = 0x8;
        offsets.mount_mnt_mountpoint = 0x10;
        offsets.dentry_d_inode = 0x50;
        offsets.dentry_d_op = 0x58;
        offsets.dentry_operations_d_dname = 0x60;
        offsets.inode_i_mode = 0x70;
        offsets
    };

    /// A kernel of words and names, and a buffer.
    #[derive(Default)]
    struct Kernel {
        words: HashMap<u64, u64>,
        names: HashMap<u64, Vec<u8>>,
        buffer: RefCell<Vec<u8>>,
    }

    impl Kernel {
        fn dentry(&mut self, address: u64, parent: u64, name: &str) {
            self.words.insert(address + 0x10, parent);
            self.words.insert(address + 0x18, name.len() as u64);
            self.words.insert(address + 0x20, address + 0x100);
            self.words.insert(address + 0x30, 1);
            self.names.insert(address + 0x100, name.into());
        }

        /// `address` is that of `struct mount`.
        fn mount(&mut self, address: u64, root: u64, parent: u64, mountpoint: u64) {
            self.words.insert(address + 0x40, root);
            self.words.insert(address + 0x8, parent);
            self.words.insert(address + 0x10, mountpoint);
        }

        fn path(&mut self, address: u64, dentry: u64, mount: u64) {
            self.words.insert(address, mount + 0x40);
            self.words.insert(address + 8, dentry);
        }

        fn walk(&self, path: u64, root: u64) -> (String, bool) {
            *self.buffer.borrow_mut() = std::vec![0; MAX_STRING + 264];
            let mut state = Walk::default();
            walk(path, root, &mut state, self);
            self.result(state)
        }

        fn walk_dentry(&self, dentry: u64) -> (String, bool) {
            *self.buffer.borrow_mut() = std::vec![0; MAX_STRING + 264];
            let mut state = Walk::default();
            walk_dentry(dentry, &mut state, self);
            self.result(state)
        }

        fn result(&self, state: Walk) -> (String, bool) {
            let bytes = self.buffer.borrow()[state.start as usize..MAX_STRING].to_vec();
            (String::from_utf8(bytes).expect("names are ASCII"), state.complete == 1)
        }
    }

    impl Memory for &Kernel {
        fn pointer(&self, address: u64) -> u64 {
            self.words.get(&address).copied().unwrap_or(0)
        }
        fn number(&self, address: u64) -> u32 {
            self.pointer(address) as u32
        }
        fn copy_name(&self, to: u32, from: u64) -> Option<u32> {
            let name = self.names.get(&from)?;
            let to = to as usize;
            self.buffer.borrow_mut()[to..to + name.len()].copy_from_slice(name);
            self.buffer.borrow_mut()[to + name.len()] = 0;
            Some(name.len() as u32)
        }
        fn put(&self, at: u32, byte: u8) {
            self.buffer.borrow_mut()[at as usize] = byte;
        }
        fn offsets(&self) -> &'static Offsets {
            &OFFSETS
        }
    }

    /// `/` on mount 0x10000; `/mnt` carries mount 0x20000 with `a/b` in it.
    fn kernel() -> Kernel {
        let mut kernel = Kernel::default();
        kernel.dentry(0x1000, 0x1000, "/");
        kernel.dentry(0x2000, 0x1000, "mnt");
        kernel.dentry(0x3000, 0x3000, "/");
        kernel.dentry(0x4000, 0x3000, "a");
        kernel.dentry(0x5000, 0x4000, "b");
        kernel.mount(0x10000, 0x1000, 0x10000, 0x1000);
        kernel.mount(0x20000, 0x3000, 0x10000, 0x2000);
        kernel.path(0x100, 0x1000, 0x10000);
        kernel
    }

    #[test]
    fn paths_cross_mounts_and_stop_at_the_root() {
        let cases = [
            (0x1000, 0x10000, 0x100, "/", true),
            (0x2000, 0x10000, 0x100, "/mnt", true),
            (0x3000, 0x20000, 0x100, "/mnt", true),
            (0x5000, 0x20000, 0x100, "/mnt/a/b", true),
        ];
        for (dentry, mount, root, expected, complete) in cases {
            let mut kernel = kernel();
            kernel.path(0x200, dentry, mount);
            assert_eq!(kernel.walk(0x200, root), (expected.into(), complete), "dentry {dentry:#x}");
        }
    }

    #[test]
    fn a_removed_file_is_marked_as_the_kernel_does() {
        let mut kernel = kernel();
        kernel.path(0x200, 0x5000, 0x20000);
        kernel.words.insert(0x5030, 0);
        assert_eq!(kernel.walk(0x200, 0x100), ("/mnt/a/b (deleted)".into(), true));
        // Roots are never in the hash table, nor is what cannot be read.
        kernel.words.insert(0x1030, 0);
        kernel.path(0x200, 0x1000, 0x10000);
        assert_eq!(kernel.walk(0x200, 0x100), ("/".into(), true));
        kernel.path(0x200, 0x9000, 0x20000);
        assert_eq!(kernel.walk(0x200, 0x100), ("/".into(), false));
    }

    #[test]
    fn a_file_that_was_never_in_a_directory_has_its_name() {
        let mut kernel = kernel();
        kernel.dentry(0x6000, 0x6000, "memfd:x");
        kernel.words.extend([(0x6030, 0), (0x6050, 0x7000), (0x6058, 0x8000), (0x8060, 1)]);
        kernel.path(0x200, 0x6000, 0x20000);
        for (mode, expected, complete) in [
            (0o100_777, "/memfd:x (deleted)", true),
            // A pipe or a socket: what the kernel makes of their names is in no memory.
            (0o010_600, "/", false),
        ] {
            kernel.words.insert(0x7070, mode);
            assert_eq!(kernel.walk(0x200, 0x100), (expected.into(), complete), "mode {mode:o}");
        }
        // Without operations of its own it is the root of a file system that is mounted nowhere.
        kernel.words.extend([(0x7070, 0o100_777), (0x6058, 0)]);
        assert_eq!(kernel.walk(0x200, 0x100), ("/".into(), false));
    }

    #[test]
    fn a_dentry_is_named_within_its_file_system() {
        let mut kernel = kernel();
        for (dentry, expected, complete) in
            [(0x5000, "/a/b", true), (0x3000, "/", true), (0x2000, "/mnt", true), (0x9000, "/", false)]
        {
            assert_eq!(kernel.walk_dentry(dentry), (expected.into(), complete), "dentry {dentry:#x}");
        }
        kernel.words.insert(0x5030, 0);
        assert_eq!(kernel.walk_dentry(0x5000), ("/a/b (deleted)".into(), true));
    }

    #[test]
    fn a_changed_root_cuts_the_path() {
        let mut kernel = kernel();
        kernel.path(0x100, 0x4000, 0x20000);
        kernel.path(0x200, 0x5000, 0x20000);
        assert_eq!(kernel.walk(0x200, 0x100), ("/b".into(), true));
    }

    #[test]
    fn unreadable_memory_leaves_an_incomplete_path() {
        let mut kernel = kernel();
        kernel.words.remove(&0x4010);
        kernel.path(0x200, 0x5000, 0x20000);
        assert_eq!(kernel.walk(0x200, 0x100), ("/b".into(), false));
        assert_eq!(kernel.walk(0x900, 0x100), ("/".into(), false));
    }

    #[test]
    fn a_path_that_does_not_fit_is_incomplete() {
        let mut kernel = kernel();
        let name = "n".repeat(200);
        let deepest = (0..30).fold(0x3000, |parent, depth| {
            let address = 0x10_0000 + depth * 0x1000;
            kernel.dentry(address, parent, &name);
            address
        });
        kernel.path(0x200, deepest, 0x20000);
        let (path, complete) = kernel.walk(0x200, 0x100);
        assert!(!complete);
        assert_eq!(path.len(), 20 * 201, "as many names as fit");
    }
}
