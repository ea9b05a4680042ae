//! Ways around a policy: other names of a file, other ways of making a call.

use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::mem::MaybeUninit;
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use anyhow::{Context, Result, bail, ensure};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use super::{Ended, command, errno, finish_with, run, say};
use crate::trigger::ring;

/// Opens a file and reads of it, in one of the ways that [`act`] knows.
pub(crate) fn read_by(way: &str, path: &str) -> Result<Ended> {
    run(&["evade", way, path])
}

/// Has a process read of a file that this one opens and passes on over a UNIX socket.
pub(crate) fn read_passed(path: &str) -> Result<Ended> {
    let (ours, theirs) = UnixStream::pair()?;
    let file = File::open(path)?;
    let files = [file.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    ensure!(message.push(SendAncillaryMessage::ScmRights(&files)), "no room for the descriptor");
    sendmsg(&ours, &[std::io::IoSlice::new(b"x")], &mut message, SendFlags::empty())?;
    finish_with(&mut command(&["evade", "passed"])?, OwnedFd::from(theirs).into())
}

/// Has a process open again what this one has opened as a mere place (`O_PATH`), and read of it.
pub(crate) fn read_again(path: &str) -> Result<Ended> {
    let place = File::options().read(true).custom_flags(libc::O_PATH).open(path)?;
    finish_with(&mut command(&["evade", "by-name", "/proc/self/fd/0"])?, Stdio::from(place))
}

/// Executes a program, which makes a failing link, in one of the ways `by-name`, `by-descriptor` and `in-memory`.
pub(crate) fn execute(way: &str, program: &str) -> Result<Ended> {
    run(&["evade", "execute", way, program])
}

/// Connects to an address by a ring of system calls.
pub(crate) fn connect_by_ring(to: SocketAddrV4) -> Result<Ended> {
    run(&["evade", "connect", &to.to_string()])
}

/// Makes this many processes by clone3(2), as fast as it can, each of which makes a failing link.
pub(crate) fn storm(processes: u32) -> Result<Ended> {
    run(&["evade", "storm", &processes.to_string()])
}

/// Makes links in a folder, while another thread changes their target between `/etc/passwd` and another one; says how
/// many lead to the former.
pub(crate) fn race(folder: &str, links: u32) -> Result<Ended> {
    run(&["evade", "race", folder, &links.to_string()])
}

/// The other side.
pub(super) fn act(words: &[&str]) -> Result<()> {
    match words {
        ["by-name", path] => read(File::open(path)),
        ["relative", path] => {
            let path = Path::new(path);
            std::env::set_current_dir(path.parent().context("no folder")?)?;
            read(File::open(path.file_name().context("no name")?))
        }
        ["chroot", path] => {
            let path = Path::new(path);
            std::os::unix::fs::chroot(path.parent().context("no folder")?)?;
            read(File::open(Path::new("/").join(path.file_name().context("no name")?)))
        }
        ["bind-mount", path] => read(File::open(mount_elsewhere(Path::new(path))?)),
        // A place can't be read.
        ["as-place", path] => {
            say(File::options().read(true).custom_flags(libc::O_PATH).open(path).err().map_or(0, errno))
        }
        ["passed"] => read(receive()),
        ["by-ring", path] => {
            let (opened, read) = ring::open_and_read(path)?;
            say(-opened.min(read).min(0))
        }
        ["32-bit", path] => read(open_as_32_bit_program(path)),
        ["execute", way, program] => execute_by(way, program),
        ["connect", to] => say(-ring::connect(to.parse()?)?.min(0)),
        ["storm", processes] => {
            make_processes(processes.parse()?)?;
            say(0)
        }
        ["race", folder, links] => say(race_for(folder, links.parse()?)?),
        _ => bail!("unknown way {words:?}"),
    }
}

/// Reads a byte of what was opened, and says what came of both.
fn read(opened: std::io::Result<File>) -> Result<()> {
    say(opened.and_then(|mut file| file.read(&mut [0])).err().map_or(0, errno))
}

/// Mounts a file's folder on the folder `elsewhere` beside it, for this process alone; the file's path there.
fn mount_elsewhere(path: &Path) -> Result<std::path::PathBuf> {
    let folder = path.parent().context("no folder")?;
    let elsewhere = folder.with_file_name("elsewhere");
    let [root, from, to] =
        [Path::new("/"), folder, &elsewhere].map(|path| CString::new(path.as_os_str().as_encoded_bytes()));
    let (root, from, to) = (root?, from?, to?);
    let none = std::ptr::null();
    #[allow(unsafe_code, reason = "rustix mounts with a feature that nothing else here needs")]
    // SAFETY: all strings end in NUL, and null stands for those that are not used.
    let done = unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(none, root.as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, none.cast()) == 0
            && libc::mount(from.as_ptr(), to.as_ptr(), none, libc::MS_BIND, none.cast()) == 0
    };
    ensure!(done, "cannot mount {}: {}", elsewhere.display(), std::io::Error::last_os_error());
    Ok(elsewhere.join(path.file_name().context("no name")?))
}

/// The file that comes over the socket that is standard input.
fn receive() -> std::io::Result<File> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut buffers = [std::io::IoSliceMut::new(&mut byte)];
    recvmsg(std::io::stdin(), &mut buffers, &mut message, RecvFlags::empty())?;
    let files = message.drain().find_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    files.map(File::from).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

