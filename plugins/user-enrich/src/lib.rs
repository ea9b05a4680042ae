//! Annotates events with the names of users: `user.name` of the effective user, `user.login` of who logged in.

mod passwd;

use std::collections::HashMap;

use serin_plugin::{Action, EventView, Kind, Outcome, Plugin, Subscription, duration, file};

use crate::passwd::names;

/// The login uid of processes that nobody logged in for.
const UNSET: u32 = u32::MAX;

/// The plugin.
#[derive(Debug)]
pub struct UserEnrich {
    passwd: String,
    /// In nanoseconds.
    refresh: u64,
    names: HashMap<u32, String>,
    /// When the file was read last; 0 before the first tick.
    read: u64,
}

/// `config`
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file with the names, in the form of `passwd(5)`.
    #[serde(default = "default_passwd")]
    passwd: String,
    /// How often it is read again.
    #[serde(default = "default_refresh", deserialize_with = "duration")]
    refresh: std::time::Duration,
}

fn default_passwd() -> String {
    "/etc/passwd".to_owned()
}

fn default_refresh() -> std::time::Duration {
    std::time::Duration::from_secs(60)
}

impl Plugin for UserEnrich {
    type Config = Config;

    fn new(Config { passwd, refresh }: Config) -> Result<Self, String> {
        let refresh = u64::try_from(refresh.as_nanos()).unwrap_or(u64::MAX);
        if refresh < 1_000_000_000 {
            return Err("`refresh` is less than `1s`".to_owned());
        }
        let content = file::read(&passwd).map_err(|refusal| format!("`passwd`: {passwd} {refusal}"))?;
        Ok(Self { names: names(&content), passwd, refresh, read: 0 })
    }

    fn subscription(&self) -> Subscription {
        Subscription::kinds([Kind::ProcessExec, Kind::ProcessExit].into_iter().chain(Kind::HOOKS))
    }

    fn on_event(&mut self, event: EventView<'_>, outcome: &mut Outcome) {
        let Some(process) = event.process() else { return };
        if let Some(name) = self.names.get(&process.uid()) {
            outcome.annotate("user.name", name);
        }
        if process.auid() != UNSET
            && let Some(name) = self.names.get(&process.auid())
        {
            outcome.annotate("user.login", name);
        }
    }

    fn on_tick(&mut self, now: u64) -> Vec<Action> {
        if self.read == 0 {
            self.read = now;
        }
        if now.saturating_sub(self.read) >= self.refresh {
            self.read = now;
            // While it is being replaced it may not be there: the names from before go on.
            if let Ok(content) = file::read(&self.passwd) {
                self.names = names(&content);
            }
        }
        Vec::new()
    }
}

serin_plugin::export!(UserEnrich);
