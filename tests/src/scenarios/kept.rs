//! `serin run --keep-on-exit`: what enforces goes on without an agent, and the next one takes over.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;

use super::{Scenario, scenario, usdts};
use crate::agent::{Setup, nothing_left};
use crate::kernel::Kernel;
use crate::policy::{OVERRIDE_AND_KILL, PASSWD, on_symlinkat};
use crate::trigger::{self, Ended, probes};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("kept::hooks_that_kill_outlive_the_agent", kill),
        scenario("kept::hooks_that_refuse_outlive_the_agent", refuse).needs(Kernel::enforcement),
        scenario("kept::hooks_in_programs_outlive_the_agent", in_program),
        scenario("kept::hooks_that_only_report_do_not", report),
    ]
}

const KILL: &str = "      matchActions:\n      - action: Sigkill\n";

/// Where agents pin, unless they are told otherwise.
const BPFFS: &str = "/sys/fs/bpf/serin";

/// An agent with an enforcing policy and one that only reports.
fn keeping(reaction: &str) -> Result<Setup> {
    let setup = Setup::new()?.policy(&on_symlinkat("enforce", &format!("{PASSWD}{reaction}")))?;
    Ok(setup.policy(&on_symlinkat("report", "    - {}\n"))?.arguments(["--keep-on-exit"]))
}

fn link(target: &str) -> Result<Ended> {
    trigger::symlink(target, "/nonexistent/link")
}

/// Whether the policy holds: links to the password file are stopped, and no others.
fn is_enforced() -> Result<bool> {
    let other = link("/etc/hostname")?;
    ensure!(other.errno == Some(libc::ENOENT), "another link was stopped: {other:?}");
    let ended = link("/etc/passwd")?;
    ensure!(ended.signal().is_none_or(|signal| signal == libc::SIGKILL), "{ended:?}");
    Ok(ended.signal().is_some())
}

fn kill(_: &Kernel) -> Result<()> {
    // However it ends.
    for (signal, says) in [(Signal::TERM, true), (Signal::KILL, false)] {
        let (before, log) = keeping(KILL)?.start()?.leave(signal)?;
        let said = log.iter().any(|line| line.contains("1 hook is still attached"));
        ensure!(said == says, "it said: {log:?}");
        ensure!(is_enforced()?, "nothing is enforced after {signal:?}");
        let agent = keeping(KILL)?.start()?;
        ensure!(agent.log.iter().any(|line| line.contains("took over")), "it said: {:?}", agent.log);
        ensure!(is_enforced()?, "the next agent does not enforce");
        agent.leave(signal)?;
        // Without the flag, all goes in the end.
        Setup::new()?.start()?.leave(Signal::TERM)?;
        ensure!(!is_enforced()?, "still enforced after an agent without policies");
        ensure!(!Path::new(BPFFS).exists(), "pins are left");
        nothing_left(&before)?;
    }
    Ok(())
}

fn refuse(_: &Kernel) -> Result<()> {
    let (before, _) = keeping(OVERRIDE_AND_KILL)?.start()?.leave(Signal::TERM)?;
    ensure!(is_enforced()?, "nothing is enforced without the agent");
    let folder = tempfile::tempdir()?;
    let made = folder.path().join("link");
    trigger::symlink("/etc/passwd", &made.to_string_lossy())?;
    ensure!(!made.is_symlink(), "a link was made without the agent");
    // What people without an agent can do about it, as it says.
    std::fs::remove_dir_all(BPFFS)?;
    ensure!(!is_enforced()?, "still enforced without pins");
    nothing_left(&before)
}

/// On a probe with a counter, by which the program sees that somebody looks.
fn in_program(_: &Kernel) -> Result<()> {
    let fields = "    args:
    - {index: 0, type: int32}
    - {index: 1, type: string}
    selectors:
    - matchArgs: [{index: 1, operator: Equal, values: [gull]}]
      matchActions: [{action: Sigkill}]
";
    let policy = usdts::policy("numbers", fields)?;
    let setup = Setup::new()?.policy(&policy)?.arguments(["--keep-on-exit"]);
    let (before, _) = setup.start()?.leave(Signal::TERM)?;
    let (killed, spared) = (probes::number(83, "gull")?, probes::number(83, "tern")?);
    ensure!(killed.signal() == Some(libc::SIGKILL), "not killed without the agent: {killed:?}");
    ensure!(spared.signal().is_none(), "killed for another text: {spared:?}");
    ensure!(probes::counter()?.errno == Some(2), "the program sees nobody: {:?}", probes::counter()?);
    Setup::new()?.start()?.leave(Signal::TERM)?;
    // The kernel takes its time to let go of what was pinned.
    let gone = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        probes::counter().is_ok_and(|ended| ended.errno == Some(0))
    });
    ensure!(gone, "somebody looks still");
    let spared = probes::number(83, "gull")?;
    ensure!(spared.signal().is_none(), "killed after an agent without policies: {spared:?}");
    nothing_left(&before)
}

fn report(_: &Kernel) -> Result<()> {
    let setup = Setup::new()?.policy(&on_symlinkat("report", PASSWD))?.arguments(["--keep-on-exit"]);
    setup.start()?.stop()?;
    ensure!(!Path::new(BPFFS).exists(), "pins are left");
    Ok(())
}
