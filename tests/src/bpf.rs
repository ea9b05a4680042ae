//! The few bpf system calls that the tests need: <https://man7.org/linux/man-pages/man2/bpf.2.html>.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const MAP_CREATE: libc::c_int = 0;
const PROG_LOAD: libc::c_int = 5;
const PROG_GET_NEXT_ID: libc::c_int = 11;
const RAW_TRACEPOINT_OPEN: libc::c_int = 17;
const LINK_CREATE: libc::c_int = 28;
const LINK_GET_NEXT_ID: libc::c_int = 31;

/// A program type with its attach type.
pub(crate) type Kind = (u32, u32);
/// `BPF_PROG_TYPE_TRACING`, `BPF_TRACE_FENTRY`
pub(crate) const FENTRY: Kind = (26, 24);
/// `BPF_PROG_TYPE_LSM`, `BPF_LSM_MAC`
pub(crate) const LSM: Kind = (29, 27);

/// `BPF_PROG_TYPE_SOCKET_FILTER`, which has no attach type
const SOCKET_FILTER: Kind = (1, 0);

/// `BPF_PROG_TYPE_CGROUP_SKB`, `BPF_CGROUP_INET_EGRESS`
const CGROUP_EGRESS: Kind = (8, 1);

/// `BPF_PROG_TYPE_RAW_TRACEPOINT`, which has no attach type
const RAW_TRACEPOINT: Kind = (17, 0);

/// `BPF_PROG_TYPE_KPROBE`, which has no attach type for these
const KPROBE: Kind = (2, 0);

/// `r0 = 0; exit`
const RETURN_ZERO: [u64; 2] = [0xb7, 0x95];
/// `r0 = 1; exit`
const RETURN_ONE: [u64; 2] = [1 << 32 | 0xb7, 0x95];

/// Whether the kernel loads a program of this kind for the function with this BTF id.
pub(crate) fn loads(kind: Kind, function: u32) -> bool {
    load_empty(kind, function).is_some()
}

/// Whether the kernel loads a program that writes to a process's memory.
pub(crate) fn writes_user_memory() -> bool {
    const WRITE: [u64; 8] = [
        0x01b7,                // r1 = 0
        0xfff8_0a7a,           // *(u64 *)(r10 - 8) = 0
        0xa2bf,                // r2 = r10
        0xffff_fff8_0000_0207, // r2 += -8
        8 << 32 | 0x03b7,      // r3 = 8
        36 << 32 | 0x85,       // call bpf_probe_write_user
        RETURN_ZERO[0],
        RETURN_ZERO[1],
    ];
    load(&WRITE, KPROBE, 0, c"").is_some()
}

/// Whether the kernel loads a program that changes a register of whoever it was called in.
pub(crate) fn changes_registers() -> bool {
    const CHANGE: [u64; 3] = [
        0x017a, // *(u64 *)(r1 + 0) = 0
        RETURN_ZERO[0],
        RETURN_ZERO[1],
    ];
    load(&CHANGE, KPROBE, 0, c"").is_some()
}

/// A program that does nothing, attached until dropped.
pub(crate) struct EmptyProgram {
    _program: OwnedFd,
    _link: OwnedFd,
}

impl EmptyProgram {
    /// At the entry of the function with this BTF id, by fentry.
    pub(crate) fn at_function(function: u32) -> Option<Self> {
        Self::open(load_empty(FENTRY, function)?, std::ptr::null())
    }

    /// At a raw tracepoint.
    pub(crate) fn at_tracepoint(name: &CStr) -> Option<Self> {
        Self::open(load_empty(RAW_TRACEPOINT, 0)?, name.as_ptr())
    }

    /// On the packets that the processes of a cgroup send, which it lets pass.
    pub(crate) fn on_packets_of(cgroup: &File) -> Option<Self> {
        let program = load(&RETURN_ONE, CGROUP_EGRESS, 0, c"")?;
        let mut attributes = [0_u8; 16];
        attributes[..4].copy_from_slice(&program.as_raw_fd().to_ne_bytes()); // prog_fd
        attributes[4..8].copy_from_slice(&cgroup.as_raw_fd().to_ne_bytes()); // target_fd
        attributes[8..12].copy_from_slice(&CGROUP_EGRESS.1.to_ne_bytes()); // attach_type
        let link = owned(bpf(LINK_CREATE, &mut attributes)?);
        Some(Self { _program: program, _link: link })
    }

