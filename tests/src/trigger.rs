//! What makes things happen: this program again, as a process of its own.

use std::ffi::CString;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::bpf;

pub(crate) mod evasion;
mod library;
pub(crate) mod probes;
pub(crate) mod ring;
pub(crate) mod syscalls;
pub(crate) mod unreadable;
mod waiting;
mod writing;

pub(crate) use self::library::{capital_of, look_up, make_time, number_of, parse_number};
pub(crate) use self::waiting::Waiting;
pub(crate) use self::writing::{
    write, write_by, write_bytes, write_closed, write_removed, write_renamed, write_scattered, write_segments,
};

/// How a trigger ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) pid: u32,
    pub(crate) status: ExitStatus,
    /// The error of the system call it made: 0 if it succeeded, nothing if it did not get to say.
    pub(crate) errno: Option<i32>,
}

impl Ended {
    /// The signal that killed it, if one did.
    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }
}

/// Makes the symbolic link by `symlinkat(2)`.
pub(crate) fn symlink(target: &str, link: &str) -> Result<Ended> {
    run(&["symlink", target, link])
}

/// The same by copies of this program: the last makes the link, each other is the parent of the next.
pub(crate) fn symlink_by(programs: &[&str], target: &str) -> Result<Ended> {
    finish(&mut command_by(programs, &["symlink", target, ""])?)
}

/// Makes failing links, `count` each in two threads of one process.
pub(crate) fn symlink_in_threads(target: &str, count: u32) -> Result<Ended> {
    run(&["symlink-in-threads", target, &count.to_string()])
}

/// Makes a failing link as a process with this real and effective user id.
pub(crate) fn symlink_as(real: u32, effective: u32) -> Result<Ended> {
    run(&["symlink-as", &real.to_string(), &effective.to_string()])
}

/// Makes a failing link as a process without one capability.
pub(crate) fn symlink_without(capability: &'static [u32]) -> Result<Ended> {
    let mut command = command(&["symlink", "/etc/hostname", ""])?;
    without_capabilities(&mut command, capability.to_vec());
    finish(&mut command)
}

/// Makes a failing link as a program that runs on this CPU from its first instruction.
pub(crate) fn on_cpu(cpu: usize) -> Result<Ended> {
    let mask = format!("{:#x}", 1_u64 << cpu);
    let mut command = Command::new("taskset");
    command.args([&mask, &program()?, "trigger", "symlink", "/etc/hostname", ""]);
    finish(command.stdout(Stdio::piped()))
}

/// Makes a failing link in new namespaces, by unshare(1) with these options.
pub(crate) fn symlink_unshared(options: &[&str]) -> Result<Ended> {
    let mut command = Command::new("unshare");
    command.args(options).args([&program()?, "trigger", "symlink", "/etc/hostname", ""]);
    finish(command.stdout(Stdio::piped()))
}

/// Opens a file for reading.
pub(crate) fn open(path: &str) -> Result<Ended> {
    run(&["open", path])
}

/// Runs a program that is not this one.
pub(crate) fn other_program() -> Result<Ended> {
    finish(Command::new("true").stdout(Stdio::piped()))
}

/// Has a thread that is not the first execute another program, as which the process goes on.
pub(crate) fn other_program_in_thread() -> Result<Ended> {
    run(&["exec-in-thread"])
}

/// Makes a symbolic link with this target, after failing to make one with another where there is a file.
pub(crate) fn symlink_after(failed: &str, target: &str) -> Result<Ended> {
    run(&["symlink-after", failed, target])
}

/// Calls `lseek(2)` on no file with this offset.
pub(crate) fn seek(offset: i64) -> Result<Ended> {
    run(&["seek", &offset.to_string()])
}

/// Calls `lseek(2)` on no file with this offset from this place.
pub(crate) fn seek_from(offset: i64, whence: u32) -> Result<Ended> {
    run(&["seek", &offset.to_string(), &whence.to_string()])
}

/// Calls `chmod(2)` on no file with this mode, of which the call takes two bytes.
pub(crate) fn chmod_nothing(mode: u32) -> Result<Ended> {
    run(&["chmod", &mode.to_string()])
}

/// Calls `dup(2)` on this number as a 32-bit program does.
pub(crate) fn compat_dup(descriptor: i32) -> Result<Ended> {
    run(&["compat-dup", &descriptor.to_string()])
}

