//! Which HTTP requests are granted.

use std::fmt;

use serde::{Deserialize, Deserializer};
use serin_event::action::Method;
use url::Url;

use serin_config::Glob;
use serin_config::scalar;

/// A method and a URL in which `*` stands for any run of characters of the host or of the path:
/// `POST https://*.example.com/hook/*`. The method is GET if left out, the port the scheme's.
///
/// Host and path are compared separately, so no path can pass for a host. The query is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlPattern {
    method: Method,
    scheme: String,
    host: Glob,
    port: u16,
    path: Glob,
}

/// As it is written, with its method and port.
impl fmt::Display for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match self.method {
            Method::Get => "GET",
            Method::Post => "POST",
        };
        let (host, path) = (self.host.pattern(), self.path.pattern());
        write!(f, "{method} {}://{host}:{}{path}", self.scheme, self.port)
    }
}

impl UrlPattern {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!(
                "`{text}` is not a grant of requests: {why}; write it like `GET https://*.example.com/hook/*`"
            )
        };
        let (method, url) = match text.split_once(' ') {
            None => (Method::Get, text),
            Some(("GET", url)) => (Method::Get, url),
            Some(("POST", url)) => (Method::Post, url),
            Some(_) => return Err(wrong("its method is neither GET nor POST")),
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let default_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(wrong("its scheme is neither http nor https")),
        };
        let slash = rest.find('/').ok_or_else(|| wrong("it has no path (`/*` is every path)"))?;
        let (authority, path) = rest.split_at(slash);
        if authority.contains('@') || path.contains(['?', '#']) {
            return Err(wrong("it may have neither user, query nor fragment"));
        }
        let (host, port) =
            split_port(authority, default_port).ok_or_else(|| wrong("its port is no number"))?;
        if host.is_empty() {
            return Err(wrong("it has no host"));
        }
        Ok(Self {
            method,
            scheme: scheme.to_owned(),
            host: Glob::new(host.to_ascii_lowercase()),
            port,
            path: Glob::new(path),
        })
    }

    /// Whether a request is granted.
    pub(crate) fn matches(&self, method: Method, url: &Url) -> bool {
        self.method == method
            && self.scheme == url.scheme()
            && url.port_or_known_default() == Some(self.port)
            && url.host_str().is_some_and(|host| self.host.matches(host))
            && self.path.matches(url.path())
    }
}

/// Host and port; the colons of an IPv6 address stand in brackets.
fn split_port(authority: &str, default: u16) -> Option<(&str, u16)> {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => Some((host, port.parse().ok()?)),
        _ => Some((authority, default)),
    }
}

impl<'de> Deserialize<'de> for UrlPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, Self::parse)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_no_pattern_says_why() {
        for (text, why) in [
            ("https://example.com", "it has no path"),
            ("example.com/x", "it has no scheme"),
            ("ftp://example.com/x", "neither http nor https"),
            ("PUT https://example.com/x", "neither GET nor POST"),
            ("https://u@example.com/x", "neither user, query nor fragment"),
            ("https://example.com/x?y", "neither user, query nor fragment"),
            ("https://example.com:x/y", "its port is no number"),
            ("https:///y", "it has no host"),
        ] {
            let error = UrlPattern::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn ports_and_addresses() {
        for (pattern, url, expected) in [
            ("http://[::1]/*", "http://[::1]/x", true),
            ("http://[::1]:8080/*", "http://[::1]:8080/x", true),
            ("http://[::1]:8080/*", "http://[::1]/x", false),
            ("http://localhost:80/*", "http://localhost/x", true),
        ] {
            let pattern = UrlPattern::parse(pattern).unwrap();
            assert_eq!(pattern.matches(Method::Get, &Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
