//! Arguments in memory that a program which must not sleep cannot read, and that the kernel reads all the same.

use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Child;

use anyhow::{Context, Result, bail, ensure};

use super::{Ended, command, errno, run, say};

const PAGE: usize = 4096;

/// How a page comes to be out of reach: of a file that was mapped and never read; of one that only the parent has read; by
/// `MADV_DONTNEED`; and with content that another thread provides when it is asked for, `userfaultfd(2)`.
pub(crate) const WAYS: [&str; 4] = ["untouched", "forked", "dropped", "provided"];

/// Why this kernel has no `userfaultfd(2)`.
pub(crate) fn nobody_provides() -> Option<String> {
    match user_faults() {
        Ok(_) => None,
        Err(error) => Some(format!("this kernel has no userfaultfd(2), or it is switched off: {error:#}")),
    }
}

/// Makes the symbolic link with its target in such a page. With `forked` a child makes it, and the process ends as its child
/// did.
pub(crate) fn symlink(way: &str, target: &str, link: &str) -> Result<Ended> {
    run(&["unreadable", way, "symlink", target, link])
}

/// Makes a symbolic link with its target where there is no memory.
pub(crate) fn symlink_to_nowhere() -> Result<Ended> {
    run(&["unreadable", "nowhere"])
}

/// Writes a text from such a page to no file.
pub(crate) fn write(text: &str) -> Result<Ended> {
    run(&["unreadable", "untouched", "write", text])
}

/// Writes a text from such a page, with one more behind it, to a file by `writev(2)`.
pub(crate) fn write_scattered(text: &str) -> Result<Ended> {
    run(&["unreadable", "untouched", "writev", text])
}

/// Connects a socket to 127.0.0.1:9, with the address in such a page.
pub(crate) fn connect() -> Result<Ended> {
    run(&["unreadable", "untouched", "connect"])
}

/// Has the C library make a number of a text in such a page, or one that goes on in such a page (`crossing`).
pub(crate) fn parse_number(way: &str, text: &str) -> Result<Ended> {
    run(&["unreadable", way, "atoi", text])
}

/// Starts a process that has the C library make a number of what nobody provides, and so waits until it is killed.
pub(crate) fn wait_for_nobody() -> Result<Child> {
    Ok(command(&["unreadable", "nobody", "atoi", ""])?.spawn()?)
}

