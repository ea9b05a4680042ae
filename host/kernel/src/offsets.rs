//! Resolves the offsets that the kernel programs need.

use serin_abi::identity::NAMESPACES;
use serin_abi::{NO_FIELD, Offsets};
use serin_btf::{Btf, BtfError};

/// Looks up every field of [`Offsets`].
///
/// # Errors
/// Names the field that this kernel lacks.
pub(crate) fn resolve(btf: &Btf) -> Result<Offsets, BtfError> {
    let at = |structure: &str, path: &str| btf.field(structure, path).map(|field| field.offset);
    let sec_path = sec_path(btf);
    // entry_64.S puts the arguments of a system call into these.
    let mut syscall_argument = [0; 6];
    for (offset, register) in syscall_argument.iter_mut().zip(["di", "si", "dx", "r10", "r8", "r9"]) {
        *offset = at("pt_regs", register)?;
    }
    // entry_64_compat.S
    let mut compat_argument = [0; 6];
    for (offset, register) in compat_argument.iter_mut().zip(["bx", "cx", "dx", "si", "di", "bp"]) {
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
        task_loginuid: optional(btf, "task_struct", "loginuid"),
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
        dentry_d_op: at("dentry", "d_op")?,
        dentry_operations_d_dname: at("dentry_operations", "d_dname")?,
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
        syscall_number: at("pt_regs", "orig_ax")?,
        cred_user_ns: at("cred", "user_ns")?,
        cred_capabilities: [
            at("cred", "cap_permitted")?,
            at("cred", "cap_effective")?,
            at("cred", "cap_inheritable")?,
        ],
        task_nsproxy: at("task_struct", "nsproxy")?,
        nsproxy: NAMESPACE_FIELDS.map(|(pointer, _)| optional(btf, "nsproxy", pointer)),
        inum: NAMESPACE_FIELDS.map(|(_, structure)| optional(btf, structure, "ns.inum")),
        sock_family: at("sock", "__sk_common.skc_family")?,
        sock_state: at("sock", "__sk_common.skc_state")?,
        sock_rcv_saddr: at("sock", "__sk_common.skc_rcv_saddr")?,
        sock_daddr: at("sock", "__sk_common.skc_daddr")?,
        sock_v6_rcv_saddr: optional(btf, "sock", "__sk_common.skc_v6_rcv_saddr"),
        sock_v6_daddr: optional(btf, "sock", "__sk_common.skc_v6_daddr"),
        sock_num: at("sock", "__sk_common.skc_num")?,
        sock_dport: at("sock", "__sk_common.skc_dport")?,
        sock_type: at("sock", "sk_type")?,
        sock_protocol: at("sock", "sk_protocol")?,
        sock_mark: at("sock", "sk_mark")?,
        sock_priority: at("sock", "sk_priority")?,
        socket_sk: at("socket", "sk")?,
        skb_head: at("sk_buff", "head")?,
        skb_network_header: at("sk_buff", "network_header")?,
        skb_hash: at("sk_buff", "hash")?,
        skb_len: at("sk_buff", "len")?,
        skb_mark: at("sk_buff", "mark")?,
        skb_priority: at("sk_buff", "priority")?,
        skb_extensions: sec_path.extensions,
        skb_ext_sec_path: sec_path.place,
        skb_active_extensions: sec_path.active,
        skb_sec_path_bit: sec_path.bit,
        sec_path_len: sec_path.len,
        sec_path_olen: sec_path.olen,
        kiocb_ki_filp: at("kiocb", "ki_filp")?,
        iter_type: at("iov_iter", "iter_type")?,
        iter_offset: at("iov_iter", "iov_offset")?,
        iter_count: at("iov_iter", "count")?,
        iter_iov: at("iov_iter", "__iov").or_else(|_| at("iov_iter", "iov"))?,
        iter_ubuf: at("iov_iter", "ubuf").or_else(|_| at("iov_iter", "iov"))?,
        iter_is_ubuf: iterator(btf, "ITER_UBUF"),
        iter_is_iovec: iterator(btf, "ITER_IOVEC"),
        cgroup_kn: optional(btf, "cgroup", "kn"),
        cgroup_root: optional(btf, "cgroup", "root"),
        cgroup_self_parent: optional(btf, "cgroup", "self.parent"),
        cgroup_root_hierarchy_id: optional(btf, "cgroup_root", "hierarchy_id"),
        cgroup_subsys_state_cgroup: optional(btf, "cgroup_subsys_state", "cgroup"),
        kernfs_node_id: optional(btf, "kernfs_node", "id"),
        kernfs_node_name: optional(btf, "kernfs_node", "name"),
        syscall_argument,
        compat_argument,
    })
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

/// Where a packet's `sec_path` lies.
struct SecPath {
    extensions: u32,
    place: u32,
    active: u32,
    bit: u32,
    len: u32,
    olen: u32,
}

/// Kernels without CONFIG_XFRM keep none.
fn sec_path(btf: &Btf) -> SecPath {
    let find = || {
        let at = |structure: &str, path: &str| Some(btf.field(structure, path).ok()?.offset);
        let bit = u32::try_from(btf.enumerator("skb_ext_id", "SKB_EXT_SEC_PATH")?).ok()?;
        Some(SecPath {
            extensions: at("sk_buff", "extensions")?,
            place: at("skb_ext", "offset")? + bit,
            active: at("sk_buff", "active_extensions")?,
            bit,
            len: at("sec_path", "len")?,
            olen: at("sec_path", "olen")?,
        })
    };
    find().unwrap_or(SecPath { extensions: NO_FIELD, place: 0, active: 0, bit: 0, len: 0, olen: 0 })
}

/// The number of a type of `struct iov_iter`.
fn iterator(btf: &Btf, name: &str) -> u32 {
    btf.enumerator("iter_type", name).and_then(|number| u32::try_from(number).ok()).unwrap_or(NO_FIELD)
}

/// A field that some kernels are built without.
fn optional(btf: &Btf, structure: &str, path: &str) -> u32 {
    btf.field(structure, path).map_or(NO_FIELD, |field| field.offset)
}
