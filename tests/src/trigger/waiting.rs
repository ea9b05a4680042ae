//! Processes that act when they are told to, and then wait for their end.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{call, command, command_by, program, say, symlinkat};

/// A process that acts when it is told to.
pub(crate) struct Waiting {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Waiting {
    /// Starts a process that makes a number of failing links to /etc/passwd when told to go.
    pub(crate) fn flood(count: u64) -> Result<Self> {
        Self::start(command(&["later", "flood", &count.to_string()])?)
    }

    /// Starts a process that maps this program so many times, to execute it, when told to go.
    pub(crate) fn mapping(count: u64) -> Result<Self> {
        Self::start(command(&["later", "map", &count.to_string()])?)
    }

    /// Starts a process that makes one link when told to go.
    pub(crate) fn symlink(target: &str, link: &str) -> Result<Self> {
        Self::start(command(&["later", "symlink", target, link])?)
    }

    /// Starts copies of this program like [`symlink_by`], of which the last acts when told to go.
    pub(crate) fn symlink_by(programs: &[&str], target: &str) -> Result<Self> {
        Self::start(command_by(programs, &["later", "symlink", target, ""])?)
    }

    /// Starts a process that, when told to go, moves to a new UTS namespace and makes two failing links, then
    /// gives up `CAP_NET_RAW` and makes two more.
    pub(crate) fn changing() -> Result<Self> {
        Self::start(command(&["later", "change"])?)
    }

    /// Starts a process that, when told to go, makes failing links to /etc/passwd with the names `/proc/none/0` and so
    /// on, until it is told to go again, and then says how many.
    pub(crate) fn linking() -> Result<Self> {
        Self::start(command(&["later", "link"])?)
    }

    /// Starts a process that moves to a cgroup, becomes a trigger there, and makes one failing link when told to go.
    pub(crate) fn in_cgroup(cgroup: &Path) -> Result<Self> {
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $$ > \"$1\" && shift && exec \"$@\"", "sh"])
            .arg(cgroup.join("cgroup.procs"));
        command.arg(program()?).args(["trigger", "later", "flood", "1"]).stdout(Stdio::piped());
        Self::start(command)
    }

    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).spawn().context("cannot start the trigger")?;
        let output = BufReader::new(child.stdout.take().context("no pipe from the trigger")?);
        Ok(Self { child, output })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells it to act and waits until it says what came of it; it stays alive.
    pub(crate) fn go(&mut self) -> Result<i32> {
        let stdin = self.child.stdin.as_mut().context("the trigger has no input")?;
        stdin.write_all(b"go\n")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        line.trim().parse().with_context(|| format!("the trigger said {line:?}"))
    }

    /// Kills it.
    pub(crate) fn kill(mut self) -> Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    /// Lets it end.
    pub(crate) fn end(mut self) -> Result<ExitStatus> {
        drop(self.child.stdin.take());
        Ok(self.child.wait()?)
    }
}

/// The other side: acts if it is told to, and waits for its end.
pub(super) fn act(words: &[&str]) -> Result<()> {
    if !told_to_go()? {
        return Ok(());
    }
    match words {
        ["symlink", target, link] => {
            say(symlinkat(target, link)?)?;
        }
        ["flood", count] => {
            for _ in 0..count.parse::<u64>()? {
                // An empty name for the link fails, but not before the hooks have run.
                ensure!(symlinkat("/etc/passwd", "")? != 0);
            }
            say(0)?;
        }
        ["map", count] => {
            let file = std::fs::File::open(program()?)?;
            (0..count.parse::<u64>()?).try_for_each(|_| map_to_execute(&file))?;
            say(0)?;
        }
        ["change"] => {
            ensure!(call(libc::SYS_unshare, [libc::CLONE_NEWUTS.into(), 0, 0]) == 0, "no new UTS namespace");
            symlinkat("/namespace", "")?;
            symlinkat("/namespace", "")?;
            let mut sets = rustix::thread::capabilities(None)?;
            sets.effective.remove(rustix::thread::CapabilitySet::NET_RAW);
            rustix::thread::set_capabilities(None, sets)?;
            symlinkat("/capability", "")?;
            symlinkat("/capability", "")?;
            say(0)?;
        }
        ["link"] => {
            say(0)?;
            say(link_until_told()?)?;
        }
        _ => bail!("unknown trigger {words:?}"),
    }
    wait_for_end()
}

/// Whether it came: the other side may also end this process without it.
fn told_to_go() -> Result<bool> {
    Ok(std::io::stdin().lines().next().transpose()?.is_some())
}

/// Makes links until there is something to read; how many.
fn link_until_told() -> Result<i32> {
    let input = std::io::stdin();
    for count in 0.. {
        let mut readable = [PollFd::new(&input, PollFlags::IN)];
        if poll(&mut readable, Some(&Timespec { tv_sec: 0, tv_nsec: 200_000 }))? > 0 {
            return Ok(count);
        }
        ensure!(symlinkat("/etc/passwd", &format!("/proc/none/{count}"))? != 0);
    }
    bail!("too many links")
}

fn wait_for_end() -> Result<()> {
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Maps a page of a file, and takes it back.
fn map_to_execute(file: &std::fs::File) -> Result<()> {
    use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
    const PAGE: usize = 4096;
    let access = ProtFlags::READ | ProtFlags::EXEC;
    // SAFETY: at an address of the kernel's choice, where nothing else is; nothing refers to it.
    #[allow(unsafe_code, reason = "there is no safe way to map a file")]
    unsafe {
        let start = mmap(std::ptr::null_mut(), PAGE, access, MapFlags::PRIVATE, file, 0)?;
        Ok(munmap(start, PAGE)?)
    }
}
