//! `spec.canary` of the pipeline file.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serin_config::scalar;
use serin_event::action::{RecordType, UnknownRecordType};

use crate::egress::EgressPolicy;
use crate::proxy::Proxy;
use crate::quantity;
use crate::resolver::Resolver;
use crate::tls;

/// What the canary engine may do, and how much of it. Everything has a default.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct CanaryConfig {
    /// DNS look-ups.
    pub dns: DnsConfig,
    /// HTTP requests.
    pub http: HttpConfig,
    /// Which addresses HTTP requests may connect to.
    pub egress: EgressPolicy,
    /// What happens to an action that failed and may not the next time.
    pub retry: Retry,
    /// How often canaries may fire.
    pub rates: Rates,
    /// An action equal to one of the same source is held back for this long; `0s` turns it off. Default 10 s.
    #[serde(deserialize_with = "quantity::window")]
    pub dedupe: Duration,
    /// Actions carried out at once. Default 16, at most 256.
    #[serde(deserialize_with = "quantity::concurrency")]
    pub concurrency: usize,
    /// Actions waiting for their turn. Default 256, at most 65536.
    #[serde(deserialize_with = "quantity::queue")]
    pub queue: usize,
    /// Which actions a queue that is full keeps. Default `oldest`.
    pub prefer: Preference,
    /// How much of `concurrency` and of `queue` the actions for one host may take, and all look-ups together; at
    /// least one place. Default 25%, 1% to 100%.
    pub target_share: Share,
    /// How much of `concurrency` and of `queue` the actions of one plugin or policy may take, and how much of a target's
    /// part; at least one place. Default 50%, 1% to 100%.
    pub source_share: Share,
    /// Starts listeners on loopback that answer canaries and show them.
    pub demo: Option<DemoConfig>,
}

impl Default for CanaryConfig {
    fn default() -> Self {
        Self {
            dns: DnsConfig::default(),
            http: HttpConfig::default(),
            egress: EgressPolicy::default(),
            retry: Retry::default(),
            rates: Rates::default(),
            dedupe: Duration::from_secs(10),
            concurrency: 16,
            queue: 256,
            prefer: Preference::Oldest,
            target_share: Share(25),
            source_share: Share(50),
            demo: None,
        }
    }
}

/// `dns`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct DnsConfig {
    /// Who is asked. Default `system`.
    pub resolver: Resolver,
    /// What a plugin's look-up asks for unless it says so itself. Default `[A]`.
    #[serde(deserialize_with = "records")]
    pub records: Vec<RecordType>,
    /// A PEM file of authorities to trust besides the system's, for servers over TLS and HTTPS.
    #[serde(deserialize_with = "tls::path")]
    pub roots: Option<PathBuf>,
    /// How long a look-up may take, retry included. Default 5 s, at most 60 s.
    #[serde(deserialize_with = "quantity::timeout")]
    pub timeout: Duration,
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self {
            resolver: Resolver::System,
            records: vec![RecordType::A],
            roots: None,
            timeout: Duration::from_secs(5),
        }
    }
}

/// `http`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpConfig {
    /// Who carries the requests to their hosts. Default: nobody.
    pub proxy: Option<Proxy>,
    /// A PEM file of authorities to trust besides the system's.
    #[serde(deserialize_with = "tls::path")]
    pub roots: Option<PathBuf>,
    /// How long a request may take, look-up and answer included. Default 10 s, at most 60 s.
    #[serde(deserialize_with = "quantity::timeout")]
    pub timeout: Duration,
    /// Largest body to send, in bytes. Default 64 KiB, at most 1 MiB.
    #[serde(deserialize_with = "quantity::size")]
    pub max_body: u64,
    /// How much of an answer's body is read before the connection is dropped, in bytes; all of it is
    /// discarded. Default 64 KiB, at most 1 MiB.
    #[serde(deserialize_with = "quantity::size")]
    pub max_answer: u64,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            proxy: None,
            roots: None,
            timeout: Duration::from_secs(10),
            max_body: 64 << 10,
            max_answer: 64 << 10,
        }
    }
}