/// The other side.
pub(super) fn act(words: &[&str]) -> Result<()> {
    match words {
        [way, "symlink", target, link] => {
            let link = CString::new(*link)?;
            let mut content = target.as_bytes().to_vec();
            content.push(0);
            with_page(way, &content, |page| {
                #[allow(unsafe_code, reason = "no wrapper passes a page without touching it")]
                // SAFETY: both are strings that end in NUL once the kernel reads them.
                let result = unsafe { libc::symlinkat(page.cast(), libc::AT_FDCWD, link.as_ptr()) };
                last_error(result)
            })
        }
        ["nowhere"] => {
            #[allow(unsafe_code, reason = "as above")]
            // SAFETY: the kernel refuses the first address.
            let result =
                unsafe { libc::symlinkat(PAGE as *const _, libc::AT_FDCWD, c"/tmp/nowhere".as_ptr()) };
            say(last_error(result))
        }
        [way, "write", text] => with_page(way, text.as_bytes(), |page| {
            #[allow(unsafe_code, reason = "as above")]
            // SAFETY: the page is longer than the text.
            let result = unsafe { libc::write(999, page.cast(), text.len()) };
            last_error(i32::try_from(result).unwrap_or(-1))
        }),
        [way, "atoi", text] => with_page(way, &CString::new(*text)?.into_bytes_with_nul(), |page| {
            #[allow(unsafe_code, reason = "as above")]
            // SAFETY: the text ends in NUL.
            std::hint::black_box(unsafe { libc::atoi(page.cast()) });
            0
        }),
        [way, "writev", text] => {
            let (file, end) = (tempfile::tempfile()?, String::from("end"));
            with_page(way, text.as_bytes(), |page| {
                let segment = |from: *const u8, length| libc::iovec {
                    iov_base: from.cast_mut().cast(),
                    iov_len: length,
                };
                let segments = [segment(page, text.len()), segment(end.as_ptr(), end.len())];
                #[allow(unsafe_code, reason = "as above")]
                // SAFETY: page and text are as long as their segments say.
                let result = unsafe { libc::writev(file.as_raw_fd(), segments.as_ptr(), 2) };
                last_error(i32::try_from(result).unwrap_or(-1))
            })
        }
        [way, "connect"] => {
            let mut address = [0_u8; 16]; // struct sockaddr_in
            address[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
            address[2..8].copy_from_slice(&[0, 9, 127, 0, 0, 1]);
            let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
            with_page(way, &address, |page| {
                #[allow(unsafe_code, reason = "as above")]
                // SAFETY: the page is longer than the address.
                let result = unsafe { libc::connect(socket.as_raw_fd(), page.cast(), 16) };
                last_error(result)
            })
        }
        _ => bail!("unknown way {words:?}"),
    }
}

fn last_error(result: i32) -> i32 {
    if result < 0 { errno(std::io::Error::last_os_error()) } else { 0 }
}

/// Makes the call with a page that has this content and cannot be read just now, and says its error.
fn with_page(way: &str, content: &[u8], call: impl FnOnce(*mut u8) -> i32) -> Result<()> {
    match way {
        "untouched" => say(call(file_page(content)?)),
        "dropped" => {
            let page = file_page(content)?;
            touch(page);
            drop_page(page)?;
            say(call(page))
        }
        "crossing" => {
            let mut pages = vec![0; PAGE - 1];
            pages.extend_from_slice(content);
            let first = file_page(&pages)?;
            touch(first);
            drop_page(first.wrapping_add(PAGE))?;
            say(call(first.wrapping_add(PAGE - 1)))
        }
        "forked" => {
            let page = file_page(content)?;
            touch(page);
            in_child(|| call(page))
        }
        "provided" => say(call(provided_page(content)?)),
        "nobody" => {
            let page = map(None, PAGE)?;
            let faults = user_faults()?;
            control(&faults, UFFDIO_REGISTER, &mut [page as u64, PAGE as u64, MISSING, 0])?;
            say(call(page))
        }
        _ => bail!("unknown way {way:?}"),
    }
}

/// As many pages as the content takes of a file that nobody has read: the kernel maps them when they are first used.
fn file_page(content: &[u8]) -> Result<*mut u8> {
    let mut file = tempfile::tempfile()?;
    let mut pages = content.to_vec();
    pages.resize(content.len().next_multiple_of(PAGE), 0);
    file.write_all(&pages)?;
    map(Some(&file), pages.len())
}

fn drop_page(page: *mut u8) -> Result<()> {
    #[allow(unsafe_code, reason = "the page is to go")]
    // SAFETY: the page comes back from its file.
    let result = unsafe { libc::madvise(page.cast(), PAGE, libc::MADV_DONTNEED) };
    ensure!(result == 0, "madvise: {}", std::io::Error::last_os_error());
    Ok(())
}

/// New pages, of a file or of zeros.
fn map(file: Option<&File>, length: usize) -> Result<*mut u8> {
    let flags = if file.is_some() { libc::MAP_SHARED } else { libc::MAP_PRIVATE | libc::MAP_ANONYMOUS };
    let protection = libc::PROT_READ | if file.is_some() { 0 } else { libc::PROT_WRITE };
    let file = file.map_or(-1, AsRawFd::as_raw_fd);
    #[allow(unsafe_code, reason = "only a mapping can be out of reach")]
    // SAFETY: the mapping is new; it stays until the process ends.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, file, 0) };
    ensure!(page != libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
    Ok(page.cast())
}

fn touch(page: *mut u8) {
    #[allow(unsafe_code, reason = "a mapping")]
    // SAFETY: the page is mapped.
    std::hint::black_box(unsafe { page.read_volatile() });
}

/// What the parent has mapped of a file is not mapped for the child until it uses it.
fn in_child(call: impl FnOnce() -> i32) -> Result<()> {
    #[allow(unsafe_code, reason = "there is no other way to have a child without exec")]
    // SAFETY: this process has one thread; the child makes a system call and ends.
    let pid = unsafe { libc::fork() };
    ensure!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    if pid == 0 {
        let error = call();
        #[allow(unsafe_code, reason = "what the parent has open is not the child's to close")]
        // SAFETY: ends the process.
        unsafe {
            libc::_exit(error)
        }
    }
    let ended =
        rustix::process::waitpid(rustix::process::Pid::from_raw(pid), rustix::process::WaitOptions::empty())?;
    let (_, status) = ended.context("no child")?;
    match (status.exit_status(), status.terminating_signal()) {
        (Some(error), _) => say(error),
        (_, Some(signal)) => {
            let signal = rustix::process::Signal::from_named_raw(signal).context("unknown signal")?;
            Ok(rustix::process::kill_process(rustix::process::getpid(), signal)?)
        }
        _ => bail!("the child neither ended nor was killed"),
    }
}

/// `struct uffdio_api`, `uffdio_register`, `uffdio_copy`, and the numbers of their calls:
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/userfaultfd.h>
const UFFDIO_API: u64 = 0xc018_aa3f;
const UFFDIO_REGISTER: u64 = 0xc020_aa00;
const UFFDIO_COPY: u64 = 0xc028_aa03;
/// `UFFD_API`
const API: u64 = 0xaa;
/// `UFFDIO_REGISTER_MODE_MISSING`
const MISSING: u64 = 1;

fn user_faults() -> Result<OwnedFd> {
    #[allow(unsafe_code, reason = "rustix has it behind a feature that nothing else here needs")]
    // SAFETY: the call takes no pointers; what it gives is nobody else's.
    let faults = unsafe {
        let result = libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC);
        ensure!(result >= 0, "{}", std::io::Error::last_os_error());
        OwnedFd::from_raw_fd(i32::try_from(result)?)
    };
    control(&faults, UFFDIO_API, &mut [API, 0, 0])?;
    Ok(faults)
}

/// A page whose content a thread provides once someone waits for it.
fn provided_page(content: &[u8]) -> Result<*mut u8> {
    let page = map(None, PAGE)?;
    let faults = user_faults()?;
    control(&faults, UFFDIO_REGISTER, &mut [page as u64, PAGE as u64, MISSING, 0])?;
    let mut source = content.to_vec();
    source.resize(PAGE, 0);
    let to = page as u64;
    std::thread::spawn(move || {
        let mut message = [0_u8; 32]; // struct uffd_msg
        rustix::io::read(&faults, &mut message)?;
        control(&faults, UFFDIO_COPY, &mut [to, source.as_ptr() as u64, PAGE as u64, 0, 0])
    });
    Ok(page)
}

fn control<const N: usize>(faults: &OwnedFd, request: u64, words: &mut [u64; N]) -> Result<()> {
    #[allow(unsafe_code, reason = "there is no safe wrapper for this ioctl(2)")]
    // SAFETY: the words are as many as the request has.
    let result = unsafe { libc::ioctl(faults.as_raw_fd(), request as _, words.as_mut_ptr()) };
    ensure!(result == 0, "ioctl {request:#x}: {}", std::io::Error::last_os_error());
    Ok(())
}