/// `open(2)` by the gate of 32-bit programs, which takes addresses of 32 bits.
fn open_as_32_bit_program(path: &str) -> std::io::Result<File> {
    /// <https://github.com/torvalds/linux/blob/master/arch/x86/entry/syscalls/syscall_32.tbl>
    const OPEN: i32 = 5;
    let path = CString::new(path)?;
    let bytes = path.as_bytes_with_nul();
    let mut result = OPEN;
    #[allow(unsafe_code, reason = "there is no wrapper for the other gate")]
    // SAFETY: the mapping is new and longer than a path; the call reads the string in it. The kernel keeps all registers
    // but r8 to r11 and eax, and rbx is put back.
    unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
        let page = libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0);
        if page == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), page.cast(), bytes.len().min(4096));
        std::arch::asm!(
            "push rbx",
            "mov ebx, {path:e}",
            "int 0x80",
            "pop rbx",
            path = in(reg) page as usize as u32,
            inlateout("eax") result,
            in("ecx") libc::O_RDONLY,
            in("edx") 0,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    opened(result)
}

/// The file that a system call has opened.
fn opened(result: RawFd) -> std::io::Result<File> {
    if result < 0 {
        return Err(std::io::Error::from_raw_os_error(-result));
    }
    #[allow(unsafe_code, reason = "the descriptor comes from a raw system call")]
    // SAFETY: the kernel has just opened it; nobody else has it.
    Ok(unsafe { File::from_raw_fd(result) })
}

/// Becomes the program, which then makes a failing link.
fn execute_by(way: &str, program: &str) -> Result<()> {
    let file = match way {
        "by-name" => None,
        "by-descriptor" => Some(File::options().read(true).custom_flags(libc::O_PATH).open(program)?),
        "in-memory" => {
            let flags = rustix::fs::MemfdFlags::CLOEXEC;
            let mut file = File::from(rustix::fs::memfd_create("evasion", flags)?);
            std::io::copy(&mut File::open(program)?, &mut file)?;
            Some(file)
        }
        _ => bail!("unknown way of executing {way:?}"),
    };
    let words = [program, "trigger", "symlink", "/etc/hostname", ""];
    let words: Vec<CString> = words.into_iter().map(CString::new).collect::<Result<_, _>>()?;
    let mut arguments: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
    arguments.push(std::ptr::null());
    let environment = [std::ptr::null::<libc::c_char>()];
    #[allow(unsafe_code, reason = "the standard library executes by name only")]
    // SAFETY: strings end in NUL and lists in null.
    unsafe {
        match file {
            None => libc::execve(words[0].as_ptr(), arguments.as_ptr(), environment.as_ptr()),
            Some(file) => {
                let (file, flags) = (file.as_raw_fd(), libc::AT_EMPTY_PATH);
                let (arguments, environment) = (arguments.as_ptr(), environment.as_ptr());
                libc::syscall(libc::SYS_execveat, file, c"".as_ptr(), arguments, environment, flags) as i32
            }
        }
    };
    Err(std::io::Error::last_os_error()).context("cannot execute the program")
}

/// `struct clone_args` but for what is zero: <https://man7.org/linux/man-pages/man2/clone.2.html>
#[repr(C)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: [u64; 2],
    tls: u64,
}

fn make_processes(count: u32) -> Result<()> {
    // Literals, which a child has only once it uses them, as all that comes of files.
    let (target, link) = (c"/etc/passwd", c"");
    for _ in 0..count {
        let mut arguments = CloneArguments {
            flags: 0,
            pidfd: 0,
            child_tid: 0,
            parent_tid: 0,
            exit_signal: libc::SIGCHLD as u64,
            stack: [0; 2],
            tls: 0,
        };
        #[allow(unsafe_code, reason = "there is no wrapper for clone3(2)")]
        // SAFETY: this process has one thread; the child makes system calls only, and ends.
        unsafe {
            let size = size_of::<CloneArguments>();
            let pid = libc::syscall(libc::SYS_clone3, &raw mut arguments, size);
            if pid == 0 {
                libc::symlinkat(target.as_ptr(), libc::AT_FDCWD, link.as_ptr());
                libc::_exit(0);
            }
            ensure!(pid > 0, "clone3: {}", std::io::Error::last_os_error());
        }
    }
    for _ in 0..count {
        rustix::process::wait(rustix::process::WaitOptions::empty())?;
    }
    Ok(())
}

fn race_for(folder: &str, links: u32) -> Result<i32> {
    let target: Vec<AtomicU8> = c"/etc/passwd".to_bytes_with_nul().iter().map(|&byte| byte.into()).collect();
    let last = &target[target.len() - 2];
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                last.fetch_xor(b'd' ^ b'x', Ordering::Relaxed);
            }
        });
        let made = (0..links).try_for_each(|number| {
            let name = CString::new(format!("{folder}/{number}"))?;
            #[allow(unsafe_code, reason = "no wrapper takes a string that changes")]
            // SAFETY: whatever the other thread writes, the string ends in NUL.
            let result = unsafe { libc::symlinkat(target.as_ptr().cast(), libc::AT_FDCWD, name.as_ptr()) };
            let error = std::io::Error::last_os_error();
            let refused = error.raw_os_error() == Some(libc::EPERM);
            ensure!(result == 0 || refused, "symlinkat: {error}");
            Ok(())
        });
        done.store(true, Ordering::Relaxed);
        made
    })?;
    let leads = |number: &u32| {
        std::fs::read_link(format!("{folder}/{number}")).is_ok_and(|to| to == Path::new("/etc/passwd"))
    };
    Ok(i32::try_from((0..links).filter(leads).count())?)
}
