//! The agent as a service: what docs/serin.service grants is enough, and who supervises it is told how it fares.

use std::collections::HashSet;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger;

const UNIT: &str = include_str!("../../../docs/serin.service");
/// Those that the unit names: <https://elixir.bootlin.com/linux/v6.12/source/include/uapi/linux/capability.h>.
const CAPABILITIES: [(&str, u32); 6] = [
    ("CAP_DAC_READ_SEARCH", 2),
    ("CAP_SYS_PTRACE", 19),
    ("CAP_SYS_RESOURCE", 24),
    ("CAP_SYSLOG", 34),
    ("CAP_PERFMON", 38),
    ("CAP_BPF", 39),
];
/// Longer than any message takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("service::the_capabilities_of_the_unit_are_enough", capabilities),
        scenario("service::the_supervisor_is_told_of_start_work_and_end", |_| told()),
        scenario("service::nothing_is_told_of_a_refused_start", |_| nothing_told()),
    ]
}

/// All that this kernel has and the unit does not grant.
fn not_granted() -> Result<Vec<u32>> {
    let line = UNIT.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    let number = |name: &str| {
        let found = CAPABILITIES.iter().find(|(other, _)| *other == name);
        found.map(|&(_, number)| number).with_context(|| format!("{name} is not in this scenario's table"))
    };
    let granted = line.context("the unit grants no capabilities")?.split(' ').map(number);
    let granted = granted.collect::<Result<HashSet<_>>>()?;
    let last: u32 = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap")?.trim().parse()?;
    Ok((0..=last).filter(|number| !granted.contains(number)).collect())
}

/// It observes, kills, knows processes and takes policies while it runs.
fn capabilities(_: &Kernel) -> Result<()> {
    let kill = format!("{}      matchActions:\n      - action: Sigkill\n", PASSWD.replace("passwd", "group"));
    let setup = Setup::new()?.policy(&on_symlinkat("links", PASSWD))?.policy(&on_symlinkat("kill", &kill))?;
    let mut agent = setup.without_capabilities(not_granted()?).start()?;
    let pid = trigger::symlink("/etc/passwd", "")?.pid;
    let hit = agent.wait_for("hit", |event| event["process_kprobe"]["process"]["pid"] == pid)?;
    let binary = hit["process_kprobe"]["parent"]["binary"].as_str().unwrap_or_default();
    ensure!(binary.ends_with("serin-tests"), "who has started it is not known: {hit}");
    let killed = trigger::symlink("/etc/group", "")?;
    ensure!(killed.signal() == Some(Signal::KILL.as_raw()), "it was not killed");
    let mut api = agent.api()?;
    api.add(&on_symlinkat("later", PASSWD))?;
    let listed = api.list()?;
    ensure!(listed.len() == 3 && listed.iter().all(|policy| policy.kernel_memory_bytes > 0), "{listed:?}");
    agent.stop()?;
    Ok(())
}

/// What a supervisor hears, message by message.
struct Supervisor {
    socket: UnixDatagram,
    path: String,
}

impl Supervisor {
    fn new(setup: &Setup) -> Result<Self> {
        let path = setup.path("notify.sock");
        let socket = UnixDatagram::bind(&path)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, path: path.display().to_string() })
    }

    fn hear(&self) -> Result<String> {
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).context("the supervisor hears nothing")?;
        Ok(String::from_utf8_lossy(&message[..length]).into_owned())
    }
}

fn told() -> Result<()> {
    let setup = Setup::new()?.policy(&on_symlinkat("links", PASSWD))?;
    let supervisor = Supervisor::new(&setup)?;
    let setup = setup.environment("NOTIFY_SOCKET", &*supervisor.path);
    let agent = setup.environment("WATCHDOG_USEC", "200000").start()?;
    let first = supervisor.hear()?;
    ensure!(first.starts_with("READY=1\nSTATUS=1 policy on 1 hook, "), "not of the start: {first}");
    for _ in 0..3 {
        let next = supervisor.hear()?;
        ensure!(next.trim_end() == "WATCHDOG=1", "not that it works: {next}");
    }
    agent.finish(Signal::TERM)?;
    loop {
        match supervisor.hear()?.trim_end() {
            "WATCHDOG=1" => {}
            "STOPPING=1" => return Ok(()),
            other => bail!("not of the end: {other}"),
        }
    }
}

fn nothing_told() -> Result<()> {
    let setup = Setup::new()?.policy(&on_symlinkat("links", PASSWD).replace("TracingPolicy", "Nonsense"))?;
    let supervisor = Supervisor::new(&setup)?;
    setup.environment("NOTIFY_SOCKET", &*supervisor.path).refusal()?;
    supervisor.socket.set_nonblocking(true)?;
    ensure!(supervisor.hear().is_err(), "it was told something");
    Ok(())
}
