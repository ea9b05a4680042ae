//! An entry of `spec.plugins`: one plugin, what it may do, and what becomes of its events.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serin_config::scalar;

use crate::digest::Digest;
use crate::grants::{Grants, Rate};
use crate::quantity;
use crate::rollout::Rollout;
use crate::source::ComponentSource;
use crate::subscription::EventFilter;
use crate::{DEFAULT_ALERTS, DEFAULT_LOG_LINES, DEFAULT_MEMORY, DEFAULT_TIME};

/// An entry of `spec.plugins`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PluginEntry {
    /// Name, unique in the pipeline: 1 to 64 of `a-z 0-9 -`.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// The component.
    pub component: ComponentSource,
    /// Which events it gets, of those it subscribes to.
    #[serde(default)]
    pub events: EventFilter,
    /// The component's digest: another one is refused.
    #[serde(default, deserialize_with = "digest")]
    pub digest: Option<Digest>,
    /// The plugin's own configuration.
    #[serde(default)]
    pub config: serde_json::Value,
    /// A YAML file with the plugin's own configuration, instead of `config`; a relative path starts from the pipeline
    /// file's folder.
    #[serde(default)]
    pub config_file: Option<PathBuf>,
    /// What it may do.
    #[serde(default)]
    pub grants: Grants,
    /// What it may use up.
    #[serde(default)]
    pub limits: Limits,
    /// What becomes of the events of a call that fails.
    #[serde(default, deserialize_with = "on_failure")]
    pub on_failure: OnFailure,
    /// What becomes of its events when the agent has fallen behind.
    #[serde(default, deserialize_with = "on_overload")]
    pub on_overload: OnOverload,
    /// How many instances of it work at once, from 1 to 16; default 1.
    #[serde(default = "one_worker", deserialize_with = "quantity::workers")]
    pub workers: NonZeroUsize,
    /// Another version, on some of the hosts.
    #[serde(default)]
    pub rollout: Option<Rollout>,
}

fn one_worker() -> NonZeroUsize {
    NonZeroUsize::MIN
}

impl PluginEntry {
    /// The entry as the new version has it that is being rolled out.
    pub(super) fn next(&self) -> Option<Self> {
        self.rollout.as_ref().map(|rollout| rollout.apply(self))
    }
}

/// `limits`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Limits {
    /// Bytes of linear memory; default 16 MiB.
    #[serde(deserialize_with = "quantity::memory")]
    pub memory: usize,
    /// How long one call may take; default 100 ms.
    #[serde(deserialize_with = "quantity::time")]
    pub time: Duration,
    /// How many alerts; default 10,000 in a second. Those beyond are counted and not raised.
    pub alerts: Rate,
    /// How many lines each worker may log; default 100 in a second, and of one call 16.
    pub log_lines: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: DEFAULT_MEMORY,
            time: DEFAULT_TIME,
            alerts: Rate::a_second(DEFAULT_ALERTS),
            log_lines: Rate::a_second(DEFAULT_LOG_LINES),
        }
    }
}

/// `onFailure`: what to do when a plugin traps, takes too long, wants too much memory or returns nonsense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The events go on as if the plugin weren't there, until it is started anew.
    #[default]
    Pass,
    /// The events are dropped, and so are those that come before it is started anew.
    Drop,
    /// The events go on, and the plugin is not started again.
    Disable,
}

/// `onOverload`: what to do with a plugin's events while [`Pipeline::set_behind`](crate::Pipeline::set_behind) says that
/// too many wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnOverload {
    /// It gets them, and those behind them wait: what finds no room is lost for all plugins and sinks, and counted.
    #[default]
    Wait,
    /// They go on as if the plugin weren't there, counted.
    Skip,
}

fn on_failure<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OnFailure, D::Error> {
    scalar(deserializer, |text| match text {
        "pass" => Ok(OnFailure::Pass),
        "drop" => Ok(OnFailure::Drop),
        "disable" => Ok(OnFailure::Disable),
        _ => Err(format!("`{text}` is not known: write `pass`, `drop` or `disable`")),
    })
}

fn on_overload<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OnOverload, D::Error> {
    scalar(deserializer, |text| match text {
        "wait" => Ok(OnOverload::Wait),
        "skip" => Ok(OnOverload::Skip),
        _ => Err(format!("`{text}` is not known: write `wait` or `skip`")),
    })
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    scalar(deserializer, |text| {
        let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(valid) {
            Ok(text.to_owned())
        } else {
            Err(format!("`{text}` is not a plugin's name: write 1 to 64 of a-z, 0-9 and -"))
        }
    })
}

pub(crate) fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Digest>, D::Error> {
    scalar(deserializer, str::parse).map(Some)
}
