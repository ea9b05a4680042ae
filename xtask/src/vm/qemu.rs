//! The emulated machine.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::place;

/// Exit status when the guest did not end in time.
pub(crate) const TIMED_OUT: u8 = 124;
/// Exit status when the guest ended without a status: its kernel panicked.
pub(crate) const PANICKED: u8 = 125;

/// Lines of the guest's kernel log shown when something went wrong.
const CONSOLE_TAIL: usize = 40;

/// Quiet, and without what makes emulated clocks and timers give up.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 panic=-1 mitigations=off no_timer_check tsc=reliable nokaslr \
    random.trust_cpu=on cryptomgr.notests oops=panic nowatchdog rcupdate.rcu_cpu_stall_suppress=1 \
    initcall_blacklist=load_system_certificate_list,jent_mod_init,tpm_init";

/// The size of the machine, and how long it may run.
pub(crate) struct Machine {
    /// MiB of memory.
    pub(crate) memory: u32,
    /// Virtual CPUs.
    pub(crate) cpus: u32,
    /// Time from start to power-off.
    pub(crate) timeout: Duration,
    /// One guest instruction is one nanosecond of guest time: slow, but exact and repeatable.
    pub(crate) count_instructions: bool,
}

impl Machine {
    /// Boots, hands every line the command prints to `output`, and returns the command's exit status.
    ///
    /// # Errors
    /// If qemu cannot be started. A guest that fails is a status, not an error.
    pub(crate) fn boot(&self, vmlinux: &Path, initrd: &Path, output: &mut dyn FnMut(&str)) -> Result<u8> {
        let (console, status) = (place("console"), place("status"));
        let mut child = self
            .command(vmlinux, initrd, &console, &status)
            .spawn()
            .context("cannot start qemu-system-x86_64")?;
        let ended = self.follow(&mut child, output)?;
        let result = match (ended, std::fs::read_to_string(&status).unwrap_or_default().trim().parse()) {
            (false, _) => {
                report(&format!("timed out after {} s", self.timeout.as_secs()), &console, TIMED_OUT)
            }
            (true, Ok(status)) => status,
            (true, Err(_)) => report("ended without a status", &console, PANICKED),
        };
        for file in [console, status] {
            let _ = std::fs::remove_file(file);
        }
        Ok(result)
    }

    fn command(&self, vmlinux: &Path, initrd: &Path, console: &Path, status: &Path) -> Command {
        let mut command = Command::new("qemu-system-x86_64");
        command.args("-nodefaults -no-user-config -display none -no-reboot -machine pc -cpu max".split(' '));
        if self.count_instructions {
            command.args(["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]);
        } else {
            // With a thread for each processor, one can run into a breakpoint that the kernel has taken away again
            // (text_poke), and dies of it: replacing hooks on a busy function showed it within seconds.
            command.args(["-accel", "tcg,thread=single"]);
        }
        command.arg("-m").arg(self.memory.to_string()).arg("-smp").arg(self.cpus.to_string());
        command.arg("-kernel").arg(vmlinux).arg("-initrd").arg(initrd).args(["-append", KERNEL_ARGUMENTS]);
        command.arg("-serial").arg(format!("file:{}", console.display()));
        command.args(["-chardev", "stdio,id=out,signal=off", "-serial", "chardev:out"]);
        command.arg("-serial").arg(format!("file:{}", status.display()));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    /// Passes on the output until the machine is off, or kills it; whether it ended by itself.
    fn follow(&self, child: &mut Child, output: &mut dyn FnMut(&str)) -> Result<bool> {
        let deadline = Instant::now() + self.timeout;
        let stream = child.stdout.take().context("no pipe from qemu")?;
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let _ = sender.send(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned());
            }
        });
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match lines.recv_timeout(left) {
                Ok(line) => output(&line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    child.kill()?;
                    child.wait()?;
                    return Ok(false);
                }
            }
        }
        child.wait()?;
        Ok(true)
    }
}

/// Says what went wrong, with the end of the guest's kernel log.
fn report(what: &str, console: &Path, status: u8) -> u8 {
    let log = std::fs::read(console).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    eprintln!("vm: {what}; the end of its console:");
    for line in &lines[lines.len().saturating_sub(CONSOLE_TAIL)..] {
        eprintln!("    {line}");
    }
    status
}
