//! `spec.canary.dns.resolver`: who is asked for names, and how.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use reqwest::Url;
use rustls::pki_types::{self, ServerName};
use serde::{Deserialize, Deserializer};
use serin_config::scalar;

/// Who is asked for names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolver {
    /// The name servers of /etc/resolv.conf; 127.0.0.1 if that file is missing, as in the C library.
    System,
    /// The listener that `demo` starts.
    Demo,
    /// This name server.
    Server(NameServer),
}

/// A name server, by its address: a name would have to be asked of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// How it is asked.
    pub transport: Transport,
}

/// How a name server is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// UDP, and TCP for what is too long for it.
    Udp,
    /// TCP alone.
    Tcp,
    /// TLS over TCP (RFC 7858).
    Tls {
        /// The name that its certificate must be for.
        name: Arc<str>,
    },
    /// HTTP/2 over TLS (RFC 8484).
    Https {
        /// The name that its certificate must be for.
        name: Arc<str>,
        /// Where in its URLs queries go.
        path: Arc<str>,
    },
}

/// Why a text names no resolver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolverError {
    /// None of the forms.
    #[error(
        "`{0}` is not a resolver: write `system`, `demo`, an address with its port, like `9.9.9.9:53`, or \
         `tcp://9.9.9.9`, `tls://9.9.9.9#dns.quad9.net`, `https://9.9.9.9/dns-query#dns.quad9.net`"
    )]
    Form(String),
    /// A name where an address belongs.
    #[error(
        "`{host}` in `{text}` is not an address, and a resolver's name can't be asked of itself: write its address, and \
         the name behind `#`, like `tls://9.9.9.9#dns.quad9.net`"
    )]
    NotAnAddress {
        /// All of it.
        text: String,
        /// What is no address.
        host: String,
    },
    /// TLS without the name to expect.
    #[error(
        "`{0}` doesn't say whose certificate to expect: add the name behind `#`, like `tls://9.9.9.9#dns.quad9.net`"
    )]
    NoName(String),
}

impl FromStr for Resolver {
    type Err = ResolverError;

    fn from_str(text: &str) -> Result<Self, ResolverError> {
        match text {
            "system" => Ok(Self::System),
            "demo" => Ok(Self::Demo),
            _ => text.parse().map(Self::Server),
        }
    }
}

impl FromStr for NameServer {
    type Err = ResolverError;

    fn from_str(text: &str) -> Result<Self, ResolverError> {
        if let Ok(address) = text.parse() {
            return Ok(Self { address, transport: Transport::Udp });
        }
        let form = || ResolverError::Form(text.to_owned());
        let url = Url::parse(text).map_err(|_| form())?;
        let has_path = !matches!(url.path(), "" | "/");
        let (port, transport) = match url.scheme() {
            "tcp" if !has_path && url.fragment().is_none() => (53, Transport::Tcp),
            "tls" if !has_path => (853, Transport::Tls { name: certificate_name(&url, text)? }),
            "https" if has_path => {
                (443, Transport::Https { name: certificate_name(&url, text)?, path: url.path().into() })
            }
            _ => return Err(form()),
        };
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            return Err(form());
        }
        let host = url.host_str().ok_or_else(form)?;
        let address: IpAddr = host
            .trim_matches(['[', ']'])
            .parse()
            .map_err(|_| ResolverError::NotAnAddress { text: text.to_owned(), host: host.to_owned() })?;
        Ok(Self { address: SocketAddr::new(address, url.port().unwrap_or(port)), transport })
    }
}

/// What stands behind `#`: a host's name, or the IPv4 address that its certificate is for.
fn certificate_name(url: &Url, text: &str) -> Result<Arc<str>, ResolverError> {
    let is_address =
        url.host_str().is_some_and(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok());
    match url.fragment().map(|name| (name, ServerName::try_from(name))) {
        Some((name, Ok(ServerName::DnsName(_) | ServerName::IpAddress(pki_types::IpAddr::V4(_))))) => {
            Ok(name.into())
        }
        // Which is said first.
        None if !is_address && url.host_str().is_some() => {
            let host = url.host_str().unwrap_or_default().to_owned();
            Err(ResolverError::NotAnAddress { text: text.to_owned(), host })
        }
        _ => Err(ResolverError::NoName(text.to_owned())),
    }
}

impl<'de> Deserialize<'de> for Resolver {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, |text| text.parse().map_err(|error: ResolverError| error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_form() {
        let name = || Arc::from("dns.quad9.net");
        for (text, address, transport) in [
            ("9.9.9.9:53", "9.9.9.9:53", Transport::Udp),
            ("[2620:fe::fe]:5353", "[2620:fe::fe]:5353", Transport::Udp),
            ("tcp://9.9.9.9", "9.9.9.9:53", Transport::Tcp),
            ("tcp://[2620:fe::fe]:54", "[2620:fe::fe]:54", Transport::Tcp),
            ("tls://9.9.9.9#dns.quad9.net", "9.9.9.9:853", Transport::Tls { name: name() }),
            ("tls://[::1]:8853#9.9.9.9", "[::1]:8853", Transport::Tls { name: "9.9.9.9".into() }),
            (
                "https://9.9.9.9/dns-query#dns.quad9.net",
                "9.9.9.9:443",
                Transport::Https { name: name(), path: "/dns-query".into() },
            ),
            (
                "https://[2620:fe::fe]:8443/q/a#dns.quad9.net",
                "[2620:fe::fe]:8443",
                Transport::Https { name: name(), path: "/q/a".into() },
            ),
        ] {
            let expected = NameServer { address: address.parse().unwrap(), transport };
            assert_eq!(text.parse(), Ok(Resolver::Server(expected)), "{text}");
        }
    }

    #[test]
    fn what_is_none_says_what_to_write() {
        for (text, needle) in [
            ("nine", "`nine` is not a resolver: write `system`, `demo`, an address with its port"),
            ("9.9.9.9", "is not a resolver"),
            ("localhost:53", "is not a resolver"),
            ("udp://9.9.9.9", "is not a resolver"),
            ("tcp://9.9.9.9/dns", "is not a resolver"),
            ("tcp://9.9.9.9#dns.quad9.net", "is not a resolver"),
            ("tls://user@9.9.9.9#dns.quad9.net", "is not a resolver"),
            ("https://9.9.9.9#dns.quad9.net", "is not a resolver"),
            ("https://9.9.9.9/dns-query?x#dns.quad9.net", "is not a resolver"),
            ("tcp://dns.quad9.net", "`dns.quad9.net` in `tcp://dns.quad9.net` is not an address"),
            ("tls://dns.quad9.net", "write its address, and the name behind `#`"),
            ("https://dns.quad9.net/dns-query", "write its address, and the name behind `#`"),
            ("tls://9.9.9.9", "doesn't say whose certificate to expect"),
            ("tls://9.9.9.9:853#", "doesn't say whose certificate to expect"),
            ("tls://9.9.9.9:853#a..b", "doesn't say whose certificate to expect"),
        ] {
            let error = text.parse::<Resolver>().unwrap_err().to_string();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }
}
