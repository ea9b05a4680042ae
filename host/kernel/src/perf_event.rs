//! Opening perf events.
#![allow(unsafe_code, reason = "nothing that serin depends on can open such events")]

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};

/// `struct perf_event_attr` up to its third version, which has the clock.
///
/// <https://elixir.bootlin.com/linux/v6.12/source/include/uapi/linux/perf_event.h#L379>
#[repr(C)]
#[derive(Default)]
pub(crate) struct Attributes {
    pub(crate) kind: u32,
    /// Filled in by [`open`].
    pub(crate) size: u32,
    pub(crate) config: u64,
    pub(crate) sample_period: u64,
    pub(crate) sample_type: u64,
    pub(crate) read_format: u64,
    pub(crate) flags: u64,
    pub(crate) wakeup: u32,
    pub(crate) breakpoint_type: u32,
    pub(crate) config1: u64,
    pub(crate) config2: u64,
    pub(crate) branch_sample_type: u64,
    pub(crate) sample_regs_user: u64,
    pub(crate) sample_stack_user: u32,
    pub(crate) clock: i32,
}

/// Opens an event of all processes on a processor: <https://man7.org/linux/man-pages/man2/perf_event_open.2.html>
///
/// # Safety
/// Addresses in the attributes must be valid.
pub(crate) unsafe fn open(attributes: Attributes, cpu: u32) -> io::Result<OwnedFd> {
    /// `PERF_FLAG_FD_CLOEXEC`
    const CLOSE_ON_EXEC: libc::c_ulong = 1 << 3;
    let attributes = Attributes { size: size_of::<Attributes>() as u32, ..attributes };
    // SAFETY: the attributes have the size that they say; the caller vouches for what they point to.
    let event = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            -1,
            cpu as libc::c_int,
            -1,
            CLOSE_ON_EXEC,
        )
    };
    let event = i32::try_from(event).ok().filter(|event| *event >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the call has just given it to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(event) })
}
