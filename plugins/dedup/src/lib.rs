//! Lets one alert of those with the same key pass in a window, drops the rest, and says how many.
//!
//! The next alert with the key carries `dedup.suppressed`, the number of those
//! before it that were dropped. Drops of a key that is forgotten before it
//! comes again are told by the next alert of any other: `dedup.suppressed_others`.
//! The events that the alerts were raised on pass untouched.

use std::time::Duration;

use serin_plugin::{EventView, Kind, Outcome, Plugin, Subscription, Table};

/// How many keys are told apart at once.
const MAX_KEYS: usize = 4096;

/// The plugin.
#[derive(Debug)]
pub struct Dedup {
    window: u64,
    keys: Table<Seen>,
    /// Drops of keys that are forgotten.
    suppressed_others: u64,
}

/// `config`
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How long alerts with a key that has passed are held back.
    #[serde(deserialize_with = "serin_plugin::duration")]
    window: Duration,
}

#[derive(Debug, Default)]
struct Seen {
    /// When one passed last, in nanoseconds since the Unix epoch.
    passed: Option<u64>,
    suppressed: u64,
}

impl Plugin for Dedup {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if config.window.is_zero() {
            return Err("`window` is 0, so nothing would be held back: write for example `10m`".to_owned());
        }
        let window = u64::try_from(config.window.as_nanos()).unwrap_or(u64::MAX);
        Ok(Self { window, keys: Table::new(MAX_KEYS), suppressed_others: 0 })
    }

    fn subscription(&self) -> Subscription {
        Subscription::kinds([Kind::Alert])
    }

    fn on_event(&mut self, event: EventView<'_>, outcome: &mut Outcome) {
        let Some(alert) = event.alert() else { return };
        let others = &mut self.suppressed_others;
        let seen = self.keys.entry(alert.key(), Seen::default, |seen| *others += seen.suppressed);
        let now = event.time();
        if seen.passed.is_some_and(|passed| now < passed.saturating_add(self.window)) {
            seen.suppressed += 1;
            outcome.drop("dedup");
            return;
        }
        seen.passed = Some(now);
        for (key, count) in [
            ("dedup.suppressed", &mut seen.suppressed),
            ("dedup.suppressed_others", &mut self.suppressed_others),
        ] {
            if *count > 0 {
                outcome.annotate(key, &std::mem::take(count).to_string());
            }
        }
    }
}

serin_plugin::export!(Dedup);
