//! Sockets, packets and addresses, and the names of the numbers in them.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::field::{Fields, Value};

/// What sockets and packets have in common.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tuple {
    /// `AF_*`, see [`FAMILIES`].
    pub family: u16,
    /// `IPPROTO_*`, see [`PROTOCOLS`].
    pub protocol: u16,
    /// Where it comes from; a socket's own address. `None` if the family is not IP.
    pub saddr: Option<IpAddr>,
    /// Where it goes to.
    pub daddr: Option<IpAddr>,
    /// Port of the source; 0 if it has none.
    pub sport: u16,
    /// Port of the destination.
    pub dport: u16,
}

/// A socket: Tetragon's `KprobeSock`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sock {
    /// Its two sides.
    pub tuple: Tuple,
    /// `SOCK_*`, see [`TYPES`].
    pub kind: u16,
    /// `TCP_*`, see [`STATES`].
    pub state: u8,
    /// `SO_MARK`
    pub mark: u32,
    /// `SO_PRIORITY`
    pub priority: u32,
    /// Tells it from other sockets while it exists.
    pub cookie: u64,
}

/// A packet: Tetragon's `KprobeSkb`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packet {
    /// What its headers say.
    pub tuple: Tuple,
    /// Hash of the flow.
    pub hash: u32,
    /// Length in bytes, headers included.
    pub len: u32,
    /// Mark.
    pub mark: u32,
    /// Priority.
    pub priority: u32,
    /// How many transformations IPsec has applied.
    pub sec_path_len: u32,
    /// How many of them are offloaded to the device.
    pub sec_path_olen: u32,
}

/// An address to bind or connect to: Tetragon's `KprobeSockaddr`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// `AF_*`, see [`FAMILIES`].
    pub family: u16,
    /// The address; `None` if the family is not IP.
    pub addr: Option<IpAddr>,
    /// Port.
    pub port: u16,
}

/// An address of a UNIX socket: Tetragon's `KprobeSockaddrUn`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnixAddress {
    /// `AF_*`, see [`FAMILIES`].
    pub family: u16,
    /// Path, or abstract name after an `@`.
    pub path: String,
}

impl Sock {
    pub(crate) fn fields(&self) -> Fields<'_> {
        vec![
            ("family", named(FAMILIES, self.tuple.family)),
            ("type", named(TYPES, self.kind)),
            ("protocol", named(PROTOCOLS, self.tuple.protocol)),
            ("mark", Value::Number(self.mark)),
            ("priority", Value::Number(self.priority)),
            ("saddr", ip(self.tuple.saddr)),
            ("daddr", ip(self.tuple.daddr)),
            ("sport", Value::Number(self.tuple.sport.into())),
            ("dport", Value::Number(self.tuple.dport.into())),
            ("cookie", Value::Long(self.cookie)),
            ("state", named(STATES, self.state.into())),
        ]
    }
}

impl Packet {
    pub(crate) fn fields(&self) -> Fields<'_> {
        vec![
            ("hash", Value::Number(self.hash)),
            ("len", Value::Number(self.len)),
            ("priority", Value::Number(self.priority)),
            ("mark", Value::Number(self.mark)),
            ("saddr", ip(self.tuple.saddr)),
            ("daddr", ip(self.tuple.daddr)),
            ("sport", Value::Number(self.tuple.sport.into())),
            ("dport", Value::Number(self.tuple.dport.into())),
            ("proto", Value::Number(self.tuple.protocol.into())),
            ("sec_path_len", Value::Number(self.sec_path_len)),
            ("sec_path_olen", Value::Number(self.sec_path_olen)),
            ("protocol", named(PROTOCOLS, self.tuple.protocol)),
            ("family", named(FAMILIES, self.tuple.family)),
        ]
    }
}

impl Address {
    pub(crate) fn fields(&self) -> Fields<'_> {
        vec![
            ("family", named(FAMILIES, self.family)),
            ("addr", ip(self.addr)),
            ("port", Value::Number(self.port.into())),
        ]
    }
}

impl UnixAddress {
    pub(crate) fn fields(&self) -> Fields<'_> {
        vec![("family", named(FAMILIES, self.family)), ("path", Value::text(&self.path))]
    }
}

fn named(names: Names, number: u16) -> Value<'static> {
    Value::Text(name(names, number))
}

/// Empty for what is not IP.
fn ip(address: Option<IpAddr>) -> Value<'static> {
    Value::Text(address.map(|address| address.to_string()).unwrap_or_default().into())
}

/// Numbers and what they are called.
pub type Names = &'static [(u16, &'static str)];

/// The name of a number, or the number itself.
#[must_use]
pub fn name(names: Names, number: u16) -> Cow<'static, str> {
    match names.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => Cow::Borrowed(name),
        None => Cow::Owned(number.to_string()),
    }
}

