//! `spec.canary.http.proxy`: who carries requests to their hosts.

use std::net::{IpAddr, Ipv4Addr};

use reqwest::Url;
use serde::{Deserialize, Deserializer};
use serin_config::scalar;

/// A proxy's URL: `http` or `https`, with a host, and nothing behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy(Url);

impl Proxy {
    pub(crate) fn url(&self) -> Url {
        self.0.clone()
    }

    /// Its address, if it isn't named.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.0.host_str().and_then(address)
    }
}

/// The address that a URL's host is written as.
pub(crate) fn address(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

/// Where names lead that mean the same wherever they are resolved: of those, a proxy must not be asked either.
pub(crate) fn well_known(host: &str) -> Option<IpAddr> {
    let host = host.trim_end_matches('.');
    if host == "localhost" || host.ends_with(".localhost") {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    (host == "metadata.google.internal").then_some(Ipv4Addr::new(169, 254, 169, 254).into())
}

impl<'de> Deserialize<'de> for Proxy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, |text| {
            let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            let url = url.filter(|url| url.host_str().is_some_and(|host| !host.is_empty()));
            // A password must not be shown.
            if url.as_ref().is_some_and(|url| !url.username().is_empty() || url.password().is_some()) {
                return Err(
                    "a proxy's URL has no user and no password: proxies that ask for one can't be used"
                        .to_owned(),
                );
            }
            let bare = |url: &Url| url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            url.filter(bare).map(Self).ok_or_else(|| {
                format!(
                    "`{text}` is not a proxy: write its URL, without a path, like `http://192.0.2.7:3128`"
                )
            })
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn urls_and_nothing_behind_them() {
        for (text, address) in [
            ("http://192.0.2.7:3128", Some("192.0.2.7")),
            ("https://[2001:db8::7]/", Some("2001:db8::7")),
            ("http://proxy.test:3128", None),
        ] {
            let proxy: Proxy = serde_yaml::from_str(&format!("'{text}'")).unwrap();
            assert_eq!(proxy.address(), address.map(|address| address.parse().unwrap()), "{text}");
        }
        for text in
            ["proxy:3128", "socks5://192.0.2.7", "http://192.0.2.7/x", "http://192.0.2.7/?x", "http://"]
        {
            let error = serde_yaml::from_str::<Proxy>(&format!("'{text}'")).unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}` is not a proxy: write its URL")), "{error}");
        }
        let error = serde_yaml::from_str::<Proxy>("'http://me:secret@proxy.test/x'").unwrap_err().to_string();
        assert!(error.contains("no user and no password") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn names_that_mean_the_same_everywhere() {
        for (host, address) in [
            ("localhost", Some("127.0.0.1")),
            ("a.localhost.", Some("127.0.0.1")),
            ("metadata.google.internal", Some("169.254.169.254")),
            ("notlocalhost", None),
            ("example.com", None),
        ] {
            assert_eq!(well_known(host), address.map(|address| address.parse().unwrap()), "{host}");
        }
    }
}
