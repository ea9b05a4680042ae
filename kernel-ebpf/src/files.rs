//! Arguments that name files: by file, descriptor, path, directory entry or the program being executed.

use serin_abi::config::{READ_DENTRY, READ_DESCRIPTOR, READ_KIOCB};
use serin_abi::record::{ARGUMENT_INCOMPLETE, KIND_BINPRM, KIND_PATH};

use crate::memory::{number, pointer, short};
use crate::process::{read_dentry, read_path};
use crate::scratch::Slot;
use crate::{offset, task};

/// The bits of a mode that say what kind of file it is.
const S_IFMT: u16 = 0o170_000;

/// Reads the path and mode of a file; false if there is none to read.
///
/// A number that is no open file's is no failure: its path is empty.
#[inline(always)]
pub fn load(to: *mut Slot, kind: u32, read: u32, value: u64) -> bool {
    if read == READ_DENTRY {
        return load_dentry(to, value);
    }
    let path = match (kind, read) {
        (KIND_PATH, _) => value,
        (KIND_BINPRM, _) => pointer(value + offset!(binprm_file)) + offset!(file_f_path),
        (_, READ_KIOCB) => pointer(value + offset!(kiocb_ki_filp)) + offset!(file_f_path),
        (_, READ_DESCRIPTOR) => open_file(task::current(), value as u32) + offset!(file_f_path),
        _ => value + offset!(file_f_path),
    };
    let dentry = pointer(path + offset!(path_dentry));
    if dentry == 0 {
        // SAFETY: a pointer to a map value.
        unsafe {
            (*to).start = 0;
            (*to).integer = 0;
        }
        return read == READ_DESCRIPTOR;
    }
    let incomplete = read_path(to, path, task::current());
    describe(to, dentry, incomplete);
    true
}

#[inline(always)]
fn load_dentry(to: *mut Slot, dentry: u64) -> bool {
    if pointer(dentry + offset!(dentry_d_parent)) == 0 {
        return false;
    }
    let incomplete = read_dentry(to, dentry);
    describe(to, dentry, incomplete);
    true
}

#[inline(always)]
fn describe(to: *mut Slot, dentry: u64, incomplete: u8) {
    let inode = pointer(dentry + offset!(dentry_d_inode));
    let mode = short(inode + offset!(inode_i_mode));
    // SAFETY: a pointer to a map value.
    unsafe {
        (*to).header.mode = mode;
        // What `FileType` compares.
        (*to).integer = u64::from(mode & S_IFMT);
        (*to).header.flags = ARGUMENT_INCOMPLETE * incomplete;
    }
}

/// Address of a process's open file with this number; 0 if there is none.
#[inline(always)]
pub fn open_file(task: u64, descriptor: u32) -> u64 {
    let table = pointer(pointer(task + offset!(task_files)) + offset!(files_fdt));
    let entry = pointer(table + offset!(fdtable_fd)) + 8 * u64::from(descriptor);
    let there = descriptor < number(table + offset!(fdtable_max_fds));
    pointer(entry) * u64::from(there)
}
