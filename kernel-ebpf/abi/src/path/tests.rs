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
