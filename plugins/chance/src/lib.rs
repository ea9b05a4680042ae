//! Asks for the time and for random bytes: for testing what plugins are told.
//!
//! It annotates every event with `chance.wall` and `chance.monotonic`, in nanoseconds, and with `chance.bytes`, as many as
//! it is configured to ask for. It needs `grants: { clock: true, random: true }`.

use serin_plugin::{EventView, Outcome, Plugin, clock, random};

/// How many random bytes to ask for at each event.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    bytes: u32,
}

/// The plugin.
#[derive(Debug)]
pub struct Chance(Config);

impl Plugin for Chance {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        Ok(Self(config))
    }

    fn on_event(&mut self, _: EventView<'_>, outcome: &mut Outcome) {
        let hexadecimal: String =
            random::bytes(self.0.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        outcome.annotate("chance.bytes", &hexadecimal);
        outcome.annotate("chance.wall", &clock::wall().to_string());
        outcome.annotate("chance.monotonic", &clock::monotonic().as_nanos().to_string());
    }
}

serin_plugin::export!(Chance);
