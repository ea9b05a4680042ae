//! Attaching one program to many kernel functions at once (kprobe.multi).
#![allow(unsafe_code, reason = "nothing that serin depends on can make such links")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

use aya_obj::generated::{BPF_F_KPROBE_MULTI_RETURN, bpf_attach_type, bpf_cmd};

use crate::bpf;

/// When the program is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Where the function begins.
    Entry,
    /// When it returns.
    Return,
}

/// Has a program called for each of these functions, with its number as the program's cookie, until the link is closed.
///
/// # Errors
/// If the kernel cannot attach to one of them: to none then.
pub(crate) fn attach(
    program: BorrowedFd<'_>,
    functions: &[(String, u32)],
    moment: Moment,
) -> io::Result<OwnedFd> {
    // Some kernels sort the names without their cookies (before `bpf: Force cookies array to follow symbols sorting`).
    let mut functions: Vec<_> = functions.iter().collect();
    functions.sort();
    let names: Vec<CString> = functions
        .iter()
        .map(|(name, _)| CString::new(name.as_str()))
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)?;
    let addresses: Vec<u64> = names.iter().map(|name| name.as_ptr() as u64).collect();
    let cookies: Vec<u64> = functions.iter().map(|(_, cookie)| (*cookie).into()).collect();
    let mut attributes = bpf::zeroed();
    // SAFETY: any bytes are a valid value.
    let link = unsafe { &mut attributes.link_create };
    link.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    link.attach_type = bpf_attach_type::BPF_TRACE_KPROBE_MULTI as u32;
    // SAFETY: as above.
    let many = unsafe { &mut link.__bindgen_anon_3.kprobe_multi };
    many.flags = if moment == Moment::Return { BPF_F_KPROBE_MULTI_RETURN } else { 0 };
    many.cnt = names.len() as u32;
    many.syms = addresses.as_ptr() as u64;
    many.cookies = cookies.as_ptr() as u64;
    // SAFETY: both arrays, and the names, live as long as the call, and have as many entries as it is told.
    unsafe { bpf::call(bpf_cmd::BPF_LINK_CREATE, &mut attributes) }.and_then(bpf::descriptor)
}