    fn open(program: OwnedFd, name: *const libc::c_char) -> Option<Self> {
        let mut attributes = [0_u8; 16];
        attributes[..8].copy_from_slice(&(name as u64).to_ne_bytes()); // name
        attributes[8..12].copy_from_slice(&program.as_raw_fd().to_ne_bytes()); // prog_fd
        let link = owned(bpf(RAW_TRACEPOINT_OPEN, &mut attributes)?);
        Some(Self { _program: program, _link: link })
    }
}

fn load_empty(kind: Kind, function: u32) -> Option<OwnedFd> {
    load(&RETURN_ZERO, kind, function, c"")
}

/// Whether the kernel loads a program that does nothing under this name.
pub(crate) fn load_named(name: &CStr) -> bool {
    load(&RETURN_ZERO, SOCKET_FILTER, 0, name).is_some()
}

/// Whether the kernel makes a map under this name: an array of three entries of eight bytes.
pub(crate) fn make_map(name: &CStr) -> bool {
    let mut attributes = [0_u8; 48];
    for (index, number) in [2_u32, 4, 8, 3].into_iter().enumerate() {
        // map_type, key_size, value_size, max_entries
        attributes[4 * index..4 * index + 4].copy_from_slice(&number.to_ne_bytes());
    }
    attributes[28..28 + name.count_bytes()].copy_from_slice(name.to_bytes()); // map_name
    bpf(MAP_CREATE, &mut attributes).map(owned).is_some()
}

fn load(instructions: &[u64], kind: Kind, function: u32, name: &CStr) -> Option<OwnedFd> {
    let license = c"GPL";
    let mut attributes = [0_u8; 128];
    let mut put = |at: usize, value: &[u8]| attributes[at..at + value.len()].copy_from_slice(value);
    put(0, &kind.0.to_ne_bytes()); // prog_type
    put(4, &u32::try_from(instructions.len()).unwrap_or(0).to_ne_bytes()); // insn_cnt
    put(8, &(instructions.as_ptr() as u64).to_ne_bytes()); // insns
    put(16, &(license.as_ptr() as u64).to_ne_bytes()); // license
    put(48, name.to_bytes()); // prog_name
    put(68, &kind.1.to_ne_bytes()); // expected_attach_type
    put(108, &function.to_ne_bytes()); // attach_btf_id
    bpf(PROG_LOAD, &mut attributes).map(owned)
}

fn owned(fd: libc::c_int) -> OwnedFd {
    // SAFETY: the kernel has just made this file descriptor for us, and nobody else knows it.
    #[allow(unsafe_code, reason = "a raw system call returns a raw file descriptor")]
    unsafe {
        OwnedFd::from_raw_fd(fd)
    }
}

/// The ids of all programs and links in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loaded {
    programs: BTreeSet<u32>,
    links: BTreeSet<u32>,
}

impl Loaded {
    /// What is there now.
    pub(crate) fn now() -> Self {
        Self { programs: ids(PROG_GET_NEXT_ID), links: ids(LINK_GET_NEXT_ID) }
    }

    /// How many programs and links are here that `before` lacks.
    pub(crate) fn added_since(&self, before: &Self) -> (usize, usize) {
        (self.programs.difference(&before.programs).count(), self.links.difference(&before.links).count())
    }
}

fn ids(command: libc::c_int) -> BTreeSet<u32> {
    let mut ids = BTreeSet::new();
    let mut attributes = [0_u8; 12];
    while bpf(command, &mut attributes).is_some() {
        let next = [attributes[4], attributes[5], attributes[6], attributes[7]];
        ids.insert(u32::from_ne_bytes(next));
        attributes[..4].copy_from_slice(&next);
    }
    ids
}

fn bpf(command: libc::c_int, attributes: &mut [u8]) -> Option<libc::c_int> {
    // SAFETY: the kernel reads and writes within the given length, and every pointer in it is to live memory.
    #[allow(unsafe_code, reason = "there is no safe wrapper for bpf(2)")]
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_mut_ptr(), attributes.len()) };
    libc::c_int::try_from(result).ok().filter(|&result| result >= 0)
}
