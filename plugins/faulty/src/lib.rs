//! Fails on demand: for testing that a failing plugin harms nobody.
//!
//! It annotates every exec with `faulty.seen`, and fails at those whose
//! arguments contain a word. It needs `grants: { log: true }`.

use serin_plugin::{EventView, Kind, Outcome, Plugin, Subscription};

/// What to do wrong, and when.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    fault: Fault,
    /// An exec with this argument sets it off.
    argument: String,
}

/// What to do wrong.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Fault {
    /// Panic, which is a trap.
    Trap,
    /// Never return.
    Loop,
    /// Allocate until there is no more.
    Allocate,
}

/// The plugin.
#[derive(Debug)]
pub struct Faulty(Config);

impl Plugin for Faulty {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        Ok(Self(config))
    }

    fn subscription(&self) -> Subscription {
        Subscription::kinds([Kind::ProcessExec])
    }

    fn on_event(&mut self, event: EventView<'_>, outcome: &mut Outcome) {
        let Some(process) = event.process() else { return };
        if process.arguments().any(|argument| argument == self.0.argument) {
            serin_plugin::log::warn("failing, as configured");
            fail(self.0.fault);
        }
        outcome.annotate("faulty.seen", "yes");
    }
}

fn fail(fault: Fault) {
    let mut hoard = Vec::new();
    loop {
        match fault {
            Fault::Trap => panic!("as configured"),
            Fault::Loop => std::hint::spin_loop(),
            Fault::Allocate => hoard.push(vec![1_u8; 1 << 20]),
        }
    }
}

serin_plugin::export!(Faulty);