/// Sets a clock that does not exist.
pub(crate) fn set_clock(clock: i32) -> Result<Ended> {
    run(&["set-clock", &clock.to_string()])
}

/// Connects a TCP socket, and closes it.
pub(crate) fn connect(to: SocketAddr) -> Result<Ended> {
    run(&["connect", &to.to_string()])
}

/// Connects a UNIX socket to a path, or to an abstract name after an `@`.
pub(crate) fn connect_unix(path: &str) -> Result<Ended> {
    run(&["connect-unix", path])
}

/// Listens on a TCP socket, and closes it.
pub(crate) fn listen(on: SocketAddr) -> Result<Ended> {
    run(&["listen", &on.to_string()])
}

/// Sends one UDP datagram.
pub(crate) fn send(to: SocketAddr) -> Result<Ended> {
    run(&["send", &to.to_string()])
}

/// Loads a BPF program.
pub(crate) fn load_bpf_program() -> Result<Ended> {
    run(&["bpf-program"])
}

/// Makes a BPF map.
pub(crate) fn make_bpf_map() -> Result<Ended> {
    run(&["bpf-map"])
}

/// Opens a perf event of its own.
pub(crate) fn open_perf_event() -> Result<Ended> {
    run(&["perf-event"])
}

/// Becomes another group and user.
pub(crate) fn set_ids(gid: u32, uid: u32) -> Result<Ended> {
    run(&["set-ids", &gid.to_string(), &uid.to_string()])
}

/// Sets its effective and permitted capabilities, bits of the first 32.
pub(crate) fn set_capabilities(effective: u32, permitted: u32) -> Result<Ended> {
    run(&["capabilities", &effective.to_string(), &permitted.to_string()])
}

/// Asks for the flags of a network device.
pub(crate) fn device_flags(name: &str) -> Result<Ended> {
    run(&["device-flags", name])
}

/// Exits with this status; the further arguments do nothing.
pub(crate) fn exit(status: u8, further: &[&str]) -> Result<Ended> {
    let status = status.to_string();
    let mut arguments = vec!["exit", &status];
    arguments.extend(further);
    run(&arguments)
}

/// Gives its thread this name.
pub(crate) fn rename_thread(name: &str) -> Result<Ended> {
    run(&["rename-thread", name])
}

/// Runs a trigger to its end.
fn run(arguments: &[&str]) -> Result<Ended> {
    finish(&mut command(arguments)?)
}

fn finish(command: &mut Command) -> Result<Ended> {
    finish_with(command, Stdio::null())
}

/// The same with something as its standard input.
fn finish_with(command: &mut Command, input: Stdio) -> Result<Ended> {
    let child = command.stdin(input).spawn().context("cannot start the trigger")?;
    let pid = child.id();
    let output = child.wait_with_output()?;
    let errno = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
    Ok(Ended { pid, status: output.status, errno })
}

/// This program, so that it becomes a trigger.
fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(program()?);
    command.arg("trigger").args(arguments).stdout(Stdio::piped());
    Ok(command)
}

/// Programs, each but the last of which starts the next.
fn command_by(programs: &[&str], words: &[&str]) -> Result<Command> {
    let (first, further) = programs.split_first().context("no program")?;
    let mut command = Command::new(first);
    command.arg("trigger").stdout(Stdio::piped());
    for program in further {
        command.args(["run", program, "trigger"]);
    }
    command.args(words);
    Ok(command)
}

/// The path of this program, as the kernel will report it.
pub(crate) fn program() -> Result<String> {
    let path = std::env::current_exe().context("cannot find this program")?;
    Ok(path.to_string_lossy().into_owned())
}

/// The other side: does what the arguments say and prints the error number.
pub(crate) fn perform(arguments: &[String]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match act(&words) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("trigger: {error:#}");
            ExitCode::from(99)
        }
    }
}

