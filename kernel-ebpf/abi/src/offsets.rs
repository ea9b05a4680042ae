//! Where the kernel's fields lie.

use crate::identity::{CAPABILITY_SETS, NAMESPACES};

/// Stands for a field that this kernel does not have, where there is a way without.
pub const NO_FIELD: u32 = u32::MAX;

/// Byte offsets of kernel fields, resolved from BTF by the agent and read as constants by the programs.
///
/// Named `struct_field`. All are of the running kernel: no field has a default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Offsets {
    /// `task_struct.tgid`
    pub task_tgid: u32,
    /// `task_struct.pid`
    pub task_pid: u32,
    /// `task_struct.start_boottime`
    pub task_start_boottime: u32,
    /// `task_struct.group_leader`
    pub task_group_leader: u32,
    /// `task_struct.real_parent`
    pub task_real_parent: u32,
    /// `task_struct.mm`
    pub task_mm: u32,
    /// `task_struct.fs`
    pub task_fs: u32,
    /// `task_struct.files`
    pub task_files: u32,
    /// `task_struct.cred`
    pub task_cred: u32,
    /// `task_struct.loginuid`; [`NO_FIELD`] on kernels without CONFIG_AUDIT.
    pub task_loginuid: u32,
    /// `task_struct.exit_code`
    pub task_exit_code: u32,
    /// `task_struct.thread_info.status`
    pub task_thread_info_status: u32,
    /// `task_struct.signal`
    pub task_signal: u32,
    /// `signal_struct.live`
    pub signal_live: u32,
    /// `task_struct.thread_pid`
    pub task_thread_pid: u32,
    /// `pid.level`
    pub pid_level: u32,
    /// `pid.numbers`
    pub pid_numbers: u32,
    /// `upid.nr`
    pub upid_nr: u32,
    /// `upid.ns`, the last field
    pub upid_ns: u32,
    /// `mm_struct.arg_start`
    pub mm_arg_start: u32,
    /// `mm_struct.arg_end`
    pub mm_arg_end: u32,
    /// `mm_struct.exe_file`
    pub mm_exe_file: u32,
    /// `fs_struct.root`
    pub fs_root: u32,
    /// `fs_struct.pwd`
    pub fs_pwd: u32,
    /// `files_struct.fdt`
    pub files_fdt: u32,
    /// `fdtable.max_fds`
    pub fdtable_max_fds: u32,
    /// `fdtable.fd`
    pub fdtable_fd: u32,
    /// `filename.name`
    pub filename_name: u32,
    /// `linux_binprm.file`
    pub binprm_file: u32,
    /// `path.mnt`
    pub path_mnt: u32,
    /// `path.dentry`
    pub path_dentry: u32,
    /// `file.f_path`
    pub file_f_path: u32,
    /// `file.f_inode`
    pub file_f_inode: u32,
    /// `inode.i_mode`
    pub inode_i_mode: u32,
    /// `dentry.d_parent`
    pub dentry_d_parent: u32,
    /// `dentry.d_inode`
    pub dentry_d_inode: u32,
    /// `dentry.d_op`
    pub dentry_d_op: u32,
    /// `dentry_operations.d_dname`
    pub dentry_operations_d_dname: u32,
    /// `dentry.d_hash.pprev`
    pub dentry_d_hash_pprev: u32,
    /// `dentry.d_name.name`
    pub dentry_d_name_name: u32,
    /// `dentry.d_name.len`
    pub dentry_d_name_len: u32,
    /// `vfsmount.mnt_root`
    pub vfsmount_mnt_root: u32,
    /// `mount.mnt`
    pub mount_mnt: u32,
    /// `mount.mnt_parent`
    pub mount_mnt_parent: u32,
    /// `mount.mnt_mountpoint`
    pub mount_mnt_mountpoint: u32,
    /// `cred.uid`
    pub cred_uid: u32,
    /// `cred.gid`
    pub cred_gid: u32,
    /// `cred.euid`
    pub cred_euid: u32,
    /// `cred.egid`
    pub cred_egid: u32,
    /// `pt_regs.orig_ax`: the number of a system call.
    pub syscall_number: u32,
    /// `cred.user_ns`
    pub cred_user_ns: u32,
    /// `cred.cap_permitted`, `cap_effective`, `cap_inheritable`: [`crate::identity`] numbers them.
    pub cred_capabilities: [u32; CAPABILITY_SETS],
    /// `task_struct.nsproxy`
    pub task_nsproxy: u32,
    /// The pointer in `nsproxy` to each kind of namespace; [`NO_FIELD`] for those that are found otherwise.
    pub nsproxy: [u32; NAMESPACES],
    /// Each kind's `ns.inum`; [`NO_FIELD`] for kinds that this kernel does not have.
    pub inum: [u32; NAMESPACES],
    /// `sock.__sk_common.skc_family`
    pub sock_family: u32,
    /// `sock.__sk_common.skc_state`
    pub sock_state: u32,
    /// `sock.__sk_common.skc_rcv_saddr`
    pub sock_rcv_saddr: u32,
    /// `sock.__sk_common.skc_daddr`
    pub sock_daddr: u32,
    /// `sock.__sk_common.skc_v6_rcv_saddr`; [`NO_FIELD`] on kernels without CONFIG_IPV6.
    pub sock_v6_rcv_saddr: u32,
    /// `sock.__sk_common.skc_v6_daddr`; [`NO_FIELD`] on kernels without CONFIG_IPV6.
    pub sock_v6_daddr: u32,
    /// `sock.__sk_common.skc_num`
    pub sock_num: u32,
    /// `sock.__sk_common.skc_dport`
    pub sock_dport: u32,
    /// `sock.sk_type`
    pub sock_type: u32,
    /// `sock.sk_protocol`
    pub sock_protocol: u32,
    /// `sock.sk_mark`
    pub sock_mark: u32,
    /// `sock.sk_priority`
    pub sock_priority: u32,
    /// `socket.sk`
    pub socket_sk: u32,
    /// `sk_buff.head`
    pub skb_head: u32,
    /// `sk_buff.network_header`
    pub skb_network_header: u32,
    /// `sk_buff.hash`
    pub skb_hash: u32,
    /// `sk_buff.len`
    pub skb_len: u32,
    /// `sk_buff.mark`
    pub skb_mark: u32,
    /// `sk_buff.priority`
    pub skb_priority: u32,
    /// `sk_buff.extensions`; [`NO_FIELD`] on kernels where packets carry no `sec_path`.
    pub skb_extensions: u32,
    /// Where `skb_ext.offset` has that of the `sec_path`, in units of eight bytes.
    pub skb_ext_sec_path: u32,
    /// `sk_buff.active_extensions`
    pub skb_active_extensions: u32,
    /// The bit of `active_extensions` that stands for the `sec_path`.
    pub skb_sec_path_bit: u32,
    /// `sec_path.len`
    pub sec_path_len: u32,
    /// `sec_path.olen`
    pub sec_path_olen: u32,
    /// `kiocb.ki_filp`
    pub kiocb_ki_filp: u32,
    /// `iov_iter.iter_type`
    pub iter_type: u32,
    /// `iov_iter.iov_offset`
    pub iter_offset: u32,
    /// `iov_iter.count`
    pub iter_count: u32,
    /// `iov_iter.__iov`, or `iov` before Linux 6.4
    pub iter_iov: u32,
    /// `iov_iter.ubuf`, or `iov` before Linux 6.0
    pub iter_ubuf: u32,
    /// `iter_type` of `ITER_UBUF`: one segment; [`NO_FIELD`] before Linux 6.0.
    pub iter_is_ubuf: u32,
    /// `iter_type` of `ITER_IOVEC`: segments of user memory
    pub iter_is_iovec: u32,
    /// `cgroup.kn`; this and the next [`NO_FIELD`] on kernels without CONFIG_CGROUPS.
    pub cgroup_kn: u32,
    /// `cgroup.root`
    pub cgroup_root: u32,
    /// `cgroup.self.parent`
    pub cgroup_self_parent: u32,
    /// `cgroup_root.hierarchy_id`
    pub cgroup_root_hierarchy_id: u32,
    /// `cgroup_subsys_state.cgroup`
    pub cgroup_subsys_state_cgroup: u32,
    /// `kernfs_node.id`
    pub kernfs_node_id: u32,
    /// `kernfs_node.name`
    pub kernfs_node_name: u32,
    /// Offsets in `pt_regs` of the registers that hold a system call's arguments, in order.
    pub syscall_argument: [u32; 6],
    /// The same for the system calls of 32-bit programs.
    pub compat_argument: [u32; 6],
}
