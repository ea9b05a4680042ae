//! Another version of a plugin, on some of the hosts first, and back to the old one where it fails.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::config::{PluginEntry, digest};
use crate::digest::Digest;
use crate::quantity;
use crate::rollbacks::{Key, Rollbacks};
use crate::source::ComponentSource;
use crate::version::{Identity, Version};

/// `rollout`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rollout {
    /// The new version's component.
    pub component: ComponentSource,
    /// That component's digest: another one is refused.
    #[serde(default, deserialize_with = "digest")]
    pub digest: Option<Digest>,
    /// The new version's configuration; the old one's if neither this nor `configFile` is there.
    #[serde(default)]
    pub config: Option<serde_json::Value>,
    /// A file with it.
    #[serde(default)]
    pub config_file: Option<PathBuf>,
    /// On how many of a hundred hosts the new version runs: 0 to 100.
    #[serde(deserialize_with = "quantity::percent")]
    pub percent: u8,
    /// When a host goes back.
    #[serde(default)]
    pub rollback: Rollback,
}

impl Rollout {
    /// The entry as the new version has it.
    pub(crate) fn apply(&self, entry: &PluginEntry) -> PluginEntry {
        let mut next = PluginEntry {
            component: self.component.clone(),
            digest: self.digest,
            rollout: None,
            ..entry.clone()
        };
        if self.config.is_some() || self.config_file.is_some() {
            next.config = self.config.clone().unwrap_or_default();
            next.config_file.clone_from(&self.config_file);
        }
        next
    }
}

/// `rollback`: the old version runs again once so many calls into the new one have failed in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Rollback {
    /// How many; 1 to 1000, default 3.
    #[serde(deserialize_with = "quantity::rollback_failures")]
    pub failures: u32,
    /// In which time; 1 ms to 24 h, default 10 min.
    #[serde(deserialize_with = "quantity::period")]
    pub per: Duration,
}

impl Default for Rollback {
    fn default() -> Self {
        Self { failures: 3, per: Duration::from_secs(600) }
    }
}

/// What tells this host from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostId(String);

impl HostId {
    /// Of this machine: [`machine-id(5)`](https://www.freedesktop.org/software/systemd/man/machine-id.html), or its
    /// name where there is none.
    pub fn of_this_host() -> Self {
        let files = ["/etc/machine-id", "/var/lib/dbus/machine-id", "/proc/sys/kernel/hostname"];
        let texts = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
        Self::new(texts.map(|text| text.trim().to_owned()).find(|text| !text.is_empty()).unwrap_or_default())
    }

    /// Any text that other hosts don't have.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The host's place among all hosts for a plugin, from 0 to 99: the same at all times, and as good as random from
    /// one plugin to the next. Those below a rollout's percentage have the new version.
    pub fn place(&self, plugin: &str) -> u8 {
        let hash = Sha256::new().chain_update(&self.0).chain_update([0]).chain_update(plugin).finalize();
        let number = hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
        u8::try_from(number % 100).unwrap_or_default()
    }
}

/// Which version runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// The old one: the host is not among those chosen.
    Old,
    /// The new one.
    New,
    /// The old one again.
    RolledBack {
        /// Why.
        reason: String,
    },
}

/// How far a plugin's rollout is on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutStatus {
    /// On how many of a hundred hosts the new version runs.
    pub percent: u8,
    /// This host's place among them, from 0 to 99.
    pub place: u8,
    /// Which version runs here.
    pub stage: Stage,
    /// The component that runs here.
    pub digest: Digest,
}

/// A rollout on this host.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) status: RolloutStatus,
    limit: Rollback,
    /// What is gone back to; none if the old version runs.
    before: Option<Version>,
    /// The new version, if it was rolled back before the agent was started.
    given_up: Option<Identity>,
    /// Where it is remembered that the new version was rolled back.
    memory: Option<(Arc<Rollbacks>, Key)>,
    /// The last failures, at most as many as the limit has.
    failures: VecDeque<Instant>,
}

