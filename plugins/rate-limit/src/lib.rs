//! Lets events of a policy and binary pass at a rate, drops the rest, and says how many.
//!
//! The first event that passes after a drop carries `rate_limit.suppressed`, the
//! number of events of its policy and binary that were dropped before it. Drops
//! of a policy and binary that fell silent are told by the next event of any
//! other: `rate_limit.suppressed_others`.

mod bucket;

use std::time::Duration;

use bucket::{Bucket, Rate};
use serin_plugin::{Action, EventView, Kind, Outcome, Plugin, Subscription, Table};

/// How many pairs of policy and binary are told apart at once.
const MAX_KEYS: usize = 4096;

/// The plugin.
#[derive(Debug)]
pub struct RateLimit {
    rate: Rate,
    buckets: Table<Bucket>,
    /// Drops that the bucket they belong to can't tell any more.
    suppressed_others: u64,
    /// Room for a key.
    key: String,
}

/// `burst` events at once, refilled evenly with `burst` in `per`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(deserialize_with = "serin_plugin::duration")]
    per: Duration,
    burst: u32,
}

impl Plugin for RateLimit {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        let rate = Rate::new(config.burst, config.per)?;
        Ok(Self { rate, buckets: Table::new(MAX_KEYS), suppressed_others: 0, key: String::new() })
    }

    fn subscription(&self) -> Subscription {
        Subscription::kinds(Kind::HOOKS)
    }

    fn on_event(&mut self, event: EventView<'_>, outcome: &mut Outcome) {
        let Some(kprobe) = event.kprobe() else { return };
        let binary = event.process().map(|process| process.binary()).unwrap_or_default();
        self.key.clear();
        self.key.push_str(kprobe.policy_name());
        // Neither can contain it.
        self.key.push('\0');
        self.key.push_str(binary);

        let others = &mut self.suppressed_others;
        let bucket = self.buckets.entry(&self.key, Bucket::default, |bucket| *others += bucket.suppressed);
        if !bucket.take(self.rate, event.time()) {
            bucket.suppressed += 1;
            outcome.drop("rate_limit");
            return;
        }
        for (key, count) in [
            ("rate_limit.suppressed", &mut bucket.suppressed),
            ("rate_limit.suppressed_others", &mut self.suppressed_others),
        ] {
            if *count > 0 {
                outcome.annotate(key, &std::mem::take(count).to_string());
            }
        }
    }

    fn on_tick(&mut self, now: u64) -> Vec<Action> {
        for bucket in self.buckets.values_mut().filter(|bucket| bucket.is_full(now)) {
            self.suppressed_others += std::mem::take(&mut bucket.suppressed);
        }
        Vec::new()
    }
}

serin_plugin::export!(RateLimit);
