//! Sinks in the pipeline file.

use std::path::PathBuf;

use serde::Deserialize;

/// A sink: an entry of `spec.sinks`.
///
/// ```
/// # use serin_export::{Format, SinkConfig};
/// let sinks: Vec<SinkConfig> = serde_yaml::from_str("
/// - stdout: { format: compact }
/// - file: { path: /var/log/serin.json }
/// ")?;
/// assert_eq!(sinks, [
///     SinkConfig::Stdout { format: Format::Compact },
///     SinkConfig::File { path: "/var/log/serin.json".into(), format: Format::Json },
/// ]);
/// # Ok::<(), serde_yaml::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Entry")]
pub enum SinkConfig {
    /// `stdout`: the agent's standard output.
    Stdout {
        /// How events are written; default `json`.
        format: Format,
    },
    /// `file`: a file that is appended to, and made with mode 0600 if it isn't there.
    File {
        /// Absolute path.
        path: PathBuf,
        /// How events are written; default `json`.
        format: Format,
    },
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
}

/// As YAML has it: one key that names the sink.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    stdout: Option<Stdout>,
    file: Option<File>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stdout {
    #[serde(default)]
    format: Format,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    path: PathBuf,
    #[serde(default)]
    format: Format,
}

impl TryFrom<Entry> for SinkConfig {
    type Error = String;

    fn try_from(entry: Entry) -> Result<Self, String> {
        match entry {
            Entry { stdout: Some(Stdout { format }), file: None } => Ok(Self::Stdout { format }),
            Entry { stdout: None, file: Some(File { path, format }) } if path.is_absolute() => {
                Ok(Self::File { path, format })
            }
            Entry { stdout: None, file: Some(File { path, .. }) } => Err(format!(
                "file sink has the relative path `{}`; write an absolute one, e.g. `/var/log/serin.json`",
                path.display()
            )),
            Entry { stdout: Some(_), file: Some(_) } => {
                Err("a sink is either `stdout` or `file`; write two entries, each with a dash of its own".to_owned())
            }
            Entry { stdout: None, file: None } => Err(
                "a sink needs a kind; write `- stdout: { format: json }` or `- file: { path: /var/log/serin.json }`"
                    .to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn reads_sinks() {
        let file = |path: &str, format| SinkConfig::File { path: path.into(), format };
        for (yaml, expected) in [
            ("stdout: {}", SinkConfig::Stdout { format: Format::Json }),
            ("stdout: { format: json }", SinkConfig::Stdout { format: Format::Json }),
            ("stdout: { format: compact }", SinkConfig::Stdout { format: Format::Compact }),
            ("file: { path: /a b }", file("/a b", Format::Json)),
            ("file: { path: /a, format: compact }", file("/a", Format::Compact)),
        ] {
            assert_eq!(serde_yaml::from_str::<SinkConfig>(yaml).unwrap(), expected, "{yaml}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for (yaml, message) in [
            ("stdotu: {}", "unknown field `stdotu`, expected `stdout` or `file`"),
            ("stdout: { fromat: json }", "unknown field `fromat`, expected `format`"),
            ("stdout: { format: xml }", "unknown variant `xml`, expected `json` or `compact`"),
            ("stdout:", "a sink needs a kind; write `- stdout: { format: json }`"),
            ("{}", "a sink needs a kind"),
            ("file: {}", "missing field `path`"),
            ("file: { path: serin.json }", "relative path `serin.json`; write an absolute one"),
            ("{ stdout: {}, file: { path: /a } }", "either `stdout` or `file`"),
            ("stdout", "invalid type: string \"stdout\""),
        ] {
            let error = serde_yaml::from_str::<SinkConfig>(yaml).unwrap_err().to_string();
            assert!(error.contains(message), "{yaml}: {error}");
        }
    }
}
