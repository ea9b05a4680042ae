//! What a plugin may do beyond looking at events: nothing, unless its entry grants it.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serin_event::action::{Action, Method};

use crate::MAX_GRANTED_FILES;
use crate::file::FileGrant;
use crate::hash::HashGrant;
use crate::kv::KvGrant;
use crate::quantity;
use crate::url_pattern::UrlPattern;
use serin_config::Glob;

/// `grants`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Grants {
    /// May write to the agent's log.
    pub log: bool,
    /// May ask what time it is.
    pub clock: bool,
    /// May have random bytes.
    pub random: bool,
    /// May keep facts with the host.
    pub kv: Option<KvGrant>,
    /// Files it may read, each by its exact path; at most 64.
    #[serde(deserialize_with = "files")]
    pub file: Vec<FileGrant>,
    /// May have digests made of programs.
    pub hash: Option<HashGrant>,
    /// May mask parts of events' texts.
    pub redact: bool,
    /// Names it may have looked up, e.g. `*.o3n.io`.
    pub dns: Vec<Glob>,
    /// Requests it may have made, e.g. `GET https://example.com/token/*`.
    pub http: Vec<UrlPattern>,
    /// How many actions; no limit but the canary engine's if left out.
    pub rate: Option<Rate>,
}

/// A rate: `burst` at once, refilled evenly with `burst` in `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rate {
    /// How many at once.
    pub burst: NonZeroU32,
    /// In which time; 1 ms to 24 h.
    #[serde(deserialize_with = "quantity::period")]
    pub per: Duration,
}

impl Rate {
    /// So many in a second.
    pub(crate) const fn a_second(burst: NonZeroU32) -> Self {
        Self { burst, per: Duration::from_secs(1) }
    }
}

/// Why an action is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No grant covers it.
    #[error("{0} is not granted")]
    NotGranted(String),
    /// The granted rate is used up.
    #[error("the granted rate is used up")]
    Rate,
    /// It is not a proper request at all.
    #[error("{0}")]
    Malformed(String),
}

impl Grants {
    /// The interfaces of the host, by their names in `wit/`.
    pub const INTERFACES: [&str; 7] = ["log", "clock", "random", "kv", "file", "hash", "redact"];

    /// Whether an interface of the host, by its name in `wit/`, is granted.
    pub fn offer(&self, interface: &str) -> bool {
        match interface {
            "log" => self.log,
            "clock" => self.clock,
            "random" => self.random,
            "kv" => self.kv.is_some(),
            "file" => !self.file.is_empty(),
            "hash" => self.hash.is_some(),
            "redact" => self.redact,
            _ => false,
        }
    }

    /// The action as it is to be carried out, if it is granted.
    ///
    /// A URL comes back as parsed, so that what is requested is what was checked.
    pub(crate) fn check(&self, action: Action) -> Result<Action, Refusal> {
        match action {
            Action::Dns { name, record } => {
                self.check_dns(&name)?;
                Ok(Action::Dns { name, record })
            }
            Action::Http { method, url, headers, body } => {
                let url = self.check_http(method, &url)?;
                Ok(Action::Http { method, url, headers, body })
            }
        }
    }

    fn check_dns(&self, name: &str) -> Result<(), Refusal> {
        let plain = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if !is_domain_name(&plain) {
            return Err(Refusal::Malformed("not a domain name".to_owned()));
        }
        if self.dns.iter().any(|glob| glob.matches(&plain)) {
            Ok(())
        } else {
            Err(Refusal::NotGranted(format!("grants.dns for {plain}")))
        }
    }

    fn check_http(&self, method: Method, url: &str) -> Result<String, Refusal> {
        let url = url::Url::parse(url).map_err(|error| Refusal::Malformed(format!("not a URL: {error}")))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Malformed("a URL with a user or password".to_owned()));
        }
        if self.http.iter().any(|pattern| pattern.matches(method, &url)) {
            Ok(url.into())
        } else {
            let host = url.host_str().unwrap_or_default();
            Err(Refusal::NotGranted(format!("grants.http for {method:?} {}://{host}", url.scheme())))
        }
    }
}

