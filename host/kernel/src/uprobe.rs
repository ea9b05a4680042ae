//! Attaching programs to places in files, with counters that tell the program whether somebody looks.
#![allow(unsafe_code, reason = "nothing that serin depends on can open such an event")]

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use aya_obj::generated::{bpf_attach_type, bpf_cmd};

use crate::bpf;
use crate::perf_event::{self, Attributes};

/// A place in a file where code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CodePlace {
    /// Bytes from the start of the file.
    pub(crate) offset: u64,
    /// Where in the file a counter is that the kernel keeps while something is attached; 0 if there is none.
    pub(crate) counter: u64,
}

/// The kind of event, and where it takes the counter's place from.
const PMU: &str = "/sys/bus/event_source/devices/uprobe";

/// Where the counter's place stands in `config`: `ref_ctr_offset` of the event's format.
const COUNTER_SHIFT: u32 = 32;

/// Has a program called at a place with a counter, for all processes that run the file, until the link is closed
/// (`BPF_LINK_CREATE` of perf events, Linux 5.15).
pub(crate) fn attach(program: BorrowedFd<'_>, path: &Path, place: CodePlace) -> io::Result<OwnedFd> {
    let kind = fs::read_to_string(format!("{PMU}/type"))?;
    let kind = kind.trim().parse().map_err(io::Error::other)?;
    let path = CString::new(path.as_os_str().as_bytes())?;
    let counter =
        u32::try_from(place.counter).map_err(|_| io::Error::other("the counter is behind 4 GiB"))?;
    let attributes = Attributes {
        kind,
        config: u64::from(counter) << COUNTER_SHIFT,
        config1: path.as_ptr() as u64,
        config2: place.offset,
        ..Attributes::default()
    };
    // Of all processes, wherever they run: the processor does not matter to it.
    // SAFETY: the path lives as long as the call.
    let event = unsafe { perf_event::open(attributes, 0) }?;
    let mut attributes = bpf::zeroed();
    // SAFETY: any bytes are a valid value.
    let link = unsafe { &mut attributes.link_create };
    link.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    link.__bindgen_anon_2.target_fd = event.as_raw_fd() as u32;
    link.attach_type = bpf_attach_type::BPF_PERF_EVENT as u32;
    // SAFETY: the attributes hold no addresses. The link keeps the event.
    unsafe { bpf::call(bpf_cmd::BPF_LINK_CREATE, &mut attributes) }.and_then(bpf::descriptor)
}
