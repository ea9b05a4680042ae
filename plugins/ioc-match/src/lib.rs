//! Looks for indicators of compromise: addresses, domains, paths and hashes that are on a list.

mod address;
mod host;
mod indicators;

use serin_plugin::{EventView, Kind, Outcome, Plugin, Severity, Subscription};

use indicators::Indicators;

/// The plugin.
#[derive(Debug)]
pub struct IocMatch {
    indicators: Indicators,
    severity: Severity,
}

/// `config`; each list can be left out.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// IPv4 and IPv6 addresses, and networks like `192.0.2.0/24`.
    ips: Vec<String>,
    /// Domain names; what is below one matches too.
    domains: Vec<String>,
    /// Absolute paths of programs and files.
    paths: Vec<String>,
    /// MD5, SHA-1 or SHA-256 in hexadecimal, which earlier plugins have attached as annotations.
    hashes: Vec<String>,
    /// Of the alerts; `high` if left out.
    severity: Level,
}

#[derive(Debug, Default, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Info,
    Low,
    Medium,
    #[default]
    High,
    Critical,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Info => Self::Info,
            Level::Low => Self::Low,
            Level::Medium => Self::Medium,
            Level::High => Self::High,
            Level::Critical => Self::Critical,
        }
    }
}

impl Plugin for IocMatch {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        let severity = config.severity.into();
        Ok(Self { indicators: Indicators::new(config)?, severity })
    }

    fn subscription(&self) -> Subscription {
        Subscription::kinds([Kind::ProcessExec].into_iter().chain(Kind::HOOKS))
    }

    fn on_event(&mut self, event: EventView<'_>, outcome: &mut Outcome) {
        let mut report = |kind: &str, indicator: &str, seen: &str| {
            outcome
                .alert(self.severity, "an indicator of compromise turned up")
                .rule(&format!("ioc-{kind}"))
                .key(&format!("ioc-{kind}/{indicator}"))
                .field("ioc.kind", kind)
                .field("ioc.indicator", indicator)
                .field("ioc.seen", seen);
        };
        // Every event of a process has its program and arguments: they are looked at once, when it starts.
        if event.kind() == Kind::ProcessExec
            && let Some(process) = event.process()
        {
            self.indicators.find(process.binary(), &mut report);
            for argument in process.arguments() {
                self.indicators.find(argument, &mut report);
            }
        }
        let arguments = event.kprobe().map(|kprobe| kprobe.arguments()).into_iter().flatten();
        for argument in arguments {
            // Of a socket, packet or address, the addresses are among the fields.
            let fields = argument.fields().map(|field| field.value());
            for text in argument.as_str().into_iter().chain(fields) {
                self.indicators.find(text, &mut report);
            }
        }
        for annotation in event.annotations() {
            self.indicators.find_hash(annotation.value(), &mut report);
        }
    }
}

serin_plugin::export!(IocMatch);
