//! Sockets, packets and addresses as the kernel programs read them.
//!
//! Each field is a word, so that a filter can name any of them by its number.

use core::mem::offset_of;

use crate::Number;

/// `AF_INET`
pub const AF_INET: u16 = 2;
/// `AF_INET6`
pub const AF_INET6: u16 = 10;

/// Bytes of a UNIX socket's path: `UNIX_PATH_MAX`.
pub const UNIX_PATH_MAX: usize = 108;

/// Where something comes from and goes to. All zeros behind the family if that is not IP.
///
/// Addresses are numbers of 128 bits, of which the first byte on the wire is the uppermost; those of
/// IPv4 lie within `::ffff:0:0/96`, as they do in an IPv6 socket that talks IPv4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Tuple {
    /// `AF_*`
    pub family: u64,
    /// `IPPROTO_*`
    pub protocol: u64,
    /// Bits [`IP`]: whether there are addresses.
    pub ip: u64,
    /// Port at the source; 0 if the protocol has none.
    pub sport: u64,
    /// Port at the destination.
    pub dport: u64,
    /// Address of the source.
    pub saddr: Number,
    /// Address of the destination.
    pub daddr: Number,
}

/// [`Tuple::ip`]: the family is IPv4 or IPv6.
pub const IP: u64 = 1;

/// A `struct sock`; the source is this side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Sock {
    /// Its two sides.
    pub tuple: Tuple,
    /// `TCP_*`, used by other protocols as well.
    pub state: u64,
    /// `SOCK_*`
    pub kind: u64,
    /// `sk_mark`
    pub mark: u64,
    /// `sk_priority`
    pub priority: u64,
    /// What tells it from other sockets: its address.
    pub cookie: u64,
}

/// A `struct sk_buff`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Packet {
    /// What its headers say.
    pub tuple: Tuple,
    /// `hash`
    pub hash: u64,
    /// `len`
    pub len: u64,
    /// `mark`
    pub mark: u64,
    /// `priority`
    pub priority: u64,
    /// `sec_path.len`
    pub sec_path_len: u64,
    /// `sec_path.olen`
    pub sec_path_olen: u64,
}

const fn word(offset: usize) -> u32 {
    (offset / 8 + 1) as u32
}

/// Word of [`Tuple::family`], as filters count them: from 1.
pub const FAMILY: u32 = word(offset_of!(Tuple, family));
/// Word of [`Tuple::protocol`].
pub const PROTOCOL: u32 = word(offset_of!(Tuple, protocol));
/// Word of [`Tuple::ip`].
pub const HAS_IP: u32 = word(offset_of!(Tuple, ip));
/// Word of [`Tuple::sport`].
pub const SPORT: u32 = word(offset_of!(Tuple, sport));
/// Word of [`Tuple::dport`].
pub const DPORT: u32 = word(offset_of!(Tuple, dport));
/// First word of [`Tuple::saddr`].
pub const SADDR: u32 = word(offset_of!(Tuple, saddr));
/// First word of [`Tuple::daddr`].
pub const DADDR: u32 = word(offset_of!(Tuple, daddr));
/// Word of [`Sock::state`].
pub const STATE: u32 = word(offset_of!(Sock, state));

/// The number of an address: of IPv4's four bytes if `is_v4`, of IPv6's sixteen if `is_v6`, else 0.
///
/// Both as loaded from memory, where the wire's first byte comes first. Without branches, of which the
/// verifier would follow both ways.
#[inline(always)]
pub fn address(is_v4: bool, v4: u32, is_v6: bool, v6: [u64; 2]) -> Number {
    let (is_v4, is_v6) = (u64::from(is_v4), u64::from(is_v6));
    Number {
        high: u64::from_be(v6[0]) * is_v6,
        low: u64::from_be(v6[1]) * is_v6 + (0xffff_0000_0000 | u64::from(u32::from_be(v4))) * is_v4,
    }
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;

    fn number(address: &str) -> Number {
        let (v4, v6) = match address.parse().expect("an address") {
            IpAddr::V4(v4) => (v4, Ipv6Addr::UNSPECIFIED),
            IpAddr::V6(v6) => (Ipv4Addr::UNSPECIFIED, v6),
        };
        let number = u128::from(v6);
        let v6 = [((number >> 64) as u64).to_be(), (number as u64).to_be()];
        let is_v4 = !address.contains(':');
        super::address(is_v4, u32::from_ne_bytes(v4.octets()), !is_v4, v6)
    }

    #[test]
    fn addresses_are_ordered_as_they_are_written() {
        assert_eq!(number("127.0.0.1"), Number { high: 0, low: 0xffff_7f00_0001 });
        assert_eq!(number("::ffff:127.0.0.1"), number("127.0.0.1"));
        assert_eq!(number("fe80::1"), Number { high: 0xfe80 << 48, low: 1 });
        assert!(number("10.255.0.0") < number("11.0.0.0"));
        assert!(number("fe80::2") < number("ff00::1"));
        assert_eq!(super::address(false, 7, false, [7, 7]), Number::default());
    }

    #[test]
    fn words_lie_where_filters_look() {
        assert_eq!((FAMILY, SPORT, SADDR, DADDR, STATE), (1, 4, 6, 8, 10));
    }
}