fn act(words: &[&str]) -> Result<u8> {
    match words {
        ["exit", status, ..] => return Ok(status.parse()?),
        ["run", program, words @ ..] => {
            let status = Command::new(program).args(words).status()?;
            ensure!(status.success(), "{program} ended with {status}");
        }
        ["symlink", target, link] => say(symlinkat(target, link)?)?,
        ["symlink-in-threads", target, count] => {
            let count: u32 = count.parse()?;
            let links = || (0..count).try_for_each(|_| symlinkat(target, "").map(|_| ()));
            std::thread::scope(|scope| {
                let threads = [scope.spawn(links), scope.spawn(links)];
                threads.into_iter().try_for_each(|thread| match thread.join() {
                    Ok(result) => result,
                    Err(_) => bail!("a thread panicked"),
                })
            })?;
        }
        ["evade", words @ ..] => evasion::act(words)?,
        ["probe", words @ ..] => probes::act(words)?,
        ["unreadable", words @ ..] => unreadable::act(words)?,
        ["library", words @ ..] => library::act(words)?,
        ["write", words @ ..] => writing::act(words)?,
        ["later", words @ ..] => waiting::act(words)?,
        ["system-call", words @ ..] => syscalls::act(words)?,
        ["open", path] => say(std::fs::File::open(path).err().map_or(0, errno))?,
        ["exec-in-thread"] => {
            let mut next = Command::new(program()?);
            next.args(["trigger", "seek", "88"]);
            let failed = std::thread::spawn(move || next.exec()).join();
            bail!("still the program of before: {failed:?}");
        }
        ["symlink-after", failed, target] => say(symlink_twice(failed, target)?)?,
        ["seek", offset] => say(call(libc::SYS_lseek, [-1, offset.parse()?, 0]))?,
        ["seek", offset, whence] => say(call(libc::SYS_lseek, [-1, offset.parse()?, whence.parse()?]))?,
        ["chmod", mode] => say(call(libc::SYS_chmod, [0, mode.parse()?, 0]))?,
        ["connect", to] => say(TcpStream::connect(*to).err().map_or(0, errno))?,
        ["connect-unix", path] => say(connect_unix_socket(path)?.err().map_or(0, errno))?,
        ["listen", on] => say(TcpListener::bind(*on).err().map_or(0, errno))?,
        ["send", to] => say(send_datagram(to.parse()?).err().map_or(0, errno))?,
        ["bpf-program"] => say(i32::from(!bpf::load_named(c"serin_test")))?,
        ["bpf-map"] => say(i32::from(!bpf::make_map(c"serin_map")))?,
        ["perf-event"] => say(open_dummy_event())?,
        ["set-ids", gid, uid] => {
            say(call(libc::SYS_setgid, [gid.parse()?, 0, 0]) | call(libc::SYS_setuid, [uid.parse()?, 0, 0]))?;
        }
        ["capabilities", effective, permitted] => {
            say(capset(effective.parse()?, permitted.parse()?))?;
        }
        ["device-flags", name] => say(device_flags_of(name))?,
        ["compat-dup", descriptor] => say(-dup_as_32_bit_program(descriptor.parse()?).min(0))?,
        ["set-clock", clock] => say(call(libc::SYS_clock_settime, [clock.parse()?, 0, 0]))?,
        ["rename-thread", name] => {
            std::fs::write("/proc/thread-self/comm", name)?;
            say(0)?;
        }
        ["symlink-as", real, effective] => {
            let effective = effective.parse()?;
            let result = call(libc::SYS_setresuid, [real.parse()?, effective, effective]);
            ensure!(result == 0, "setresuid: error {result}");
            symlinkat("/etc/hostname", "")?;
        }
        _ => bail!("unknown trigger {words:?}"),
    }
    Ok(0)
}

fn say(errno: i32) -> Result<()> {
    println!("{errno}");
    Ok(std::io::stdout().flush()?)
}

fn symlinkat(target: &str, link: &str) -> Result<i32> {
    let (target, link) = (CString::new(target)?, CString::new(link)?);
    let result = rustix::fs::symlinkat(target, rustix::fs::CWD, link);
    Ok(result.err().map_or(0, rustix::io::Errno::raw_os_error))
}

fn symlink_twice(failed: &str, target: &str) -> Result<i32> {
    let folder = tempfile::tempdir()?;
    let link = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::write(link("there"), "")?;
    let error = symlinkat(failed, &link("there"))?;
    ensure!(error == libc::EEXIST, "the first ended with {error}");
    symlinkat(target, &link("link"))
}

fn connect_unix_socket(path: &str) -> Result<std::io::Result<UnixStream>> {
    let address = match path.strip_prefix('@') {
        Some(name) => std::os::unix::net::SocketAddr::from_abstract_name(name)?,
        None => std::os::unix::net::SocketAddr::from_pathname(path)?,
    };
    Ok(UnixStream::connect_addr(&address))
}

