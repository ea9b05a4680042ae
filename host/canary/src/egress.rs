//! Which addresses a canary may connect to.
//!
//! Judged is always the address about to be connected to, never the name that
//! led to it: a name can resolve to anything.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};
use serin_config::scalar;

/// Kinds of addresses, as far as reaching them matters.
///
/// From the IANA special-purpose registries:
/// <https://www.iana.org/assignments/iana-ipv4-special-registry>,
/// <https://www.iana.org/assignments/iana-ipv6-special-registry>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Globally reachable. Always allowed.
    Public,
    /// This host: 127.0.0.0/8, ::1.
    Loopback,
    /// This link: 169.254.0.0/16, fe80::/10.
    LinkLocal,
    /// The cloud's metadata services, which hand out credentials to whoever asks.
    Metadata,
    /// This site: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fc00::/7.
    Private,
    /// Shared, documentation, benchmark and future use: 100.64.0.0/10, 192.0.2.0/24, 240.0.0.0/4, …
    Reserved,
    /// 224.0.0.0/4, ff00::/8. Never allowed.
    Multicast,
    /// 0.0.0.0/8 and ::, which reach this host on Linux. Never allowed.
    Unspecified,
}

/// Metadata services of AWS, Azure, GCP and others; Azure's host; Alibaba; Oracle; AWS over IPv6; GCP over IPv6.
const METADATA: [IpAddr; 6] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

impl Scope {
    /// The scope of an address; of the IPv4 address inside it where an IPv6 address carries one.
    pub fn of(address: IpAddr) -> Self {
        let address = embedded(address);
        if METADATA.contains(&address) {
            return Self::Metadata;
        }
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            [0, ..] => Self::Unspecified,
            [127, ..] => Self::Loopback,
            [169, 254, ..] => Self::LinkLocal,
            [224..=239, ..] => Self::Multicast,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Self::Private,
            [100, 64..=127, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            | [240..=255, ..] => Self::Reserved,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 0] => Self::Unspecified,
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            [0xfc00..=0xfdff, ..] => Self::Private,
            [0xff00..=0xffff, ..] => Self::Multicast,
            [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Self::Reserved,
            [0x2000..=0x3fff, ..] => Self::Public,
            _ => Self::Reserved,
        }
    }
}

/// The IPv4 address that mapped (::ffff:0:0/96), NAT64 (64:ff9b::/96) and 6to4 (2002::/16) addresses lead to.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let from = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => from(high, low),
        [0x2002, high, low, ..] => from(high, low),
        _ => address,
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Metadata => "metadata",
            Self::Private => "private",
            Self::Reserved => "reserved",
            Self::Multicast => "multicast",
            Self::Unspecified => "unspecified",
        })
    }
}

/// `egress`: public addresses and what is allowed besides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressPolicy {
    /// Scopes by name, and networks.
    #[serde(default)]
    allow: Vec<Allowed>,
}

/// An entry of `allow`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Allowed {
    Scope(Scope),
    Network(IpNet),
}

/// An address that the egress policy doesn't allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {} {scope} address, which `spec.canary.egress.allow` doesn't list", article(*.scope))]
pub struct Refused {
    /// The address.
    pub address: IpAddr,
    /// Its scope.
    pub scope: Scope,
}

fn article(scope: Scope) -> &'static str {
    if scope == Scope::Unspecified { "an" } else { "a" }
}

impl EgressPolicy {
    /// Checks an address that is about to be connected to.
    ///
    /// # Errors
    /// The address and its scope, if the policy doesn't allow it.
    pub fn check(&self, address: IpAddr) -> Result<(), Refused> {
        let scope = Scope::of(address);
        if scope == Scope::Public || self.allow.iter().any(|entry| entry.admits(address, scope)) {
            return Ok(());
        }
        Err(Refused { address, scope })
    }
}

impl Allowed {
    /// A metadata service has to be allowed as such or by its very address: nobody means it by `0.0.0.0/0`.
    fn admits(&self, address: IpAddr, scope: Scope) -> bool {
        match self {
            _ if matches!(scope, Scope::Multicast | Scope::Unspecified) => false,
            Self::Scope(allowed) => *allowed == scope,
            Self::Network(network) => {
                let exact = network.prefix_len() == network.max_prefix_len();
                network.contains(&embedded(address)) && (exact || scope != Scope::Metadata)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Allowed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, |text| {
            let named = [Scope::Loopback, Scope::LinkLocal, Scope::Metadata, Scope::Private, Scope::Reserved];
            if let Some(scope) = named.into_iter().find(|scope| scope.to_string() == text) {
                return Ok(Self::Scope(scope));
            }
            let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            network.map(Self::Network).map_err(|_| {
                format!(
                    "`{text}` is neither loopback, link-local, metadata, private or reserved, nor an address or \
                     network like `10.1.0.0/16`"
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
    fn scopes() {
        for (address, scope) in [
            ("1.1.1.1", Scope::Public),
            ("2606:4700::1111", Scope::Public),
            ("127.9.9.9", Scope::Loopback),
            ("::1", Scope::Loopback),
            ("::ffff:127.0.0.1", Scope::Loopback),
            ("64:ff9b::7f00:1", Scope::Loopback),
            ("2002:7f00:1::", Scope::Loopback),
            ("169.254.1.1", Scope::LinkLocal),
            ("fe80::1", Scope::LinkLocal),
            ("169.254.169.254", Scope::Metadata),
            ("::ffff:169.254.169.254", Scope::Metadata),
            ("fd00:ec2::254", Scope::Metadata),
            ("10.0.0.1", Scope::Private),
            ("172.16.0.1", Scope::Private),
            ("172.32.0.1", Scope::Public),
            ("192.168.1.1", Scope::Private),
            ("fd12::1", Scope::Private),
            ("100.64.0.1", Scope::Reserved),
            ("255.255.255.255", Scope::Reserved),
            ("2001:db8::1", Scope::Reserved),
            ("::127.0.0.1", Scope::Reserved),
            ("100::1", Scope::Reserved),
            ("224.0.0.1", Scope::Multicast),
            ("ff02::1", Scope::Multicast),
            ("0.0.0.0", Scope::Unspecified),
            ("::", Scope::Unspecified),
        ] {
            assert_eq!(Scope::of(address.parse().unwrap()), scope, "{address}");
        }
    }

    #[test]
    fn allow_lists() {
        for (allow, address, allowed) in [
            ("[]", "1.1.1.1", true),
            ("[]", "127.0.0.1", false),
            ("[]", "10.0.0.1", false),
            ("[loopback]", "127.0.0.1", true),
            ("[loopback]", "::ffff:127.0.0.1", true),
            ("[loopback]", "10.0.0.1", false),
            ("[10.1.0.0/16]", "10.1.2.3", true),
            ("[10.1.0.0/16]", "::ffff:10.1.2.3", true),
            ("[10.1.0.0/16]", "10.2.0.1", false),
            ("[10.1.2.3]", "10.1.2.3", true),
            ("[link-local]", "169.254.169.254", false),
            ("[0.0.0.0/0]", "169.254.169.254", false),
            ("[0.0.0.0/0]", "0.0.0.0", false),
            ("[0.0.0.0/0]", "224.0.0.1", false),
            ("[metadata]", "169.254.169.254", true),
            ("[169.254.169.254]", "169.254.169.254", true),
        ] {
            let policy: EgressPolicy = serde_yaml::from_str(&format!("allow: {allow}")).unwrap();
            assert_eq!(policy.check(address.parse().unwrap()).is_ok(), allowed, "{allow} {address}");
        }
    }
}