impl Staged {
    pub(crate) fn new(status: RolloutStatus, limit: Rollback, before: Option<Version>) -> Self {
        Self { status, limit, before, given_up: None, memory: None, failures: VecDeque::new() }
    }

    /// Remembers it if this version is rolled back.
    pub(crate) fn remembered(self, memory: Option<(Arc<Rollbacks>, Key)>) -> Self {
        Self { memory, ..self }
    }

    /// Takes over what is said now of the same versions.
    pub(crate) fn succeed(&mut self, next: Self) {
        if next.before.is_none() {
            *self = next;
        } else {
            self.limit = next.limit;
            self.status.percent = next.status.percent;
        }
    }

    /// A call has failed; gives the version to go back to, if it is time for that.
    pub(crate) fn failed(&mut self, now: Instant, failure: &str, is_last: bool) -> Option<Version> {
        self.failures.push_back(now);
        while self.failures.front().is_some_and(|first| now.duration_since(*first) > self.limit.per) {
            self.failures.pop_front();
        }
        let count = self.failures.len();
        if !is_last && count < self.limit.failures as usize {
            return None;
        }
        let before = self.before.take()?;
        self.roll_back(
            &before,
            &format!("{count} failures within {:?}, the last: {failure}", self.limit.per),
        );
        self.failures.clear();
        if let (Some((rollbacks, version)), Some(reason)) = (&self.memory, self.reason()) {
            rollbacks.record(version, reason);
        }
        Some(before)
    }

    /// The new version was rolled back before the agent was started.
    pub(crate) fn given_up(
        mut status: RolloutStatus,
        limit: Rollback,
        new: &Version,
        reason: String,
    ) -> Self {
        status.stage = Stage::RolledBack { reason };
        Self { given_up: Some(new.identity()), ..Self::new(status, limit, None) }
    }

    /// The new version does not even start.
    pub(crate) fn unstartable(status: RolloutStatus, limit: Rollback, before: &Version, why: &str) -> Self {
        let mut staged = Self::new(status, limit, None);
        staged.roll_back(before, why);
        staged
    }

    fn roll_back(&mut self, before: &Version, why: &str) {
        let reason = format!("rolled back to {}: {why}", before.digest);
        self.status.digest = before.digest;
        self.status.stage = Stage::RolledBack { reason };
    }

    /// What may run, of which this version is one: the new one, then the old one.
    pub(crate) fn identities(&self, running: Identity) -> Vec<Identity> {
        let before = self.before.as_ref().map(Version::identity);
        self.given_up.iter().cloned().chain([running]).chain(before).collect()
    }

    /// Whether this agent has rolled it back, which is to be told.
    pub(crate) fn is_news(&self) -> bool {
        self.given_up.is_none()
    }

    /// Why it was rolled back, if it was.
    pub(crate) fn reason(&self) -> Option<&str> {
        match &self.status.stage {
            Stage::RolledBack { reason } => Some(reason),
            Stage::Old | Stage::New => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_stable_even_and_differ_between_plugins() {
        let host = HostId::new("5e51a11d5e51a11d5e51a11d5e51a11d");
        assert_eq!((host.place("a"), host.place("a")), (host.place("a"), host.place("a")));
        let mut hosts = [0_u32; 100];
        let mut differing = 0;
        for number in 0..10_000 {
            let host = HostId::new(format!("host-{number}"));
            hosts[usize::from(host.place("a"))] += 1;
            differing += u32::from(host.place("a") != host.place("b"));
        }
        assert!(hosts.iter().all(|count| (50..=150).contains(count)), "{hosts:?}");
        assert!(differing > 9_800, "{differing}");
    }

    #[test]
    fn whoever_is_chosen_stays_chosen() {
        for number in 0..100 {
            let place = HostId::new(format!("host-{number}")).place("a");
            let chosen: Vec<bool> = (0..=100).map(|percent| place < percent).collect();
            assert!(chosen.is_sorted() && !chosen[0] && chosen[100], "{place}");
        }
    }
}
