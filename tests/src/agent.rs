//! The agent under test.

mod setup;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use self::setup::Setup;
use crate::api::Api;
use crate::bpf::Loaded;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger;

/// Far longer than anything takes, emulation included: a limit, not a measure.
const PATIENCE: Duration = Duration::from_secs(240);

/// What the agent writes to standard error once every hook is attached.
pub(crate) const READY: &str = "ready after ";

/// Every way in which an agent has attached a hook, as it says itself.
static BACKENDS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// How the agents of all scenarios so far have attached their hooks.
pub(crate) fn backends() -> String {
    let backends = BACKENDS.lock().unwrap_or_else(PoisonError::into_inner);
    backends.iter().cloned().collect::<Vec<_>>().join("; ")
}

/// Where an agent shows its metrics.
fn endpoint(folder: &Path) -> String {
    format!("unix:{}", folder.join("metrics.sock").display())
}

enum Line {
    Stdout(String),
    Stderr(String),
}

fn forward(stream: Option<impl std::io::Read + Send + 'static>, wrap: fn(String) -> Line, to: Sender<Line>) {
    let Some(stream) = stream else { return };
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if to.send(wrap(line)).is_err() {
                return;
            }
        }
    });
}

/// A running agent. Killed when dropped.
pub(crate) struct Agent {
    child: Child,
    output: Receiver<Line>,
    /// Every event so far, in the order it was printed.
    pub(crate) events: Vec<Value>,
    /// Every line on standard error so far.
    pub(crate) log: Vec<String>,
    before: Loaded,
    socket: PathBuf,
    /// The files it was started with, which must outlive it.
    folder: TempDir,
}

impl Agent {
    /// An agent whose only policy, `links`, reports links to /etc/passwd.
    pub(crate) fn with_links() -> Result<Self> {
        Setup::new()?.policy(&on_symlinkat("links", PASSWD))?.start()
    }

    /// The first event for which this holds, now or later.
    pub(crate) fn wait_for(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut looked_at = 0;
        let mut found = None;
        self.wait_until(|agent| {
            found = agent.events[looked_at..].iter().find(|event| wanted(event)).cloned();
            looked_at = agent.events.len();
            found.is_some()
        })
        .with_context(|| format!("no {what}"))?;
        found.context("found, but gone")
    }

    /// Waits until everything that happened before this call has come out.
    pub(crate) fn settle(&mut self) -> Result<()> {
        let ended = trigger::exit(0, &["settle"])?;
        self.wait_for("exit event to settle by", |event| is_exit_of(event, ended.pid))?;
        Ok(())
    }

    /// The `process_kprobe` events of a process so far.
    pub(crate) fn hits_of(&self, pid: u32) -> Vec<&Value> {
        self.events
            .iter()
            .map(|event| &event["process_kprobe"])
            .filter(|hit| hit["process"]["pid"] == pid)
            .collect()
    }

    /// Waits until a line with this text is on standard error.
    pub(crate) fn wait_for_log(&mut self, text: &str) -> Result<()> {
        self.wait_until(|agent| agent.log.iter().any(|line| line.contains(text)))
            .with_context(|| format!("nothing about {text:?} in the log"))
    }

    /// Where its API is served.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// A client of its API.
    pub(crate) fn api(&self) -> Result<Api> {
        Api::connect(&self.socket)
    }

