//! Addresses and networks: the functions of Kubernetes that Tetragon's expressions have too.
//!
//! <https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-ip-address-library>
//! <https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-cidr-library>

use std::any::Any;
use std::net::IpAddr;

use cel::common::types::{CelBool, CelInt, CelString, Type};
use cel::common::value::{StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload};
use ipnet::IpNet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ip(IpAddr);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cidr(IpNet);

static IP: Type = Type::new_unspecified_type("net.IP");
static CIDR: Type = Type::new_unspecified_type("net.CIDR");

macro_rules! value {
    ($of:ty, $kind:expr) => {
        impl Val for $of {
            fn get_type(&self) -> &Type {
                &$kind
            }

            fn cel_type() -> &'static Type {
                &$kind
            }

            fn equals(&self, other: &dyn Val) -> bool {
                other.downcast_ref::<Self>() == Some(self)
            }

            fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
                Box::new(*self)
            }

            fn as_any(&self) -> Option<&dyn Any> {
                Some(self)
            }
        }

        impl StaticVal for $of {}
    };
}

value!(Ip, IP);
value!(Cidr, CIDR);

/// Declares the functions.
pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn ip: (CelString) -> Result<Ip>)?;
    add_overload!(env, fn is_ip: (CelString) -> CelBool, name = "isIP")?;
    add_overload!(env, fn is_canonical: (CelString) -> Result<CelBool>, name = "ip.isCanonical")?;
    add_overload!(env, fn ip_text: (Ip) -> CelString, name = "string")?;
    add_member_overload!(env, fn family: (Ip) -> CelInt)?;
    add_member_overload!(env, fn is_unspecified: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_loopback: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_link_local_multicast: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_link_local_unicast: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_global_unicast: (Ip) -> CelBool)?;
    add_overload!(env, fn cidr: (CelString) -> Result<Cidr>)?;
    add_overload!(env, fn is_cidr: (CelString) -> CelBool, name = "isCIDR")?;
    add_overload!(env, fn cidr_text: (Cidr) -> CelString, name = "string")?;
    add_member_overload!(env, fn contains_ip: (Cidr, Ip) -> CelBool, name = "containsIP")?;
    add_member_overload!(env, fn contains_ip_text: (Cidr, CelString) -> Result<CelBool>, name = "containsIP")?;
    add_member_overload!(env, fn contains_cidr: (Cidr, Cidr) -> CelBool, name = "containsCIDR")?;
    add_member_overload!(env, fn contains_cidr_text: (Cidr, CelString) -> Result<CelBool>, name = "containsCIDR")?;
    add_member_overload!(env, fn address: (Cidr) -> Ip, name = "ip")?;
    add_member_overload!(env, fn masked: (Cidr) -> Cidr)?;
    add_member_overload!(env, fn prefix_length: (Cidr) -> CelInt)
}

/// What is wrong with a text that this function takes for an address or a network; nothing of other functions.
pub(super) fn wrong(function: &str, text: &str) -> Option<String> {
    match function {
        "ip" | "ip.isCanonical" | "containsIP" => parse_ip(text).err(),
        "cidr" | "containsCIDR" => parse_cidr(text).err(),
        _ => None,
    }
}

fn parse_ip(text: &str) -> Result<IpAddr, String> {
    match text.parse() {
        Ok(address) if !is_mapped(&address) => Ok(address),
        _ => Err(format!("`{text}` is not an IP address")),
    }
}

fn parse_cidr(text: &str) -> Result<IpNet, String> {
    match text.parse::<IpNet>() {
        Ok(network) if !is_mapped(&network.addr()) => Ok(network),
        _ => Err(format!("`{text}` is not a network, such as 10.0.0.0/8")),
    }
}

/// An IPv4 address written as one of IPv6, which Tetragon refuses.
fn is_mapped(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
}

fn ip(text: &CelString<'_>) -> Result<Ip, ExecutionError> {
    parse_ip(text.inner()).map(Ip).map_err(|error| ExecutionError::function_error("ip", error))
}

fn cidr(text: &CelString<'_>) -> Result<Cidr, ExecutionError> {
    parse_cidr(text.inner()).map(Cidr).map_err(|error| ExecutionError::function_error("cidr", error))
}

fn is_ip(text: &CelString<'_>) -> CelBool {
    parse_ip(text.inner()).is_ok().into()
}

fn is_cidr(text: &CelString<'_>) -> CelBool {
    parse_cidr(text.inner()).is_ok().into()
}

fn is_canonical(text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    ip(text).map(|ip| (ip.0.to_string() == text.inner()).into())
}

fn ip_text(ip: &Ip) -> CelString<'static> {
    ip.0.to_string().into()
}

fn cidr_text(cidr: &Cidr) -> CelString<'static> {
    cidr.0.to_string().into()
}

fn family(ip: &Ip) -> CelInt {
    (if ip.0.is_ipv4() { 4 } else { 6 }).into()
}

fn is_unspecified(ip: &Ip) -> CelBool {
    ip.0.is_unspecified().into()
}

fn is_loopback(ip: &Ip) -> CelBool {
    ip.0.is_loopback().into()
}

fn is_link_local_multicast(ip: &Ip) -> CelBool {
    let is = match ip.0 {
        IpAddr::V4(address) => matches!(address.octets(), [224, 0, 0, _]),
        IpAddr::V6(address) => address.segments()[0] & 0xff0f == 0xff02,
    };
    is.into()
}

fn is_link_local_unicast(ip: &Ip) -> CelBool {
    link_local(&ip.0).into()
}

fn link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn is_global_unicast(ip: &Ip) -> CelBool {
    let address = &ip.0;
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    let special = address.is_unspecified() || address.is_loopback() || address.is_multicast();
    (!(special || broadcast || link_local(address))).into()
}

fn contains_ip(cidr: &Cidr, ip: &Ip) -> CelBool {
    cidr.0.contains(&ip.0).into()
}

fn contains_ip_text(cidr: &Cidr, text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    ip(text).map(|ip| contains_ip(cidr, &ip))
}

fn contains_cidr(cidr: &Cidr, other: &Cidr) -> CelBool {
    cidr.0.contains(&other.0).into()
}

fn contains_cidr_text(this: &Cidr, text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    cidr(text).map(|other| contains_cidr(this, &other))
}

fn address(cidr: &Cidr) -> Ip {
    Ip(cidr.0.addr())
}

fn masked(cidr: &Cidr) -> Cidr {
    Cidr(cidr.0.trunc())
}

fn prefix_length(cidr: &Cidr) -> CelInt {
    i64::from(cidr.0.prefix_len()).into()
}
