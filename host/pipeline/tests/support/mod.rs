//! Pipelines, events and components for tests.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serin_event::argument::Argument;
use serin_event::{Event, EventKind, Hook, Place, Process};
use serin_pipeline::{Counters, LoadError, Pipeline, PipelineFile};

pub type File = PipelineFile<serde_json::Value, serde_json::Value>;

/// A folder with components and a pipeline file.
pub struct Setup {
    folder: tempfile::TempDir,
}

impl Setup {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn with(self, name: &str, content: &[u8]) -> Self {
        std::fs::write(self.path(name), content).unwrap();
        self
    }

    /// A pipeline file with these entries of `spec.plugins`.
    pub fn file(&self, plugins: &str) -> File {
        let plugins: String = plugins.lines().map(|line| format!("    {line}\n")).collect();
        let text = format!(
            "apiVersion: serin.dev/v1alpha1\nkind: Pipeline\nspec:\n  plugins:\n{plugins}  sinks: []\n"
        );
        PipelineFile::parse(&self.path("pipeline.yaml"), text).unwrap()
    }

    pub fn load(&self, plugins: &str) -> Result<Pipeline, LoadError> {
        Pipeline::load(&self.file(plugins), None)
    }

    /// The message of the refusal, with the folder's path cut out.
    pub fn refusal(&self, plugins: &str) -> String {
        let message = self.load(plugins).expect_err("it was accepted").to_string();
        message.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

/// The component of a first-party plugin, as `cargo xtask build` made it.
pub fn plugin(name: &str) -> String {
    let folder = match std::env::var_os("SERIN_PLUGINS_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins"),
    };
    let path = folder.join(format!("{name}.wasm"));
    assert!(path.is_file(), "{} is missing: run `cargo xtask build` first", path.display());
    path.canonicalize().unwrap().display().to_string()
}

/// What was attached to an event under a key.
pub fn annotation<'a>(event: &'a Event, key: &str) -> Option<&'a str> {
    event.annotations.iter().find(|annotation| &*annotation.key == key).map(|annotation| &*annotation.value)
}

/// A process in a container.
pub fn process(binary: &str, pid: u32) -> Arc<Process> {
    Arc::new(Process {
        exec_id: format!("exec-{pid}"),
        pid,
        uid: 1000,
        cwd: "/root".to_owned(),
        binary: binary.to_owned(),
        arguments: vec!["-s".to_owned(), "/etc/passwd".to_owned()],
        start_time: 1_700_000_000_000_000_000,
        cgroup: format!("/system.slice/docker-{}.scope", "ab".repeat(32)),
        ..Process::default()
    })
}

pub fn kprobe(policy: &str, path: &str) -> Event {
    let hook = Hook {
        place: Place::Function,
        function_name: "__x64_sys_symlinkat".into(),
        policy_name: policy.into(),
        message: "".into(),
        tags: Arc::new([]),
        arguments: vec![(Argument::String(path.to_owned()), "target".into())],
        actions: Arc::new(["KPROBE_ACTION_POST"]),
        return_actions: Arc::new([]),
        data: Vec::new(),
        returned: None,
        selector: 0,
        kernel_stack: Vec::new(),
        user_stack: Vec::new(),
        ima_hash: None,
        failed_closed: false,
        unenforced: false,
    };
    event(EventKind::Kprobe(hook))
}

pub fn event(kind: EventKind) -> Event {
    Event {
        time: 1_700_000_000_500_000_000,
        node_name: "host".into(),
        kind,
        process: Some(process("/usr/bin/ln", 42)),
        parent: Some(process("/usr/bin/bash", 41)),
        tid: 42,
        annotations: Vec::new(),
        alerts: Vec::new(),
    }
}

pub fn counters<'a>(pipeline: &'a Pipeline, name: &str) -> &'a Counters {
    pipeline.counters().find(|(plugin, _)| ***plugin == *name).unwrap().1
}
