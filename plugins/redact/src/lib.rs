//! Masks secrets in the arguments of processes and hooks: passwords on command lines, tokens, what patterns name.

mod secrets;

use serin_plugin::redact::{Place, mask};
use serin_plugin::{EventView, Kind, Outcome, Plugin, ProcessView, Subscription};

use crate::secrets::Secrets;

/// The plugin.
#[derive(Debug)]
pub struct Redact {
    secrets: Secrets,
}

/// `config`
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether what is known to be secret everywhere is masked, too.
    #[serde(default = "yes")]
    defaults: bool,
    /// Regular expressions; the first group, or all that matches if there is none, is masked.
    #[serde(default)]
    patterns: Vec<String>,
    /// Options whose value is the next argument, such as `--passphrase`.
    #[serde(default)]
    options: Vec<String>,
}

fn yes() -> bool {
    true
}

impl Plugin for Redact {
    type Config = Config;

    fn new(Config { defaults, patterns, options }: Config) -> Result<Self, String> {
        Ok(Self { secrets: Secrets::new(defaults, &patterns, options)? })
    }

    fn subscription(&self) -> Subscription {
        let kinds = [Kind::ProcessExec, Kind::ProcessExit, Kind::Alert];
        Subscription::kinds(kinds.into_iter().chain(Kind::HOOKS))
    }

    fn on_event(&mut self, event: EventView<'_>, outcome: &mut Outcome) {
        if let Some(process) = event.process() {
            self.process(&process, Place::ProcessArgument, outcome);
        }
        if let Some(parent) = event.parent() {
            self.process(&parent, Place::ParentArgument, outcome);
        }
        let Some(kprobe) = event.kprobe() else { return };
        for (index, argument) in (0..).zip(kprobe.arguments()) {
            let found = argument.as_str().into_iter().flat_map(|text| self.secrets.within(text));
            found.for_each(|range| mask(outcome, Place::HookArgument(index), range));
        }
    }
}

impl Redact {
    fn process(&self, process: &ProcessView<'_>, place: fn(u32) -> Place, outcome: &Outcome) {
        let mut is_value = false;
        for (index, argument) in (0..).zip(process.arguments()) {
            if is_value {
                mask(outcome, place(index), 0..argument.len());
            } else {
                self.secrets.within(argument).for_each(|range| mask(outcome, place(index), range));
            }
            is_value = !is_value && self.secrets.is_before_value(argument);
        }
    }
}

serin_plugin::export!(Redact);
