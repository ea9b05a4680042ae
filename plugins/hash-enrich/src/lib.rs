//! Annotates executions, and what hooks saw, with the digest of the process's program: `process.sha256`.

use serin_plugin::hash::{self, Missing};
use serin_plugin::{EventView, Kind, Outcome, Plugin, ProcessView, Subscription};

/// The plugin.
#[derive(Debug)]
pub struct HashEnrich {
    hooks: bool,
}

/// `config`
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether what hooks saw is annotated, too.
    #[serde(default)]
    hooks: bool,
}

impl Plugin for HashEnrich {
    type Config = Config;

    fn new(Config { hooks }: Config) -> Result<Self, String> {
        Ok(Self { hooks })
    }

    fn subscription(&self) -> Subscription {
        let hooks = Kind::HOOKS.into_iter().filter(|_| self.hooks);
        Subscription::kinds([Kind::ProcessExec].into_iter().chain(hooks))
    }

    fn on_event(&mut self, event: EventView<'_>, outcome: &mut Outcome) {
        let Some(process) = event.process() else { return };
        match digest(&process) {
            Ok(sha256) => outcome.annotate("process.sha256", &sha256),
            Err(reason) => outcome.annotate("process.sha256_missing", reason),
        }
    }
}

/// The digest, or why there is none.
fn digest(process: &ProcessView<'_>) -> Result<String, &'static str> {
    match hash::program(process.pid(), process.binary()) {
        Ok(digest) if digest.of_process || !is_contained(process) => Ok(digest.sha256),
        // What the host has at the path is something else.
        Ok(_) | Err(Missing::Gone) => Err("gone"),
        Err(Missing::Pending) => Err("pending"),
        Err(Missing::NotRegular) => Err("not a regular file"),
        Err(Missing::TooLarge) => Err("too large"),
        Err(Missing::Unreadable) => Err("unreadable"),
    }
}

/// Whether the process is in a container: runtimes name its cgroup after the container's id, 64 hexadecimal digits.
fn is_contained(process: &ProcessView<'_>) -> bool {
    let digits = process.cgroup().as_bytes().split(|byte| !byte.is_ascii_hexdigit());
    digits.into_iter().any(|run| run.len() >= 64)
}

serin_plugin::export!(HashEnrich);
