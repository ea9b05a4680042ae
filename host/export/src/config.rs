//! Sinks in the pipeline file.

mod kind;
mod network;
mod quantity;
mod spool;
mod traces;

use std::collections::HashSet;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

pub use self::kind::{FileConfig, Format, Rotation, SinkKind, Sync};
pub use self::network::{Facility, HttpConfig, SyslogAddress, SyslogConfig};
pub use self::spool::SpoolConfig;
pub use self::traces::{SampleShare, TracesConfig};
use crate::fields::FieldFilter;
use crate::filter::{EventFilter, Filter};
use crate::queue::Overflow;
use crate::redact::Redaction;

/// Events that wait for a sink, unless it says otherwise. They then take about 20 MB, shared by all sinks.
pub const DEFAULT_QUEUE: usize = 16_384;

/// A sink: an entry of `spec.sinks`.
///
/// ```
/// # use serin_export::{Format, SinkConfig, SinkKind};
/// let sinks: Vec<SinkConfig> = serde_yaml::from_str("
/// - stdout: { format: compact }
/// - file: { path: /var/log/serin.json, rotate: { size: 100MiB, keep: 10, compress: gzip } }
///   allow: [{ policies: [sys-*] }]
///   fields: { exclude: [process.arguments] }
/// ")?;
/// assert_eq!(sinks[0].kind, SinkKind::Stdout { format: Format::Compact });
/// assert_eq!(sinks[1].name(), "file /var/log/serin.json");
/// # Ok::<(), serde_yaml::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkConfig {
    /// Where events go.
    pub kind: SinkKind,
    /// Which events.
    pub filter: Filter,
    /// Which of their fields; all if none.
    pub fields: Option<FieldFilter>,
    /// What is hidden in arguments.
    pub redact: Vec<Redaction>,
    /// What to do when the queue is full. Default: `block` for `stdout` and `file`, else `drop`.
    pub overflow: Overflow,
    /// How many events may wait. Default [`DEFAULT_QUEUE`].
    pub queue: usize,
    /// Where those wait on the disk that the server can't take; none if they don't. Only for `http` and `otlp`.
    pub spool: Option<SpoolConfig>,
}

impl SinkConfig {
    /// A sink with nothing but defaults.
    pub fn new(kind: SinkKind) -> Self {
        let overflow = match &kind {
            SinkKind::Stdout { .. } | SinkKind::File(_) => Overflow::Block,
            SinkKind::Syslog(_) | SinkKind::Http(_) | SinkKind::Otlp(_) => Overflow::Drop,
        };
        Self {
            kind,
            filter: Filter::default(),
            fields: None,
            redact: Vec::new(),
            overflow,
            queue: DEFAULT_QUEUE,
            spool: None,
        }
    }

    /// The first of these sinks whose spool is another one's already.
    pub fn shared_spool(sinks: &[Self]) -> Option<(usize, &SpoolConfig)> {
        let mut paths = HashSet::new();
        let spools = sinks.iter().enumerate().filter_map(|(index, sink)| Some((index, sink.spool.as_ref()?)));
        spools.into_iter().find(|(_, spool)| !paths.insert(&spool.path))
    }

    /// What it is called in messages and counters: `stdout`, `file /var/log/serin.json`.
    pub fn name(&self) -> String {
        self.kind.name()
    }
}

/// As YAML has it: one key that names the kind, and beside it what all kinds have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Entry {
    stdout: Option<kind::Stdout>,
    file: Option<FileConfig>,
    syslog: Option<SyslogConfig>,
    http: Option<HttpConfig>,
    otlp: Option<HttpConfig>,
    #[serde(default)]
    allow: Vec<EventFilter>,
    #[serde(default)]
    deny: Vec<EventFilter>,
    fields: Option<FieldFilter>,
    #[serde(default)]
    redact: Vec<Redaction>,
    #[serde(default, deserialize_with = "quantity::overflow")]
    overflow: Option<Overflow>,
    #[serde(default, deserialize_with = "quantity::queue")]
    queue: Option<usize>,
    spool: Option<SpoolConfig>,
}

impl<'de> Deserialize<'de> for SinkConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// What is wrong is told while the entry is read, so that the error has its place.
        struct InPlace;

        impl<'de> Visitor<'de> for InPlace {
            type Value = SinkConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sink, such as `stdout: { format: json }`")
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<SinkConfig, M::Error> {
                let entry = Entry::deserialize(MapAccessDeserializer::new(map))?;
                SinkConfig::try_from(entry).map_err(M::Error::custom)
            }
        }

        deserializer.deserialize_map(InPlace)
    }
}

impl TryFrom<Entry> for SinkConfig {
    type Error = String;

    fn try_from(entry: Entry) -> Result<Self, String> {
        let kinds = [
            entry.stdout.map(SinkKind::from),
            entry.file.map(SinkKind::File),
            entry.syslog.map(SinkKind::Syslog),
            entry.http.map(SinkKind::Http),
            entry.otlp.map(SinkKind::Otlp),
        ];
        let mut kinds = kinds.into_iter().flatten();
        let kind = kinds.next().ok_or(
            "a sink needs a kind; write `- stdout: { format: json }` or `- file: { path: /var/log/serin.json }`",
        )?;
        if kinds.next().is_some() {
            return Err("a sink is of one kind; write two entries, each with a dash of its own".to_owned());
        }
        if entry.fields.is_some() && kind.format() == Format::Compact {
            return Err(
                "`fields` choose among those of JSON; leave them out with `format: compact`".to_owned()
            );
        }
        if matches!(kind, SinkKind::Syslog(_)) && kind.format() == Format::Pretty {
            return Err("a syslog message is one line: write `format: json` or `format: compact`".to_owned());
        }
        if entry.spool.is_some() && !matches!(kind, SinkKind::Http(_) | SinkKind::Otlp(_)) {
            return Err(format!(
                "`spool` keeps what a server has not acknowledged, and nobody acknowledges what goes to {}: \
                 leave it out, or use `http` or `otlp`",
                kind.name()
            ));
        }
        let defaults = Self::new(kind);
        Ok(Self {
            filter: Filter { allow: entry.allow, deny: entry.deny },
            fields: entry.fields,
            redact: entry.redact,
            overflow: entry.overflow.unwrap_or(defaults.overflow),
            queue: entry.queue.unwrap_or(defaults.queue),
            spool: entry.spool,
            ..defaults
        })
    }
}

#[cfg(test)]
mod tests;
