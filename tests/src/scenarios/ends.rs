//! Ends that nobody has asked for: what is promised of them.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serin_api::proto::GetEventsRequest;

use super::{Scenario, losses, scenario};
use crate::agent::{Agent, Setup, nothing_left};
use crate::bpf::Loaded;
use crate::kernel::Kernel;
use crate::listener::Listener;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger::{self, Waiting};

/// Bytes of memory that no agent can start in.
const TOO_LITTLE: u64 = 4 << 20;
/// Bytes of memory that an agent may take once it has started: its queues, full.
const ENOUGH: u64 = 96 << 20;
/// More than all queues together hold.
const HITS: u64 = 200_000;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("ends::killed_it_leaves_nothing_attached_and_the_next_start_tidies", killed),
        scenario("ends::out_of_memory_it_leaves_nothing_and_starts_again", out_of_memory)
            .needs(can_limit_memory),
        scenario("ends::what_it_takes_under_load_is_bounded", bounded_memory).needs(can_limit_memory),
    ]
}

/// The next agent works as if nothing had happened.
fn starts_again() -> Result<()> {
    let mut agent = Agent::with_links()?;
    let pid = trigger::symlink("/etc/passwd", "")?.pid;
    agent.wait_for("hit", |event| event["process_kprobe"]["process"]["pid"] == pid)?;
    agent.stop()?;
    Ok(())
}

fn killed(_: &Kernel) -> Result<()> {
    let agent = Agent::with_links()?;
    agent.signal(Signal::KILL)?;
    // What its maps hold stays loaded, attached to nothing, until the next start.
    let before = agent.killed()?;
    starts_again()?;
    nothing_left(&before)
}

/// A control group that limits memory, removed when dropped.
struct MemoryGroup {
    folder: PathBuf,
    /// The file with the limit, whose name depends on the version of control groups.
    limit: &'static str,
}

impl MemoryGroup {
    fn new(limit: u64) -> Result<Self> {
        let group = Self::unlimited()?;
        fs::write(group.folder.join(group.limit), limit.to_string())?;
        Ok(group)
    }

    fn unlimited() -> Result<Self> {
        let root = Path::new("/sys/fs/cgroup");
        // Version 2, or version 1 as it is usually mounted.
        let (root, limit) = match root.join("cgroup.controllers").is_file() {
            true => {
                fs::write(root.join("cgroup.subtree_control"), "+memory")?;
                (root.to_owned(), "memory.max")
            }
            false => (root.join("memory"), "memory.limit_in_bytes"),
        };
        let folder = root.join(format!("serin-tests-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let group = Self { folder, limit };
        ensure!(group.folder.join(limit).is_file(), "no control group limits memory");
        Ok(group)
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder);
    }
}

fn can_limit_memory(_: &Kernel) -> Result<(), String> {
    MemoryGroup::unlimited()
        .map(drop)
        .map_err(|error| format!("no control group can limit memory: {error:#}"))
}

/// While it starts, as what it takes later is bounded.
fn out_of_memory(_: &Kernel) -> Result<()> {
    let group = MemoryGroup::new(TOO_LITTLE)?;
    let (setup, before) = (Setup::new()?.policy(&on_symlinkat("links", PASSWD))?, Loaded::now());
    let agent = setup.command();
    let mut inside = Command::new("sh");
    inside.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(group.folder.join("cgroup.procs"));
    inside.arg(agent.get_program()).args(agent.get_args()).current_dir(crate::root()).stdin(Stdio::null());
    let output = inside.output()?;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.signal() == Some(Signal::KILL.as_raw()), "it ended with {}: {log}", output.status);
    nothing_left(&before)?;
    drop(group);
    starts_again()
}

/// A server that takes nothing and a client that reads nothing: what waits for them is bounded, and every hit is printed or
/// counted as lost.
fn bounded_memory(_: &Kernel) -> Result<()> {
    let hole = Listener::black_hole()?;
    let pipeline = format!(
        "apiVersion: serin.dev/v1alpha1\nkind: Pipeline\nspec:\n  sinks:\n    - stdout: {{ format: json }}\n    - http: {{ url: \"http://{}/\" }}\n",
        hole.address
    );
    let mut agent = Setup::new()?.policy(&on_symlinkat("links", PASSWD))?.pipeline(&pipeline)?.start()?;
    let mut api = agent.api()?;
    let unread = api.events(GetEventsRequest::default())?;
    // What it has taken by now is not of the group.
    let group = MemoryGroup::new(ENOUGH)?;
    fs::write(group.folder.join("cgroup.procs"), agent.pid()?.as_raw_nonzero().to_string())?;
    let mut flood = Waiting::flood(HITS)?;
    let pid = flood.pid();
    flood.go()?;
    flood.end()?;
    let (mut printed, mut lost, mut looked_at) = (0, 0, 0);
    // Not until a process ends: among so many, that event may be lost as well.
    agent.wait_until(|agent| {
        for event in &agent.events[looked_at..] {
            printed += u64::from(event["process_kprobe"]["process"]["pid"] == pid);
            lost += losses::count(event);
        }
        looked_at = agent.events.len();
        printed + lost >= HITS
    })?;
    ensure!(printed > 0, "of {HITS} hits none is printed");
    drop((unread, hole));
    agent.stop()?;
    Ok(())
}
