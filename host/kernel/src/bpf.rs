//! The calls of bpf(2) that aya does not make: <https://man7.org/linux/man-pages/man2/bpf.2.html>.
#![allow(unsafe_code, reason = "nothing that serin depends on makes these calls")]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use aya_obj::Function;
use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_prog_type};

/// Times that the kernel may ask to be asked again, as libbpf allows.
const TRIES: usize = 5;

/// A program to be loaded.
pub(crate) struct ProgramCode<'c> {
    pub(crate) name: &'static str,
    pub(crate) license: &'c CStr,
    pub(crate) function: &'c Function,
    /// The BTF that its functions' types are in.
    pub(crate) types: Option<&'c OwnedFd>,
}

/// Loads a program that is to be attached to many kernel functions. The verifier writes to the log, if it is not empty.
pub(crate) fn load(code: &ProgramCode<'_>, log: &mut [u8]) -> io::Result<OwnedFd> {
    let (function, instructions) = (code.function, &code.function.instructions);
    let (functions, lines) = (function.func_info.func_info_bytes(), function.line_info.line_info_bytes());
    let mut attributes = zeroed();
    // SAFETY: any bytes are a valid value.
    let load = unsafe { &mut attributes.__bindgen_anon_3 };
    load.prog_type = bpf_prog_type::BPF_PROG_TYPE_KPROBE as u32;
    load.expected_attach_type = bpf_attach_type::BPF_TRACE_KPROBE_MULTI as u32;
    load.insns = instructions.as_ptr() as u64;
    load.insn_cnt = instructions.len() as u32;
    load.license = code.license.as_ptr() as u64;
    // The kernel wants a NUL behind it.
    let room = load.prog_name.len() - 1;
    for (to, byte) in load.prog_name[..room].iter_mut().zip(code.name.bytes()) {
        *to = byte as _;
    }
    if let Some(types) = code.types {
        load.prog_btf_fd = types.as_raw_fd() as u32;
        load.func_info = functions.as_ptr() as u64;
        load.func_info_cnt = function.func_info.len() as u32;
        load.func_info_rec_size = function.func_info_rec_size as u32;
        load.line_info = lines.as_ptr() as u64;
        load.line_info_cnt = function.line_info.len() as u32;
        load.line_info_rec_size = function.line_info_rec_size as u32;
    }
    if !log.is_empty() {
        load.log_level = 1;
        load.log_buf = log.as_mut_ptr() as u64;
        load.log_size = log.len() as u32;
    }
    let mut tries = 0;
    loop {
        tries += 1;
        // SAFETY: all that the attributes point to lives as long as the call, and is as long as they say.
        match unsafe { call(bpf_cmd::BPF_PROG_LOAD, &mut attributes) } {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && tries < TRIES => {}
            loaded => return loaded.and_then(descriptor),
        }
    }
}

/// Loads BTF.
pub(crate) fn load_types(types: &[u8]) -> io::Result<OwnedFd> {
    let mut attributes = zeroed();
    // SAFETY: any bytes are a valid value.
    let load = unsafe { &mut attributes.__bindgen_anon_7 };
    load.btf = types.as_ptr() as u64;
    load.btf_size = types.len() as u32;
    // SAFETY: the bytes live as long as the call, which is told how many there are.
    unsafe { call(bpf_cmd::BPF_BTF_LOAD, &mut attributes) }.and_then(descriptor)
}

/// Pins a link on the bpffs.
pub(crate) fn pin(link: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attributes = zeroed();
    // SAFETY: any bytes are a valid value.
    let object = unsafe { &mut attributes.__bindgen_anon_4 };
    object.pathname = path.as_ptr() as u64;
    object.bpf_fd = link.as_raw_fd() as u32;
    // SAFETY: the path lives as long as the call.
    unsafe { call(bpf_cmd::BPF_OBJ_PIN, &mut attributes) }.map(drop)
}

/// No attributes.
pub(crate) fn zeroed() -> bpf_attr {
    // SAFETY: any bytes are a valid value.
    unsafe { std::mem::zeroed() }
}

/// Makes a call; what it returns.
///
/// # Safety
/// Addresses in the attributes must be valid.
pub(crate) unsafe fn call(command: bpf_cmd, attributes: &mut bpf_attr) -> io::Result<libc::c_long> {
    // SAFETY: the attributes have the size that is given; the caller vouches for what they point to.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, command as libc::c_long, &raw mut *attributes, size_of::<bpf_attr>())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// What a call has returned, as a descriptor.
pub(crate) fn descriptor(returned: libc::c_long) -> io::Result<OwnedFd> {
    let number = RawFd::try_from(returned).map_err(io::Error::other)?;
    // SAFETY: the call has just given it to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
