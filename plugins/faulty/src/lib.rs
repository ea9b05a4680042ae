//! Fails on demand: for testing that a failing plugin harms nobody.
//!
//! It annotates every exec with `faulty.seen`: how many of its process this
//! instance has seen, this one included. It fails at those whose arguments
//! contain a word. It needs `grants: { log: true }`.

use std::collections::HashMap;

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
pub struct Faulty {
    config: Config,
    /// Execs seen of each process, by its id.
    seen: HashMap<u32, u64>,
}

impl Plugin for Faulty {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        Ok(Self { config, seen: HashMap::new() })
    }

    fn subscription(&self) -> Subscription {
        Subscription::kinds([Kind::ProcessExec])
    }

    fn on_event(&mut self, event: EventView<'_>, outcome: &mut Outcome) {
        let Some(process) = event.process() else { return };
        if process.arguments().any(|argument| argument == self.config.argument) {
            serin_plugin::log::warn("failing, as configured");
            fail(self.config.fault);
        }
        let seen = self.seen.entry(process.pid()).or_default();
        *seen += 1;
        outcome.annotate("faulty.seen", &seen.to_string());
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