fn send_datagram(to: SocketAddr) -> std::io::Result<()> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind((any, 0))?.send_to(b"hello", to).map(drop)
}

/// Opens a `PERF_TYPE_SOFTWARE` event that counts nothing, `PERF_COUNT_SW_DUMMY`.
fn open_dummy_event() -> i32 {
    let mut attributes = [0_u8; 64]; // PERF_ATTR_SIZE_VER0
    attributes[..4].copy_from_slice(&1_u32.to_ne_bytes()); // type
    attributes[4..8].copy_from_slice(&64_u32.to_ne_bytes()); // size
    attributes[8..16].copy_from_slice(&9_u64.to_ne_bytes()); // config
    // SAFETY: the attributes are as long as they say.
    #[allow(unsafe_code, reason = "there is no safe wrapper for perf_event_open(2)")]
    let result = unsafe { libc::syscall(libc::SYS_perf_event_open, attributes.as_ptr(), 0, -1, -1, 0) };
    if result < 0 { errno(std::io::Error::last_os_error()) } else { 0 }
}

/// Sets this process's capabilities: <https://man7.org/linux/man-pages/man2/capset.2.html>.
fn capset(effective: u32, permitted: u32) -> i32 {
    let header = [0x2008_0522_u32, 0]; // _LINUX_CAPABILITY_VERSION_3, this process
    let data = [effective, permitted, 0, 0, 0, 0];
    // SAFETY: header and data are as long as this version has them.
    #[allow(unsafe_code, reason = "rustix has no capset with numbers")]
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) };
    if result < 0 { errno(std::io::Error::last_os_error()) } else { 0 }
}

/// `SIOCGIFFLAGS`
fn device_flags_of(name: &str) -> i32 {
    let mut request = [0_u8; 40]; // sizeof(struct ifreq)
    request[..name.len().min(15)].copy_from_slice(&name.as_bytes()[..name.len().min(15)]);
    let Ok(socket) = UdpSocket::bind("127.0.0.1:0") else { return -1 };
    // SAFETY: the request is as long as the kernel's.
    #[allow(unsafe_code, reason = "there is no safe wrapper for this ioctl(2)")]
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, request.as_mut_ptr()) };
    if result < 0 { errno(std::io::Error::last_os_error()) } else { 0 }
}

/// Makes a system call that fails; its error.
fn call(number: libc::c_long, arguments: [i64; 3]) -> i32 {
    let [first, second, third] = arguments;
    // SAFETY: the calls that are made so take no pointers but null, which the kernel refuses.
    #[allow(unsafe_code, reason = "no wrapper passes arguments that are out of range")]
    let result = unsafe { libc::syscall(number, first, second, third) };
    if result < 0 { errno(std::io::Error::last_os_error()) } else { 0 }
}

/// `dup(2)` by the gate of 32-bit programs, which 64-bit programs can go through as well; what it returns.
fn dup_as_32_bit_program(descriptor: i32) -> i32 {
    /// <https://github.com/torvalds/linux/blob/master/arch/x86/entry/syscalls/syscall_32.tbl>
    const DUP: i32 = 41;
    let mut result = DUP;
    // SAFETY: the call takes a number; the kernel keeps all registers but r8 to r11 and eax, and rbx is put back.
    #[allow(unsafe_code, reason = "there is no wrapper for the other gate")]
    unsafe {
        std::arch::asm!(
            "push rbx",
            "mov ebx, {descriptor:e}",
            "int 0x80",
            "pop rbx",
            descriptor = in(reg) descriptor,
            inlateout("eax") result,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result
}

fn errno(error: std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(-1)
}

/// Takes capabilities away from a command before it starts, from the bounding set included.
pub(crate) fn without_capabilities(command: &mut Command, capabilities: Vec<u32>) {
    let drop_all = move || {
        for &capability in &capabilities {
            // SAFETY: PR_CAPBSET_DROP takes no pointers, and is allowed between fork and exec.
            #[allow(unsafe_code, reason = "rustix refuses capabilities by number")]
            let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
            if result != 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure makes system calls only; it neither allocates nor takes locks.
    #[allow(unsafe_code, reason = "there is no other way to run code between fork and exec")]
    unsafe {
        command.pre_exec(drop_all)
    };
}