    /// Sends the agent a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(self.pid()?, signal)?)
    }

    /// Kilobytes of memory that it has in use (`VmRSS`).
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches("kB").trim().parse()?)
    }

    /// Bytes of kernel memory that its programs and maps have in use, as the kernel accounts for them.
    pub(crate) fn kernel_memory(&self) -> Result<u64> {
        let mut seen = BTreeSet::new();
        let mut sum = 0;
        for entry in std::fs::read_dir(format!("/proc/{}/fdinfo", self.child.id()))? {
            let text = std::fs::read_to_string(entry?.path()).unwrap_or_default();
            let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let Some(memory) = field("memlock:").and_then(|bytes| bytes.parse::<u64>().ok()) else {
                continue;
            };
            // Several descriptors can stand for one.
            if seen.insert((field("map_id:").map(str::to_owned), field("prog_id:").map(str::to_owned))) {
                sum += memory;
            }
        }
        Ok(sum)
    }

    /// Ends the agent as a user would; the events it still printed are added.
    ///
    /// # Errors
    /// If it fails, or leaves programs or links behind.
    pub(crate) fn stop(self) -> Result<Vec<Value>> {
        Ok(self.finish(Signal::INT)?.0)
    }

    /// Ends the agent by a signal; the events and the log, all of both.
    ///
    /// # Errors
    /// As [`Agent::stop`].
    pub(crate) fn finish(mut self, signal: Signal) -> Result<(Vec<Value>, Vec<String>)> {
        let status = self.end(signal)?;
        ensure!(status.success(), "the agent ended with {status}; it said:\n{}", self.log.join("\n"));
        nothing_left(&self.before)?;
        Ok((std::mem::take(&mut self.events), std::mem::take(&mut self.log)))
    }

    /// Ends an agent that leaves hooks attached; what was loaded before it started, and all of its log.
    pub(crate) fn leave(mut self, signal: Signal) -> Result<(Loaded, Vec<String>)> {
        self.end(signal)?;
        Ok((self.before.clone(), std::mem::take(&mut self.log)))
    }

    fn end(&mut self, signal: Signal) -> Result<ExitStatus> {
        self.signal(signal)?;
        let ended = self.wait_until(|_| false);
        ensure!(ended.is_err(), "unreachable: nothing was waited for");
        Ok(self.child.wait()?)
    }

    /// Waits until somebody has killed the agent, and the kernel has detached it; what was loaded before it started.
    ///
    /// # Errors
    /// If it ends by itself, or something of it stays attached.
    pub(crate) fn killed(mut self) -> Result<Loaded> {
        let status = self.child.wait()?;
        ensure!(status.signal() == Some(Signal::KILL.as_raw()), "the agent ended with {status}");
        let deadline = Instant::now() + PATIENCE;
        while Loaded::now().added_since(&self.before).1 > 0 {
            ensure!(Instant::now() < deadline, "links of a killed agent stay in the kernel");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(self.before.clone())
    }

    /// Asks for its metrics, health or status; the code and the text of the answer.
    pub(crate) fn ask(&self, path: &str) -> Result<(u16, String)> {
        let mut stream = self.connect()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: serin\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        Ok((status, body.to_owned()))
    }

    /// Connects to where it shows its metrics, and says nothing.
    pub(crate) fn connect(&self) -> Result<UnixStream> {
        UnixStream::connect(self.folder.path().join("metrics.sock")).context("no metrics are served")
    }

    /// Runs `serin status`; what it prints.
    pub(crate) fn status(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(crate::root().join("target/release/serin"));
        command.arg("status").arg("--metrics").arg(endpoint(self.folder.path())).args(arguments);
        let output = command.output().context("cannot run serin status")?;
        ensure!(output.status.success(), "status failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Result<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process id")
    }

    /// Takes in what the agent prints until the condition holds, it ends, or patience does.
    pub(crate) fn wait_until(&mut self, mut done: impl FnMut(&Self) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Line::Stdout(line)) => {
                    let event = serde_json::from_str(&line).with_context(|| format!("no JSON: {line}"))?;
                    self.events.push(event);
                }
                Ok(Line::Stderr(line)) => self.log.push(line),
                Err(reason) => bail!("{reason}; {}", self.state()),
            }
        }
        Ok(())
    }

    fn state(&self) -> String {
        let last: Vec<String> = self.events.iter().rev().take(5).map(Value::to_string).collect();
        let log = self.log.join("\n");
        format!(
            "{} events, the last of them:\n{}\nthe agent said:\n{log}",
            self.events.len(),
            last.join("\n")
        )
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether this is the `process_exit` event of a process.
pub(crate) fn is_exit_of(event: &Value, pid: u32) -> bool {
    event["process_exit"]["process"]["pid"] == pid
}

/// Waits until the kernel has freed everything that was not there before: it does so a little after the last user has gone.
pub(crate) fn nothing_left(before: &Loaded) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (programs, links) = Loaded::now().added_since(before);
        if (programs, links) == (0, 0) {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "the agent left {programs} programs and {links} links in the kernel"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