/// Each type at most once, and one at least.
fn records<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RecordType>, D::Error> {
    let mut records = Vec::new();
    for RecordName(record) in Vec::deserialize(deserializer)? {
        if records.contains(&record) {
            return Err(D::Error::custom(format!(
                "`{}` is there twice: write each record once",
                record.name()
            )));
        }
        records.push(record);
    }
    if records.is_empty() {
        return Err(D::Error::custom("no record to ask for: write `[A]`, or some of `A`, `AAAA` and `TXT`"));
    }
    Ok(records)
}

struct RecordName(RecordType);

impl<'de> Deserialize<'de> for RecordName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, |text| {
            text.parse().map(Self).map_err(|error: UnknownRecordType| error.to_string())
        })
    }
}

/// `retry`: an action that got no answer, or 429 or 5xx as one, is done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Retry {
    /// How often at most. Default 2, at most 10; 0 turns it off.
    #[serde(deserialize_with = "quantity::retries")]
    pub times: u32,
    /// The wait before the first; it doubles with each further one, and each is between half and one and a half of that,
    /// so that many hosts do not come back at once. Default 1 s, at most 60 s.
    #[serde(deserialize_with = "quantity::timeout")]
    pub wait: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { times: 2, wait: Duration::from_secs(1) }
    }
}

/// `prefer`: which actions are kept if there is no place for all to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Preference {
    /// Those that wait; the new one is turned away.
    Oldest,
    /// The new one; the oldest that has its place is given up.
    Newest,
}

/// `targetShare`, `sourceShare`: a part of what there is, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u8);

impl Share {
    /// So much of `places`, but one at least.
    pub(crate) fn of(self, places: usize) -> usize {
        (places * usize::from(self.0) / 100).max(1)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        quantity::percent(deserializer).map(Self)
    }
}

/// `rates`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Rates {
    /// For each policy and each plugin. Default 10 in 1 m.
    pub source: Rate,
    /// For all together. Default 100 in 1 m.
    pub global: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        let minute = |burst| Rate { burst, per: Duration::from_secs(60) };
        Self { source: minute(TEN), global: minute(HUNDRED) }
    }
}

const TEN: NonZeroU32 = NonZeroU32::new(10).expect("not zero");
const HUNDRED: NonZeroU32 = NonZeroU32::new(100).expect("not zero");

/// A token bucket: `burst` actions at once, refilled evenly with `burst` tokens in `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rate {
    /// Size of the bucket.
    pub burst: NonZeroU32,
    /// Time to fill it from empty: 1 ms to 24 h.
    #[serde(deserialize_with = "quantity::period")]
    pub per: Duration,
}

/// `demo`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DemoConfig {
    /// Loopback address for DNS over UDP, e.g. `127.0.0.1:5354`; with port 0 the kernel chooses.
    #[serde(deserialize_with = "loopback")]
    pub dns: SocketAddr,
    /// Loopback address for HTTP/1.1, e.g. `127.0.0.1:8054`; with port 0 the kernel chooses.
    #[serde(deserialize_with = "loopback")]
    pub http: SocketAddr,
}

