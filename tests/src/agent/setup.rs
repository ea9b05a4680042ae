//! What the agent is started with.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::PoisonError;
use std::sync::mpsc::channel;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::{Agent, BACKENDS, Line, PATIENCE, READY, endpoint, forward, nothing_left};
use crate::bpf::Loaded;
use crate::trigger;

/// Prints every event, runs no plugin.
const BARE_PIPELINE: &str = "\
apiVersion: serin.dev/v1alpha1
kind: Pipeline
spec:
  sinks:
    - stdout: { format: json }
";

/// What the agent is started with: files in a folder of their own.
pub(crate) struct Setup {
    folder: TempDir,
    policies: PathBuf,
    pipeline: PathBuf,
    socket: PathBuf,
    /// What it keeps from one start to the next.
    state: PathBuf,
    arguments: Vec<String>,
    /// A file with all its settings, in the place of arguments.
    file: Option<PathBuf>,
    without_capabilities: Vec<u32>,
    environment: Vec<(&'static str, String)>,
    namespaces: Namespaces,
}

/// The namespaces that an agent is started in.
#[derive(Clone, Copy)]
enum Namespaces {
    /// Those of the tests.
    Same,
    /// Mounts of its own, where /sys/kernel/btf is empty.
    WithoutBtf,
    /// Process ids of its own.
    Pid,
}

impl Setup {
    /// No policies, and a pipeline that prints every event.
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder for the test")?;
        let policies = folder.path().join("policies");
        std::fs::create_dir(&policies)?;
        let pipeline = folder.path().join("pipeline.yaml");
        let socket = folder.path().join("api/serin.sock");
        let state = folder.path().join("state");
        let setup = Self {
            folder,
            policies,
            pipeline,
            socket,
            state,
            arguments: Vec::new(),
            file: None,
            without_capabilities: Vec::new(),
            environment: Vec::new(),
            namespaces: Namespaces::Same,
        };
        setup.pipeline(BARE_PIPELINE)
    }

    /// The policies and the pipeline of a first run.
    pub(crate) fn shipped() -> Result<Self> {
        let root = crate::root();
        let (policies, pipeline) = (root.join("policies"), root.join("host/serin/pipelines/demo.yaml"));
        Ok(Self { policies, pipeline, ..Self::new()? })
    }

    /// Adds a policy file.
    pub(crate) fn policy(self, yaml: &str) -> Result<Self> {
        let number = std::fs::read_dir(&self.policies)?.count();
        std::fs::write(self.policies.join(format!("policy-{number}.yaml")), yaml)?;
        Ok(self)
    }

    /// Replaces the pipeline.
    pub(crate) fn pipeline(self, yaml: &str) -> Result<Self> {
        self.file("pipeline.yaml", yaml.as_bytes())
    }

    /// Adds a file beside the pipeline.
    pub(crate) fn file(self, name: &str, content: &[u8]) -> Result<Self> {
        std::fs::write(self.path(name), content)?;
        Ok(self)
    }

    /// Keeps what outlives it in this folder, for an agent that is started later.
    pub(crate) fn keeping(mut self, state: &Path) -> Self {
        self.state = state.to_owned();
        self
    }

    /// Serves the API at this path.
    pub(crate) fn at_socket(mut self, socket: &Path) -> Self {
        self.socket = socket.into();
        self
    }

    /// Starts the agent with further arguments.
    pub(crate) fn arguments<T: Into<String>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Starts the agent with this configuration file, and nothing else on its command line.
    pub(crate) fn by_file(mut self, file: &Path) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Starts the agent without these capabilities.
    pub(crate) fn without_capabilities(mut self, capabilities: impl IntoIterator<Item = u32>) -> Self {
        self.without_capabilities = capabilities.into_iter().collect();
        self
    }

    /// Starts the agent with this in its environment.
    pub(crate) fn environment(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Starts the agent where /sys/kernel/btf is empty.
    pub(crate) fn without_btf(mut self) -> Self {
        self.namespaces = Namespaces::WithoutBtf;
        self
    }

    /// Starts the agent in a pid namespace of its own.
    pub(crate) fn in_pid_namespace(mut self) -> Self {
        self.namespaces = Namespaces::Pid;
        self
    }

    /// The path of a file of this test.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the agent and waits until it is ready.
    pub(crate) fn start(self) -> Result<Agent> {
        let before = Loaded::now();
        let mut child = self.command().spawn().context("cannot start the agent")?;
        let (sender, output) = channel();
        forward(child.stdout.take(), Line::Stdout, sender.clone());
        forward(child.stderr.take(), Line::Stderr, sender);
        let mut agent = Agent {
            child,
            output,
            events: Vec::new(),
            log: Vec::new(),
            before,
            socket: self.socket,
            folder: self.folder,
        };
        agent
            .wait_until(|agent| agent.log.last().is_some_and(|line| line.contains(READY)))
            .context("not ready")?;
        let attached =
            agent.log.iter().filter_map(|line| Some(line.split_once(" attached by ")?.1.to_owned()));
        BACKENDS.lock().unwrap_or_else(PoisonError::into_inner).extend(attached);
        Ok(agent)
    }

    /// Runs an agent that must refuse to start; returns what it says about it.
    ///
    /// # Errors
    /// If it starts, ends with success, or leaves something in the kernel.
    pub(crate) fn refusal(&self) -> Result<String> {
        let before = Loaded::now();
        let mut child = self.command().spawn().context("cannot start the agent")?;
        let (sender, output) = channel();
        forward(child.stderr.take(), Line::Stderr, sender);
        let deadline = Instant::now() + PATIENCE;
        let mut log = String::new();
        while let Ok(line) = output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            let (Line::Stderr(line) | Line::Stdout(line)) = line;
            if line.contains(READY) {
                child.kill()?;
                child.wait()?;
                bail!("the agent started though it should have refused; it said:\n{log}{line}");
            }
            log.push_str(&line);
            log.push('\n');
        }
        let status = child.wait()?;
        ensure!(!status.success(), "the agent refused, but with success; it said:\n{log}");
        ensure!(status.code().is_some(), "the agent ended with {status}; it said:\n{log}");
        nothing_left(&before)?;
        Ok(log)
    }

    /// The command line that runs the agent.
    pub(crate) fn command(&self) -> Command {
        let agent = crate::root().join("target/release/serin");
        let mut command = match self.namespaces {
            Namespaces::Same => Command::new(agent),
            Namespaces::WithoutBtf => without_btf(&agent),
            Namespaces::Pid => in_pid_namespace(&agent),
        };
        command.current_dir(crate::root()).arg("run");
        match &self.file {
            Some(file) => {
                command.arg("--config").arg(file);
            }
            None => {
                command.arg("--policies").arg(&self.policies).arg("--pipeline").arg(&self.pipeline);
                command.arg("--metrics").arg(endpoint(self.folder.path()));
                command.arg("--state").arg(&self.state);
                command.arg("--api-socket").arg(&self.socket).args(&self.arguments);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if !self.without_capabilities.is_empty() {
            trigger::without_capabilities(&mut command, self.without_capabilities.clone());
        }
        command
    }
}

/// The program in a mount namespace where an empty folder covers the kernel's BTF.
fn without_btf(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", "mount -t tmpfs none /sys/kernel/btf && exec \"$@\"", "sh"]);
    command.arg(program);
    command
}

/// The program as the first process of a pid namespace.
fn in_pid_namespace(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork"]).arg(program);
    command
}
