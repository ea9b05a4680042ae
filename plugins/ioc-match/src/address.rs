//! Addresses and networks.

use std::collections::HashSet;
use std::net::IpAddr;

/// A set of networks, of which looking one up takes as many steps as there are different lengths.
#[derive(Debug, Default)]
pub(crate) struct Networks {
    /// The length of a prefix, and the networks of that length. IPv4 counts as mapped into IPv6.
    by_length: Vec<(u32, HashSet<u128>)>,
}

impl Networks {
    pub(crate) fn new(texts: &[String]) -> Result<Self, String> {
        let mut networks = Self::default();
        for (index, text) in texts.iter().enumerate() {
            let (bits, length) = parse(text).ok_or_else(|| {
                format!("ips[{index}]: `{text}` is neither an address nor a network like `192.0.2.0/24`")
            })?;
            let prefix = bits & mask(length);
            match networks.by_length.iter_mut().find(|(known, _)| *known == length) {
                Some((_, set)) => _ = set.insert(prefix),
                None => networks.by_length.push((length, HashSet::from([prefix]))),
            }
        }
        Ok(networks)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_length.is_empty()
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let bits = bits(address);
        self.by_length.iter().any(|(length, set)| set.contains(&(bits & mask(*length))))
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn mask(length: u32) -> u128 {
    u128::MAX.checked_shl(128 - length).unwrap_or(0)
}

/// An address as 128 bits, and the length of the prefix.
fn parse(text: &str) -> Option<(u128, u32)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let length = length.unwrap_or(width);
    (length <= width).then(|| (bits(address), 128 - width + length))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn networks() {
        let texts = ["192.0.2.7", "198.51.100.0/24", "2001:db8::/32", "::1"].map(str::to_owned);
        let networks = Networks::new(&texts).unwrap();
        for (address, listed) in [
            ("192.0.2.7", true),
            ("::ffff:192.0.2.7", true),
            ("192.0.2.8", false),
            ("198.51.100.200", true),
            ("198.51.101.1", false),
            ("2001:db8:1::5", true),
            ("2001:db9::5", false),
            ("::1", true),
        ] {
            assert_eq!(networks.contains(address.parse().unwrap()), listed, "{address}");
        }
        for text in ["", "x", "192.0.2.0/33", "192.0.2.0/", "2001:db8::/129"] {
            let error = Networks::new(&[text.to_owned()]).unwrap_err();
            assert!(error.contains("is neither an address nor a network"), "{error}");
        }
    }
}
