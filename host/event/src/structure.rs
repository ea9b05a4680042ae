//! Structures of the kernel's that hooked functions take, as rows of fields.

use std::borrow::Cow;

use crate::network::{Address, Packet, Sock, UnixAddress};

/// A structure that a hooked function takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Structure {
    /// A socket.
    Sock(Sock),
    /// A packet.
    Packet(Packet),
    /// An address of a socket.
    Address(Address),
    /// An address of a UNIX socket.
    UnixAddress(UnixAddress),
}

/// The fields of a structure with their names, in the order in which Tetragon has them.
pub type Fields<'a> = Vec<(&'static str, Value<'a>)>;

/// The value of a field. In the event, fields that are 0 or empty are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A number of at most 32 bits.
    Number(u32),
    /// A number of 64 bits: a string in JSON, as JavaScript would round it.
    Long(u64),
}

impl Structure {
    /// Its key in the event: the name of Tetragon's field of `KprobeArgument`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Structure::Sock(_) => "sock_arg",
            Structure::Packet(_) => "skb_arg",
            Structure::Address(_) => "sockaddr_arg",
            Structure::UnixAddress(_) => "sockaddrun_arg",
        }
    }

    /// Its fields.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        match self {
            Structure::Sock(sock) => sock.fields(),
            Structure::Packet(packet) => packet.fields(),
            Structure::Address(address) => address.fields(),
            Structure::UnixAddress(address) => address.fields(),
        }
    }
}

impl Value<'_> {
    /// Whether it is 0 or empty.
    #[must_use]
    pub fn is_default(&self) -> bool {
        match self {
            Value::Text(text) => text.is_empty(),
            Value::Number(number) => *number == 0,
            Value::Long(number) => *number == 0,
        }
    }
}

impl std::fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Number(number) => number.fmt(f),
            Value::Long(number) => number.fmt(f),
        }
    }
}
