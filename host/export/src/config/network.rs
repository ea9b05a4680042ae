//! Sinks that reach over the network.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer};
use serin_config::scalar;

use super::kind::Format;
use super::quantity;

/// `syslog`: messages after RFC 5424.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SyslogConfig {
    /// Where messages go.
    pub address: SyslogAddress,
    /// What a message says; default `json`, `pretty` is refused.
    #[serde(default)]
    pub format: Format,
    /// Default `daemon`.
    #[serde(default)]
    pub facility: Facility,
}

/// Where syslog messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyslogAddress {
    /// `udp://HOST:PORT`: a datagram a message (RFC 5426).
    Udp(String),
    /// `tcp://HOST:PORT`: messages with their length before them (RFC 6587, octet counting).
    Tcp(String),
    /// `unix:PATH`: a datagram a message, as to `/dev/log`.
    Unix(PathBuf),
}

impl fmt::Display for SyslogAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(host) => write!(f, "udp://{host}"),
            Self::Tcp(host) => write!(f, "tcp://{host}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for SyslogAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, |text| {
            let host = |text: &str| {
                let (host, port) = text.rsplit_once(':')?;
                (!host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)).then(|| text.to_owned())
            };
            let address = match text.split_once(':') {
                Some(("udp", rest)) => rest.strip_prefix("//").and_then(host).map(Self::Udp),
                Some(("tcp", rest)) => rest.strip_prefix("//").and_then(host).map(Self::Tcp),
                Some(("unix", path)) if path.starts_with('/') => Some(Self::Unix(path.into())),
                _ => None,
            };
            address.ok_or_else(|| {
                format!(
                    "`{text}` is not the address of a syslog server: write one like `udp://127.0.0.1:514`, \
                     `tcp://logs.example.com:601` or `unix:/dev/log`"
                )
            })
        })
    }
}

/// `facility`: what kind of program is speaking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facility(pub u8);

/// The names of syslog(3), by their number.
const FACILITIES: [(&str, u8); 14] = [
    ("user", 1),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("authpriv", 10),
    ("audit", 13),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

impl Default for Facility {
    fn default() -> Self {
        Self(3)
    }
}

impl<'de> Deserialize<'de> for Facility {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, |text| {
            let found = FACILITIES.iter().find(|(name, _)| *name == text);
            found.map(|(_, number)| Self(*number)).ok_or_else(|| {
                let known = FACILITIES.map(|(name, _)| name).join(", ");
                format!("`{text}` is not a facility: write one of {known}")
            })
        })
    }
}

/// `http`: JSON lines in POST requests. `otlp`: the same events as OpenTelemetry log records.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpConfig {
    /// Where to.
    #[serde(deserialize_with = "url")]
    pub url: Url,
    /// Further headers, such as `Authorization`.
    #[serde(default, deserialize_with = "headers")]
    pub headers: HeaderMap,
    /// Events in a request, at most: 1 to 10000, default 500.
    #[serde(default = "batch", deserialize_with = "quantity::batch")]
    pub batch: usize,
    /// How long the first event of a request may wait for the others: to 1 m, default 1 s.
    #[serde(default = "linger", deserialize_with = "quantity::linger")]
    pub linger: Duration,
    /// How long a request may take: 100 ms to 5 m, default 10 s.
    #[serde(default = "timeout", deserialize_with = "quantity::timeout")]
    pub timeout: Duration,
    /// Bodies are compressed with gzip; default no.
    #[serde(default, deserialize_with = "quantity::compress")]
    pub compress: bool,
}

impl HttpConfig {
    /// Nothing but defaults.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            headers: HeaderMap::new(),
            batch: batch(),
            linger: linger(),
            timeout: timeout(),
            compress: false,
        }
    }
}

fn batch() -> usize {
    500
}

fn linger() -> Duration {
    Duration::from_secs(1)
}

fn timeout() -> Duration {
    Duration::from_secs(10)
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    scalar(deserializer, |text| {
        let url =
            Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| {
            format!("`{text}` is not a URL of a server: write one like `https://logs.example.com/ingest`")
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the URL carries a user name or password, which end up in logs: write `headers: { \
                        Authorization: … }` instead"
                .to_owned());
        }
        Ok(url)
    })
}

fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderMap, D::Error> {
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    struct Name(String);
    struct Value(HeaderValue);

    impl<'de> Deserialize<'de> for Name {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            scalar(deserializer, |text| match HeaderName::from_bytes(text.as_bytes()) {
                Ok(name)
                    if ["content-type", "content-encoding", "content-length"].contains(&name.as_str()) =>
                {
                    Err(format!("`{text}` is set by the sink itself: leave it out"))
                }
                Ok(name) => Ok(Self(name.as_str().to_owned())),
                Err(_) => Err(format!("`{text}` is not the name of a header")),
            })
        }
    }

    impl<'de> Deserialize<'de> for Value {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            scalar(deserializer, |text| {
                let value = HeaderValue::from_str(text);
                let mut value = value.map_err(|_| "a header's value is visible text on one line")?;
                // So that no message shows it.
                value.set_sensitive(true);
                Ok::<_, &str>(Self(value))
            })
        }
    }

    let named = BTreeMap::<Name, Value>::deserialize(deserializer)?;
    let pairs = named.into_iter().filter_map(|(Name(name), Value(value))| {
        // Parsed once already.
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
    });
    Ok(pairs.collect())
}