fn files<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<FileGrant>, D::Error> {
    let files = Vec::deserialize(deserializer)?;
    if files.len() > MAX_GRANTED_FILES {
        let message = format!("{} files; a plugin is granted at most {MAX_GRANTED_FILES}", files.len());
        return Err(D::Error::custom(message));
    }
    Ok(files)
}

/// Labels of 1 to 63 letters, digits, `-` and `_`, and 253 bytes in all.
fn is_domain_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Counts against a [`Rate`]: a token bucket, kept as the time at which it will be full.
#[derive(Debug)]
pub(crate) struct Meter {
    rate: Rate,
    full_at: Instant,
}

impl Meter {
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, full_at: now }
    }

    /// Goes on counting where an older one was, if the rate is the same.
    pub(crate) fn succeed(&mut self, before: Self) {
        if self.rate == before.rate {
            *self = before;
        }
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let token = self.rate.per / self.rate.burst.get();
        let full_at = self.full_at.max(now) + token;
        let allowed = full_at <= now + self.rate.per;
        if allowed {
            self.full_at = full_at;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn grants(yaml: &str) -> Grants {
        serde_yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn names() {
        let grants = grants("dns: ['*.o3n.io', 'exact.example']");
        let long = format!("{}.o3n.io", "a".repeat(64));
        for (name, allowed) in [
            ("x.abc.o3n.io", true),
            ("X.ABC.O3N.IO.", true),
            ("exact.example", true),
            ("o3n.io", false),
            ("a.exact.example", false),
            ("x.o3n.io.evil.net", false),
            ("a b.o3n.io", false),
            (".o3n.io", false),
            ("a..o3n.io", false),
            (long.as_str(), false),
        ] {
            let checked = grants.check(Action::Dns { name: name.to_owned(), record: None });
            assert_eq!(checked.is_ok(), allowed, "{name}: {checked:?}");
        }
        assert!(Grants::default().check(Action::Dns { name: "a.b".to_owned(), record: None }).is_err());
    }

    #[test]
    fn requests() {
        let grants = grants("http: ['https://*.example.com/hook/*', 'POST http://127.0.0.1:8080/*']");
        for (method, url, allowed) in [
            (Method::Get, "https://a.example.com/hook/x?y=z", true),
            (Method::Get, "HTTPS://A.EXAMPLE.COM:443/hook/", true),
            (Method::Post, "https://a.example.com/hook/x", false),
            (Method::Get, "http://a.example.com/hook/x", false),
            (Method::Get, "https://a.example.com:8443/hook/x", false),
            (Method::Get, "https://a.example.com/other", false),
            (Method::Get, "https://a.example.com/hook/../other", false),
            (Method::Get, "https://a.example.com/hook/%2e%2e/other", false),
            (Method::Get, "https://evil.net/.example.com/hook/x", false),
            (Method::Get, "https://evil.net?.example.com/hook/x", false),
            (Method::Get, "https://evil.net#.example.com/hook/x", false),
            (Method::Get, "https://a.example.com@evil.net/hook/x", false),
            (Method::Get, "https://evil.net\\.example.com/hook/x", false),
            (Method::Get, "https://user@a.example.com/hook/x", false),
            (Method::Post, "http://127.0.0.1:8080/a/b", true),
            (Method::Post, "http://2130706433:8080/a/b", true),
            (Method::Get, "file:///etc/passwd", false),
            (Method::Get, "nonsense", false),
        ] {
            let checked = grants.check(Action::Http {
                method,
                url: url.to_owned(),
                headers: Vec::new(),
                body: Vec::new(),
            });
            assert_eq!(checked.is_ok(), allowed, "{method:?} {url}: {checked:?}");
        }
    }

    #[test]
    fn rate_allows_a_burst_and_refills() {
        let start = Instant::now();
        let rate = Rate { burst: 2.try_into().unwrap(), per: Duration::from_secs(10) };
        let mut meter = Meter::new(rate, start);
        let taken =
            [0, 0, 0, 4, 5, 5, 30, 30, 30].map(|second| meter.take(start + Duration::from_secs(second)));
        assert_eq!(taken, [true, true, false, false, true, false, true, true, false]);
    }
}
