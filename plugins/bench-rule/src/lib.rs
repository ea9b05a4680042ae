//! A rule as detections are: a program by the end of its path, a file by the start of an argument.

use serin_plugin::{EventView, Outcome, Plugin, Severity};

/// The plugin.
#[derive(Debug)]
pub struct Rule {
    config: Config,
}

/// What to look for.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// End of the binary's path.
    binary_suffix: String,
    /// Start of an argument.
    argument_prefix: String,
}

impl Plugin for Rule {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        Ok(Self { config })
    }

    fn on_event(&mut self, event: EventView<'_>, outcome: &mut Outcome) {
        let Some(process) = event.process() else { return };
        if !process.binary().ends_with(&self.config.binary_suffix) {
            return;
        }
        let Some(kprobe) = event.kprobe() else { return };
        let prefix = self.config.argument_prefix.as_str();
        if kprobe.arguments().any(|argument| argument.as_str().is_some_and(|text| text.starts_with(prefix))) {
            outcome.alert(Severity::Low, "rule matched");
        }
    }
}

serin_plugin::export!(Rule);
