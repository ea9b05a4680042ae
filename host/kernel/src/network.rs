//! Decodes sockets, packets and addresses. Fields are words; what a field cannot hold is cut off.

use std::net::{IpAddr, Ipv6Addr};

use serin_abi::{Number, network as raw};
use serin_event::network::{Address, Packet, Sock, Tuple};

pub(crate) fn sock(raw: &raw::Sock) -> Sock {
    Sock {
        tuple: tuple(&raw.tuple),
        kind: raw.kind as u16,
        state: raw.state as u8,
        mark: raw.mark as u32,
        priority: raw.priority as u32,
        cookie: raw.cookie,
    }
}

pub(crate) fn packet(raw: &raw::Packet) -> Packet {
    Packet {
        tuple: tuple(&raw.tuple),
        hash: raw.hash as u32,
        len: raw.len as u32,
        mark: raw.mark as u32,
        priority: raw.priority as u32,
        sec_path_len: raw.sec_path_len as u32,
        sec_path_olen: raw.sec_path_olen as u32,
    }
}

pub(crate) fn address(raw: &raw::Tuple) -> Address {
    let Tuple { family, saddr, sport, .. } = tuple(raw);
    Address { family, addr: saddr, port: sport }
}

fn tuple(raw: &raw::Tuple) -> Tuple {
    let family = raw.family as u16;
    Tuple {
        family,
        protocol: raw.protocol as u16,
        saddr: ip(family, raw.saddr),
        daddr: ip(family, raw.daddr),
        sport: raw.sport as u16,
        dport: raw.dport as u16,
    }
}

/// An address of this family, if that is IP.
fn ip(family: u16, address: Number) -> Option<IpAddr> {
    let v6 = Ipv6Addr::from(u128::from(address.high) << 64 | u128::from(address.low));
    match family {
        raw::AF_INET => v6.to_ipv4_mapped().map(IpAddr::from),
        raw::AF_INET6 => Some(v6.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn addresses_belong_to_their_family() {
        let mapped = Number { high: 0, low: 0xffff_7f00_0001 };
        for (family, address, expected) in [
            (raw::AF_INET, mapped, Some("127.0.0.1")),
            (raw::AF_INET6, mapped, Some("::ffff:127.0.0.1")),
            (raw::AF_INET6, Number { high: 0xfe80 << 48, low: 1 }, Some("fe80::1")),
            (raw::AF_INET, Number { high: 1, low: 1 }, None),
            (1, mapped, None),
        ] {
            assert_eq!(
                ip(family, address),
                expected.map(|text| text.parse().unwrap()),
                "{family} {address:?}"
            );
        }
    }

    #[test]
    fn every_field_arrives() {
        let words = |start: u64| raw::Tuple {
            family: raw::AF_INET.into(),
            protocol: start,
            ip: raw::IP,
            sport: start + 1,
            dport: start + 2,
            saddr: Number { high: 0, low: 0xffff_0000_0001 },
            daddr: Number { high: 0, low: 0xffff_0000_0002 },
        };
        let expected = |start: u16| Tuple {
            family: raw::AF_INET,
            protocol: start,
            saddr: "0.0.0.1".parse().ok(),
            daddr: "0.0.0.2".parse().ok(),
            sport: start + 1,
            dport: start + 2,
        };
        let decoded =
            sock(&raw::Sock { tuple: words(6), state: 1, kind: 2, mark: 3, priority: 4, cookie: 5 });
        let tuple = expected(6);
        assert_eq!(decoded, Sock { tuple, kind: 2, state: 1, mark: 3, priority: 4, cookie: 5 });
        let decoded = packet(&raw::Packet {
            tuple: words(17),
            hash: 1,
            len: 2,
            mark: 3,
            priority: 4,
            sec_path_len: 5,
            sec_path_olen: 6,
        });
        let tuple = expected(17);
        let rest = Packet { hash: 1, len: 2, mark: 3, priority: 4, sec_path_len: 5, sec_path_olen: 6, tuple };
        assert_eq!(decoded, rest);
        let expected = Address { family: raw::AF_INET, addr: "0.0.0.1".parse().ok(), port: 10 };
        assert_eq!(address(&words(9)), expected);
    }
}
