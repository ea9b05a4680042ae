//! A ring of system calls, io_uring(7), for one call at a time.

use std::ffi::CString;
use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result, bail, ensure};
use rustix::net::{AddressFamily, SocketType, socket};

/// `IORING_OP_*`: <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/io_uring.h>
const OPEN_AT: u8 = 18;
const CONNECT: u8 = 16;
const READ: u8 = 22;

/// Where the parts of a ring are mapped from.
const SUBMISSIONS: i64 = 0;
const ENTRIES: i64 = 0x1000_0000;

/// `struct io_sqring_offsets` and `io_cqring_offsets`.
#[repr(C)]
#[derive(Default)]
struct Offsets {
    head: u32,
    tail: u32,
    mask: u32,
    entries: u32,
    /// Submissions: flags, dropped, the array. Completions: overflow, the entries, flags.
    rest: [u32; 4],
    user_address: u64,
}

/// `struct io_uring_params`
#[repr(C)]
#[derive(Default)]
struct Parameters {
    sq_entries: u32,
    cq_entries: u32,
    flags: u32,
    /// CPU and idle time of a thread that polls, features, descriptor of other workers, reserved.
    rest: [u32; 7],
    submissions: Offsets,
    completions: Offsets,
}

/// `struct io_uring_sqe`
#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Entry {
    opcode: u8,
    flags: u8,
    priority: u16,
    descriptor: i32,
    offset: u64,
    address: u64,
    length: u32,
    operation_flags: u32,
    rest: [u64; 4],
}

/// Why this kernel has none.
pub(crate) fn missing() -> Option<String> {
    match Ring::new() {
        Ok(_) => None,
        Err(error) => Some(format!("this kernel has no io_uring, or it is switched off: {error:#}")),
    }
}

/// Opens a file and reads a byte of it; the results.
pub(super) fn open_and_read(path: &str) -> Result<(i32, i32)> {
    let mut ring = Ring::new()?;
    let path = CString::new(path)?;
    let address = path.as_ptr() as u64;
    let descriptor = ring.call(Entry {
        opcode: OPEN_AT,
        descriptor: libc::AT_FDCWD,
        address,
        operation_flags: libc::O_RDONLY as u32,
        ..Entry::default()
    })?;
    let mut byte = [0_u8];
    let address = byte.as_mut_ptr() as u64;
    let read = ring.call(Entry { opcode: READ, descriptor, address, length: 1, ..Entry::default() })?;
    Ok((descriptor, read))
}

/// Connects a TCP socket; the result.
pub(super) fn connect(to: SocketAddrV4) -> Result<i32> {
    let mut ring = Ring::new()?;
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    let mut address = [0_u8; 16]; // struct sockaddr_in
    address[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    address[2..4].copy_from_slice(&to.port().to_be_bytes());
    address[4..8].copy_from_slice(&to.ip().octets());
    ring.call(Entry {
        opcode: CONNECT,
        descriptor: socket.as_raw_fd(),
        address: address.as_ptr() as u64,
        // The length of the address.
        offset: address.len() as u64,
        ..Entry::default()
    })
}

struct Ring {
    descriptor: OwnedFd,
    parameters: Parameters,
    submissions: *mut u8,
    entries: *mut Entry,
}

impl Ring {
    fn new() -> Result<Self> {
        let mut parameters = Parameters::default();
        #[allow(unsafe_code, reason = "rustix has io_uring behind a feature, and no more than this")]
        // SAFETY: the parameters are laid out as the kernel has them.
        let result = unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, &raw mut parameters) };
        ensure!(result >= 0, "io_uring_setup: {}", std::io::Error::last_os_error());
        #[allow(unsafe_code, reason = "the descriptor comes from a raw system call")]
        // SAFETY: the kernel has just opened it; nobody else has it.
        let descriptor = unsafe { OwnedFd::from_raw_fd(i32::try_from(result)?) };
        // `IORING_FEAT_SINGLE_MMAP`, since Linux 5.4: the completions are in the same mapping.
        let submissions = map(&descriptor, SUBMISSIONS)?;
        let entries = map(&descriptor, ENTRIES)?.cast();
        Ok(Self { descriptor, parameters, submissions, entries })
    }

    /// Makes one call and waits for its result.
    fn call(&mut self, entry: Entry) -> Result<i32> {
        let (submissions, completions) = (&self.parameters.submissions, &self.parameters.completions);
        #[allow(unsafe_code, reason = "the kernel reads and writes the mappings")]
        // SAFETY: the offsets are the kernel's, within the mappings; nobody else submits, and the kernel writes a
        // completion before it moves their tail, after which io_uring_enter returns.
        unsafe {
            let word = |offset: u32| self.submissions.add(offset as usize).cast::<u32>();
            let tail = word(submissions.tail).read_volatile();
            let place = tail & word(submissions.mask).read_volatile();
            self.entries.add(place as usize).write_volatile(entry);
            word(submissions.rest[2]).add(place as usize).write_volatile(place);
            word(submissions.tail).write_volatile(tail.wrapping_add(1));
            /// `IORING_ENTER_GETEVENTS`
            const WAIT: u32 = 1;
            let ring = self.descriptor.as_raw_fd();
            let none = std::ptr::null::<u8>();
            if libc::syscall(libc::SYS_io_uring_enter, ring, 1, 1, WAIT, none, 0) != 1 {
                bail!("io_uring_enter: {}", std::io::Error::last_os_error());
            }
            let head = word(completions.head).read_volatile();
            let place = head & word(completions.mask).read_volatile();
            // struct io_uring_cqe: 64 bits of the caller's, the result, flags.
            let result = word(completions.rest[1]).add(4 * place as usize + 2).cast::<i32>().read_volatile();
            word(completions.head).write_volatile(head.wrapping_add(1));
            Ok(result)
        }
    }
}

/// A page is enough for each part of a ring this small.
fn map(ring: &OwnedFd, from: i64) -> Result<*mut u8> {
    let protection = rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE;
    let flags = rustix::mm::MapFlags::SHARED | rustix::mm::MapFlags::POPULATE;
    let offset = u64::try_from(from)?;
    #[allow(unsafe_code, reason = "a ring is used by its mappings")]
    // SAFETY: the mapping is new; it stays until the process ends.
    let mapped = unsafe { rustix::mm::mmap(std::ptr::null_mut(), 4096, protection, flags, ring, offset) };
    Ok(mapped.context("cannot map the ring")?.cast())
}
