//! What each kind of sink has of its own.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Deserializer};
use serin_config::scalar;

use super::network::{HttpConfig, SyslogConfig};
use super::quantity;

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkKind {
    /// `stdout`: the agent's standard output.
    Stdout {
        /// How events are written; default `json`.
        format: Format,
    },
    /// `file`: a file that is appended to.
    File(FileConfig),
    /// `syslog`: messages to a syslog server.
    Syslog(SyslogConfig),
    /// `http`: JSON lines in POST requests.
    Http(HttpConfig),
    /// `otlp`: OpenTelemetry log records by HTTP.
    Otlp(HttpConfig),
}

impl SinkKind {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stdout { .. } => "stdout".to_owned(),
            Self::File(file) => format!("file {}", file.path.display()),
            Self::Syslog(syslog) => format!("syslog {}", syslog.address),
            Self::Http(http) => format!("http {}", without_query(&http.url)),
            Self::Otlp(otlp) => format!("otlp {}", without_query(&otlp.url)),
        }
    }

    /// How events are written.
    pub fn format(&self) -> Format {
        match self {
            Self::Stdout { format } => *format,
            Self::File(file) => file.format,
            Self::Syslog(syslog) => syslog.format,
            Self::Http(_) | Self::Otlp(_) => Format::Json,
        }
    }
}

/// Tokens like to stand behind the question mark.
fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

impl From<Stdout> for SinkKind {
    fn from(stdout: Stdout) -> Self {
        Self::Stdout { format: stdout.format }
    }
}

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JSON lines in Tetragon's shape: [`serin_event::json`].
    #[default]
    Json,
    /// One short line for a human to read. It may change from version to version.
    Compact,
    /// The same JSON over several lines, indented.
    Pretty,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stdout {
    #[serde(default)]
    format: Format,
}

/// `file`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FileConfig {
    /// Absolute path.
    #[serde(deserialize_with = "path")]
    pub path: PathBuf,
    /// How events are written; default `json`.
    #[serde(default)]
    pub format: Format,
    /// Permissions of files that are made; default 0600.
    #[serde(default = "private", deserialize_with = "quantity::mode")]
    pub mode: u32,
    /// When to write to the disk what the system has taken; default never.
    #[serde(default, deserialize_with = "quantity::sync")]
    pub sync: Sync,
    /// When to begin a new file, and what becomes of the old ones.
    #[serde(default)]
    pub rotate: Rotation,
}

impl FileConfig {
    /// A file with nothing but defaults.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: Format::default(),
            mode: private(),
            sync: Sync::default(),
            rotate: Rotation::default(),
        }
    }
}

fn private() -> u32 {
    0o600
}

/// `rotate`: without `size` and `age` the file is never rotated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Rotate")]
pub struct Rotation {
    /// No file becomes larger than this many bytes, unless a single event is.
    pub size: Option<u64>,
    /// A file takes events for this long.
    pub age: Option<Duration>,
    /// How many rotated files are kept, the newest ones; all if none.
    pub keep: Option<usize>,
    /// Rotated files are compressed with gzip.
    pub compress: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Rotate {
    #[serde(deserialize_with = "quantity::file_size")]
    size: Option<u64>,
    #[serde(deserialize_with = "quantity::age")]
    age: Option<Duration>,
    #[serde(deserialize_with = "quantity::keep")]
    keep: Option<usize>,
    #[serde(deserialize_with = "quantity::compress")]
    compress: bool,
}

impl TryFrom<Rotate> for Rotation {
    type Error = &'static str;

    fn try_from(Rotate { size, age, keep, compress }: Rotate) -> Result<Self, Self::Error> {
        if size.is_none() && age.is_none() {
            return Err("`rotate` needs a `size`, like 100MiB, or an `age`, like 24h, to rotate at");
        }
        Ok(Self { size, age, keep, compress })
    }
}

/// `sync`: when to write to the disk what the system has taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sync {
    /// When the system does: a crash of the host can cost half a minute.
    #[default]
    Never,
    /// At most this long after it was written.
    Every(Duration),
    /// After each batch.
    Always,
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    scalar(deserializer, |text| {
        let path = PathBuf::from(text);
        if !path.is_absolute() || path.file_name().is_none() {
            return Err(format!(
                "file sink has the relative path `{text}`; write an absolute one, e.g. `/var/log/serin.json`"
            ));
        }
        Ok(path)
    })
}
