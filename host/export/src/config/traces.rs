//! Traces of the pipeline in the pipeline file.

use std::fmt;

use serde::{Deserialize, Deserializer};
use serin_config::{count, scalar, within};

use super::network::HttpConfig;

/// `spec.traces`: how batches pass the pipeline, as traces for an OpenTelemetry collector.
///
/// ```
/// # use serin_export::TracesConfig;
/// let traces: TracesConfig =
///     serde_yaml::from_str("{ otlp: { url: 'http://127.0.0.1:4318/v1/traces' }, sample: 0.5% }")?;
/// assert_eq!((traces.sample.to_string(), traces.queue), ("0.5%".to_owned(), 2048));
/// # Ok::<(), serde_yaml::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TracesConfig {
    /// Where to, as of a sink `otlp`; what a request has of events there, it has of spans here.
    pub otlp: HttpConfig,
    /// Which share of the batches; default 1%.
    #[serde(default)]
    pub sample: SampleShare,
    /// How many spans may wait: 128 to 1048576, default 2048.
    #[serde(default = "queue", deserialize_with = "read_queue")]
    pub queue: usize,
}

fn queue() -> usize {
    2048
}

/// A trace has a span for each plugin, of which there may be 64: one that never fits would be configured in vain.
fn read_queue<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    scalar(deserializer, |text| within(count(text)?, 128, 1 << 20, |count| format!("{count} waiting spans")))
}

/// A share of all batches, in millionths: 1 to 1000000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleShare(pub u32);

impl SampleShare {
    /// All of them.
    pub const ALL: Self = Self(1_000_000);
}

impl Default for SampleShare {
    fn default() -> Self {
        Self(10_000)
    }
}

impl fmt::Display for SampleShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 10_000.0)
    }
}

impl<'de> Deserialize<'de> for SampleShare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, |text| {
            let number = text.strip_suffix('%').map(str::trim_end);
            let is_decimal = |text: &&str| text.chars().all(|c| c.is_ascii_digit() || c == '.');
            let percent = number.filter(is_decimal).and_then(|number| number.parse::<f64>().ok());
            let percent = percent.ok_or_else(|| {
                format!("`{text}` is not a share of the batches: write a percentage like `1%` or `0.01%`")
            })?;
            let percent = within(percent, 0.0001, 100.0, |percent| format!("{percent}%"))
                .map_err(|error| format!("{error}; to have no traces, leave `traces` out"))?;
            Ok::<_, String>(Self((percent * 10_000.0).round() as u32))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn parse(fields: &str) -> Result<TracesConfig, String> {
        let yaml = format!("otlp: {{ url: 'http://127.0.0.1:4318/v1/traces' }}\n{fields}");
        serde_yaml::from_str(&yaml).map_err(|error| error.to_string())
    }

    #[test]
    fn shares_are_percentages() {
        for (text, millionths) in [("100%", 1_000_000), ("1%", 10_000), ("0.25 %", 2_500), ("0.0001%", 1)] {
            assert_eq!(parse(&format!("sample: {text}")).unwrap().sample, SampleShare(millionths), "{text}");
        }
        assert_eq!(parse("").unwrap().sample, SampleShare(10_000));
    }

    #[test]
    fn wrong_values_are_told_with_their_place_and_what_to_write() {
        for (fields, expected) in [
            (
                "sample: 5",
                "`5` is not a share of the batches: write a percentage like `1%` or `0.01%` at line 2 column 9",
            ),
            ("sample: -1%", "`-1%` is not a share"),
            ("sample: NaN%", "`NaN%` is not a share"),
            (
                "sample: 0%",
                "0% is out of bounds: allowed are 0.0001% to 100%; to have no traces, leave `traces` out",
            ),
            ("sample: 101%", "101% is out of bounds"),
            (
                "queue: 5",
                "5 waiting spans is out of bounds: allowed are 128 waiting spans to 1048576 waiting spans",
            ),
            ("rate: 1", "unknown field `rate`, expected one of `otlp`, `sample`, `queue` at line 2 column 1"),
        ] {
            let error = parse(fields).unwrap_err();
            assert!(error.contains(expected), "{fields}: {error}");
        }
        let error = serde_yaml::from_str::<TracesConfig>("sample: 1%").unwrap_err().to_string();
        assert!(error.starts_with("missing field `otlp`"), "{error}");
    }
}
