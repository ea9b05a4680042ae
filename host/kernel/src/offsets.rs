//! Resolves the offsets that the kernel programs need.

use serin_abi::Offsets;
use serin_abi::identity::NAMESPACES;
use serin_btf::{Btf, BtfError};

/// Looks up every field of [`Offsets`].
///
/// # Errors
/// Names the field that this kernel lacks.
pub(crate) fn resolve(btf: &Btf) -> Result<Offsets, BtfError> {
    let at = |structure: &str, path: &str| btf.field(structure, path).map(|field| field.offset);
    // entry_64.S puts the arguments of a system call into these.
    let mut syscall_argument = [0; 6];
    for (offset, register) in syscall_argument.iter_mut().zip(["di", "si", "dx", "r10", "r8", "r9"]) {
        *offset = at("pt_regs", register)?;
    }
    Ok(Offsets {
        task_tgid: at("task_struct", "tgid")?,
        task_pid: at("task_struct", "pid")?,
        task_start_boottime: at("task_struct", "start_boottime")?,
        task_group_leader: at("task_struct", "group_leader")?,
        task_real_parent: at("task_struct", "real_parent")?,
        task_mm: at("task_struct", "mm")?,
        task_fs: at("task_struct", "fs")?,
        task_files: at("task_struct", "files")?,
        task_cred: at("task_struct", "cred")?,
        task_loginuid: login_uid(btf),
        task_exit_code: at("task_struct", "exit_code")?,
        task_thread_info_status: at("task_struct", "thread_info.status")?,
        task_signal: at("task_struct", "signal")?,
        signal_live: at("signal_struct", "live")?,
        task_thread_pid: at("task_struct", "thread_pid")?,
        pid_level: at("pid", "level")?,
        pid_numbers: at("pid", "numbers")?,
        upid_nr: at("upid", "nr")?,
        upid_ns: at("upid", "ns")?,
        mm_arg_start: at("mm_struct", "arg_start")?,
        mm_arg_end: at("mm_struct", "arg_end")?,
        mm_exe_file: at("mm_struct", "exe_file")?,
        fs_root: at("fs_struct", "root")?,
        fs_pwd: at("fs_struct", "pwd")?,
        files_fdt: at("files_struct", "fdt")?,
        fdtable_max_fds: at("fdtable", "max_fds")?,
        fdtable_fd: at("fdtable", "fd")?,
        filename_name: at("filename", "name")?,
        binprm_file: at("linux_binprm", "file")?,
        path_mnt: at("path", "mnt")?,
        path_dentry: at("path", "dentry")?,
        file_f_path: at("file", "f_path")?,
        file_f_inode: at("file", "f_inode")?,
        inode_i_mode: at("inode", "i_mode")?,
        dentry_d_parent: at("dentry", "d_parent")?,
        dentry_d_inode: at("dentry", "d_inode")?,
        dentry_d_hash_pprev: at("dentry", "d_hash.pprev")?,
        dentry_d_name_name: at("dentry", "d_name.name")?,
        dentry_d_name_len: at("dentry", "d_name.len")?,
        vfsmount_mnt_root: at("vfsmount", "mnt_root")?,
        mount_mnt: at("mount", "mnt")?,
        mount_mnt_parent: at("mount", "mnt_parent")?,
        mount_mnt_mountpoint: at("mount", "mnt_mountpoint")?,
        cred_uid: at("cred", "uid")?,
        cred_gid: at("cred", "gid")?,
        cred_euid: at("cred", "euid")?,
        cred_egid: at("cred", "egid")?,
        cred_user_ns: at("cred", "user_ns")?,
        cred_capabilities: [
            at("cred", "cap_permitted")?,
            at("cred", "cap_effective")?,
            at("cred", "cap_inheritable")?,
        ],
        task_nsproxy: at("task_struct", "nsproxy")?,
        nsproxy: NAMESPACE_FIELDS.map(|(pointer, _)| optional(btf, "nsproxy", pointer)),
        inum: NAMESPACE_FIELDS.map(|(_, structure)| optional(btf, structure, "ns.inum")),
        syscall_argument,
    })
}

/// Kernels without CONFIG_AUDIT have no login uids.
fn login_uid(btf: &Btf) -> u32 {
    optional(btf, "task_struct", "loginuid")
}

/// For each kind of namespace its pointer in `nsproxy` and its structure. Pid and User are found otherwise.
const NAMESPACE_FIELDS: [(&str, &str); NAMESPACES] = [
    ("uts_ns", "uts_namespace"),
    ("ipc_ns", "ipc_namespace"),
    ("mnt_ns", "mnt_namespace"),
    ("", "pid_namespace"),
    ("pid_ns_for_children", "pid_namespace"),
    ("net_ns", "net"),
    ("time_ns", "time_namespace"),
    ("time_ns_for_children", "time_namespace"),
    ("cgroup_ns", "cgroup_namespace"),
    ("", "user_namespace"),
];

fn optional(btf: &Btf, structure: &str, path: &str) -> u32 {
    btf.field(structure, path).map_or(serin_abi::NO_FIELD, |field| field.offset)
}