/// Address families: `AF_*` of include/linux/socket.h.
pub const FAMILIES: Names = &[
    (0, "AF_UNSPEC"),
    (1, "AF_UNIX"),
    (2, "AF_INET"),
    (3, "AF_AX25"),
    (4, "AF_IPX"),
    (5, "AF_APPLETALK"),
    (6, "AF_NETROM"),
    (7, "AF_BRIDGE"),
    (8, "AF_ATMPVC"),
    (9, "AF_X25"),
    (10, "AF_INET6"),
    (11, "AF_ROSE"),
    (12, "AF_DECnet"),
    (13, "AF_NETBEUI"),
    (14, "AF_SECURITY"),
    (15, "AF_KEY"),
    (16, "AF_NETLINK"),
    (17, "AF_PACKET"),
    (18, "AF_ASH"),
    (19, "AF_ECONET"),
    (20, "AF_ATMSVC"),
    (21, "AF_RDS"),
    (23, "AF_IRDA"),
    (24, "AF_PPPOX"),
    (25, "AF_WANPIPE"),
    (26, "AF_LLC"),
    (27, "AF_IB"),
    (28, "AF_MPLS"),
    (29, "AF_CAN"),
    (30, "AF_TIPC"),
    (31, "AF_BLUETOOTH"),
    (32, "AF_IUCV"),
    (33, "AF_RXRPC"),
    (34, "AF_ISDN"),
    (35, "AF_PHONET"),
    (36, "AF_IEEE802154"),
    (37, "AF_CAIF"),
    (38, "AF_ALG"),
    (39, "AF_NFC"),
    (40, "AF_VSOCK"),
    (41, "AF_KCM"),
    (42, "AF_QIPCRTR"),
    (43, "AF_SMC"),
    (44, "AF_XDP"),
    (45, "AF_MCTP"),
];

/// Protocols: `IPPROTO_*` of include/uapi/linux/in.h, as far as Tetragon names them.
pub const PROTOCOLS: Names = &[
    (0, "IPPROTO_IP"),
    (1, "IPPROTO_ICMP"),
    (2, "IPPROTO_IGMP"),
    (4, "IPPROTO_IPIP"),
    (6, "IPPROTO_TCP"),
    (8, "IPPROTO_EGP"),
    (12, "IPPROTO_PUP"),
    (17, "IPPROTO_UDP"),
    (22, "IPPROTO_IDP"),
    (29, "IPPROTO_TP"),
    (33, "IPPROTO_DCCP"),
    (41, "IPPROTO_IPV6"),
    (46, "IPPROTO_RSVP"),
    (47, "IPPROTO_GRE"),
    (50, "IPPROTO_ESP"),
    (51, "IPPROTO_AH"),
    (92, "IPPROTO_MTP"),
    (94, "IPPROTO_BEETPH"),
    (98, "IPPROTO_ENCAP"),
    (103, "IPPROTO_PIM"),
    (108, "IPPROTO_COMP"),
    (132, "IPPROTO_SCTP"),
    (136, "IPPROTO_UDPLITE"),
    (137, "IPPROTO_MPLS"),
    (143, "IPPROTO_ETHERNET"),
    (255, "IPPROTO_RAW"),
    (262, "IPPROTO_MPTCP"),
];

/// Types of sockets: `SOCK_*` of include/linux/net.h.
pub const TYPES: Names = &[
    (1, "SOCK_STREAM"),
    (2, "SOCK_DGRAM"),
    (3, "SOCK_RAW"),
    (4, "SOCK_RDM"),
    (5, "SOCK_SEQPACKET"),
    (6, "SOCK_DCCP"),
];

/// States: `TCP_*` of include/net/tcp_states.h.
pub const STATES: Names = &[
    (1, "TCP_ESTABLISHED"),
    (2, "TCP_SYN_SENT"),
    (3, "TCP_SYN_RECV"),
    (4, "TCP_FIN_WAIT1"),
    (5, "TCP_FIN_WAIT2"),
    (6, "TCP_TIME_WAIT"),
    (7, "TCP_CLOSE"),
    (8, "TCP_CLOSE_WAIT"),
    (9, "TCP_LAST_ACK"),
    (10, "TCP_LISTEN"),
    (11, "TCP_CLOSING"),
    (12, "TCP_NEW_SYN_RECV"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_names_or_stand_for_themselves() {
        for (names, number, expected) in [
            (FAMILIES, 10, "AF_INET6"),
            (FAMILIES, 22, "22"),
            (PROTOCOLS, 17, "IPPROTO_UDP"),
            (TYPES, 1, "SOCK_STREAM"),
            (STATES, 10, "TCP_LISTEN"),
            (STATES, 200, "200"),
        ] {
            assert_eq!(name(names, number), expected);
        }
    }
}