fn loopback<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    scalar(deserializer, |text| {
        let address: SocketAddr = text.parse().map_err(|_| {
            format!("`{text}` is not an address: write one with its port, like `127.0.0.1:5354`")
        })?;
        if !address.ip().is_loopback() {
            let port = address.port();
            return Err(format!(
                "the demo listeners stay on this host: write a loopback address like `127.0.0.1:{port}` instead of `{text}`"
            ));
        }
        Ok(address)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn empty_is_default_and_full_is_read() {
        assert_eq!(serde_yaml::from_str::<CanaryConfig>("{}").unwrap(), CanaryConfig::default());
        let config: CanaryConfig = serde_yaml::from_str(
            "{dns: {resolver: '9.9.9.9:53', timeout: 2s, records: [TXT, AAAA]}, http: {roots: /ca.pem, timeout: 3s, maxBody: 1KiB, maxAnswer: 0},
              egress: {allow: [loopback]}, rates: {source: {burst: 1, per: 1h}}, dedupe: 0s, concurrency: 2,
              queue: 3, prefer: newest, targetShare: 100%, sourceShare: 1%, demo: {dns: '127.0.0.1:0', http: '[::1]:0'}}",
        )
        .unwrap();
        assert_eq!(config.dns.resolver, "9.9.9.9:53".parse().unwrap());
        assert_eq!(config.http.roots, Some("/ca.pem".into()));
        assert_eq!(config.dns.records, [RecordType::Txt, RecordType::Aaaa]);
        assert_eq!(config.http.max_body, 1024);
        assert_eq!(config.rates.source.per, Duration::from_secs(3600));
        assert_eq!(config.rates.global, Rates::default().global);
        assert_eq!((config.target_share, config.source_share), (Share(100), Share(1)));
        assert_eq!((config.dedupe, config.concurrency, config.queue), (Duration::ZERO, 2, 3));
        assert_eq!(config.prefer, Preference::Newest);
    }

    #[test]
    fn a_share_is_one_place_at_least() {
        for (share, places, expected) in [(25, 16, 4), (25, 256, 64), (25, 3, 1), (1, 1, 1), (100, 16, 16)] {
            assert_eq!(Share(share).of(places), expected, "{share}% of {places}");
        }
    }

    #[test]
    fn wrong_is_refused_with_the_place_and_a_remedy() {
        for (text, needle) in [
            ("dns: {resolver: nine}", "write `system`, `demo`, an address with its port"),
            ("dns: {resolver: tls://dns.quad9.net}", "is not an address"),
            ("dns: {roots: ca.pem}", "`ca.pem` is not an absolute path"),
            ("dns: {timeout: 5}", "`5` is not a duration"),
            ("dns: {timeout: 90s}", "allowed are 1 ms to 60000 ms"),
            ("dns: {records: [MX]}", "`MX` is no record that canaries ask for: write `A`, `AAAA` or `TXT`"),
            ("dns: {records: []}", "no record to ask for: write `[A]`"),
            ("dns: {records: [A, TXT, A]}", "`A` is there twice"),
            ("dns: {ttl: 5}", "unknown field `ttl`"),
            ("http: {proxy: '127.0.0.1:3128'}", "is not a proxy: write its URL"),
            ("http: {maxBody: 2MiB}", "allowed are 0 bytes to 1048576 bytes"),
            ("egress: {allow: [everything]}", "`everything` is neither"),
            ("rates: {source: {burst: 0, per: 1s}}", "nonzero"),
            ("rates: {source: {burst: 5}}", "missing field `per`"),
            ("rates: {source: {burst: 5, per: 0s}}", "allowed are 1 ms to"),
            ("retry: {times: 11}", "allowed are 0 retries to 10 retries"),
            ("retry: {wait: 2m}", "allowed are 1 ms to 60000 ms"),
            ("concurrency: 0", "allowed are 1 actions at once to 256 actions at once"),
            ("queue: 1000000", " to 65536 "),
            ("prefer: latest", "unknown variant `latest`, expected `oldest` or `newest`"),
            ("targetShare: 25", "`25` is not a share: write a percentage like `25%`"),
            ("targetShare: 0%", "allowed are 1 % to 100 %"),
            ("targetShare: 101%", "allowed are 1 % to 100 %"),
            ("sourceShare: half", "`half` is not a share"),
            ("demo: {dns: '0.0.0.0:53', http: '127.0.0.1:80'}", "`127.0.0.1:53` instead of `0.0.0.0:53`"),
            ("demo: {dns: '127.0.0.1', http: '127.0.0.1:80'}", "write one with its port"),
        ] {
            let error =
                serde_yaml::from_str::<CanaryConfig>(&format!("# canary\n{text}")).unwrap_err().to_string();
            assert!(error.contains(needle) && error.contains("at line 2 column "), "{text}: {error}");
        }
    }
}
