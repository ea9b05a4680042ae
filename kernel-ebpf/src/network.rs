//! Arguments of the network: sockets, packets and addresses.

use serin_abi::NO_FIELD;
use serin_abi::config::READ_SOCKET;
use serin_abi::network::{AF_INET, AF_INET6, Packet, Sock, Tuple, UNIX_PATH_MAX, address};
use serin_abi::packet::{Bytes, payload_v6};
use serin_abi::selector::constant;

use crate::memory::{byte, copy, copy_user, number, pair, pointer, short, short_string};
use crate::offset;
use crate::scratch::Slot;

const IPPROTO_TCP: u32 = 6;
const IPPROTO_UDP: u32 = 17;
/// `sizeof(struct ipv6hdr)`
const IPV6_HEADER: u64 = 40;

/// The address of a `struct sock`, given it or a `struct socket`; 0 if there is none.
#[inline(always)]
pub fn socket(read: u32, value: u64) -> u64 {
    if read == READ_SOCKET { pointer(value + offset!(socket_sk)) } else { value }
}

/// Reads a `struct sock`, or that of a `struct socket`; false if there is none.
#[inline(always)]
pub fn load_sock(to: *mut Slot, read: u32, value: u64) -> bool {
    let sk = socket(read, value);
    if sk == 0 {
        return false;
    }
    let family = short(sk + offset!(sock_family));
    let (is_v4, is_v6) = (family == AF_INET, family == AF_INET6);
    let is_ip = u64::from(is_v4 | is_v6);
    let sock = words::<Sock>(to);
    // SAFETY: the buffer is aligned to eight and longer than a Sock.
    unsafe {
        let tuple = &raw mut (*sock).tuple;
        (*tuple).family = family.into();
        (*tuple).protocol = short(sk + offset!(sock_protocol)).into();
        (*tuple).ip = is_ip;
        (*tuple).sport = u64::from(short(sk + offset!(sock_num))) * is_ip;
        (*tuple).dport = u64::from(u16::from_be(short(sk + offset!(sock_dport)))) * is_ip;
        let v6 = v6_field(sk, constant(&crate::OFFSETS.sock_v6_rcv_saddr));
        (*tuple).saddr = address(is_v4, number(sk + offset!(sock_rcv_saddr)), is_v6, v6);
        let v6 = v6_field(sk, constant(&crate::OFFSETS.sock_v6_daddr));
        (*tuple).daddr = address(is_v4, number(sk + offset!(sock_daddr)), is_v6, v6);
        (*sock).state = byte(sk + offset!(sock_state)).into();
        (*sock).kind = short(sk + offset!(sock_type)).into();
        (*sock).mark = number(sk + offset!(sock_mark)).into();
        (*sock).priority = number(sk + offset!(sock_priority)).into();
        (*sock).cookie = sk;
    }
    true
}

/// An IPv6 address in a structure; zeros on kernels that know no IPv6.
#[inline(always)]
fn v6_field(structure: u64, offset: u32) -> [u64; 2] {
    if offset == NO_FIELD { [0; 2] } else { pair(structure + u64::from(offset)) }
}

/// Reads a `struct sk_buff` and the headers of its packet; false if there is none.
#[inline(always)]
pub fn load_packet(to: *mut Slot, skb: u64) -> bool {
    if skb == 0 {
        return false;
    }
    let header = pointer(skb + offset!(skb_head)) + u64::from(short(skb + offset!(skb_network_header)));
    let first = byte(header);
    let (is_v4, is_v6) = (first >> 4 == 4, first >> 4 == 6);
    let family = u64::from(AF_INET) * u64::from(is_v4) + u64::from(AF_INET6) * u64::from(is_v6);
    let packet = words::<Packet>(to);
    // SAFETY: the buffer is aligned to eight and longer than a Packet.
    unsafe {
        let tuple = &raw mut (*packet).tuple;
        (*tuple).family = family;
        (*tuple).ip = u64::from(is_v4 | is_v6);
        (*tuple).saddr = address(is_v4, number(header + 12), is_v6, pair(header + 8));
        (*tuple).daddr = address(is_v4, number(header + 16), is_v6, pair(header + 24));
        load_ports(to, tuple, header, is_v4, is_v6);
        (*packet).hash = number(skb + offset!(skb_hash)).into();
        (*packet).len = number(skb + offset!(skb_len)).into();
        (*packet).mark = number(skb + offset!(skb_mark)).into();
        (*packet).priority = number(skb + offset!(skb_priority)).into();
        (*packet).sec_path_len = 0;
        (*packet).sec_path_olen = 0;
    }
    if constant(&crate::OFFSETS.skb_extensions) != NO_FIELD {
        load_sec_path(packet, skb);
    }
    true
}

/// Reads the protocol and, of TCP and UDP, the ports.
///
/// # Safety
/// The pointers must be valid.
#[inline(always)]
unsafe fn load_ports(to: *mut Slot, tuple: *mut Tuple, header: u64, is_v4: bool, is_v6: bool) {
    // Of IPv4, the length of the header is in words; ports are in the first fragment only.
    let length = u64::from(byte(header) & 15) * 4;
    let begins = u64::from(u16::from_be(short(header + 6)) & 0x1fff == 0);
    let v4 = (u32::from(byte(header + 9)), (header + length) * begins);
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        let next = byte(header + 6).into();
        let v6 = payload_v6::<Kernel>(&raw mut (*to).headers, header + IPV6_HEADER, next);
        let protocol = v4.0 * u32::from(is_v4) + v6.0 * u32::from(is_v6);
        let payload = v4.1 * u64::from(is_v4) + v6.1 * u64::from(is_v6);
        let has_ports =
            u64::from((protocol == IPPROTO_TCP) | (protocol == IPPROTO_UDP)) * u64::from(payload != 0);
        (*tuple).protocol = protocol.into();
        (*tuple).sport = u64::from(u16::from_be(short(payload))) * has_ports;
        (*tuple).dport = u64::from(u16::from_be(short(payload + 2))) * has_ports;
    }
}

/// Reads how deep a packet is in IPsec.
#[inline(always)]
fn load_sec_path(packet: *mut Packet, skb: u64) {
    let active = u32::from(byte(skb + offset!(skb_active_extensions)));
    let has = u64::from(active >> constant(&crate::OFFSETS.skb_sec_path_bit) & 1);
    let extensions = pointer(skb + offset!(skb_extensions));
    let path = extensions + 8 * u64::from(byte(extensions + offset!(skb_ext_sec_path)));
    // SAFETY: the caller's pointer is to a map value.
    unsafe {
        (*packet).sec_path_len = u64::from(number(path + offset!(sec_path_len))) * has;
        (*packet).sec_path_olen = u64::from(number(path + offset!(sec_path_olen))) * has;
    }
}

/// Reads a `struct sockaddr` in the kernel's or the user's memory; false if it cannot be read.
///
/// Its first 8 bytes are family, port and IPv4 address, or family, port and flow; the next 16 the IPv6 address.
#[inline(always)]
pub fn load_address(to: *mut Slot, from: u64) -> bool {
    let (mut family, mut head, mut v6) = (0_u16, 0_u64, [0_u64; 2]);
    // As much is read as the family says there is: a shorter address may end where its page does.
    let readable = [read_any(&mut family, from), read_any(&mut head, from), read_any(&mut v6, from + 8)];
    let (is_v4, is_v6) = (family == AF_INET, family == AF_INET6);
    let tuple = words::<Tuple>(to);
    // SAFETY: the buffer is aligned to eight and longer than a Tuple.
    unsafe {
        (*tuple).family = family.into();
        (*tuple).protocol = 0;
        (*tuple).ip = u64::from(is_v4 | is_v6);
        (*tuple).sport = u64::from(u16::from_be((head >> 16) as u16)) * u64::from(is_v4 | is_v6);
        (*tuple).dport = 0;
        (*tuple).saddr = address(is_v4, (head >> 32) as u32, is_v6, v6);
        (*tuple).daddr = address(false, 0, false, [0; 2]);
    }
    readable[0] & (readable[1] | !(is_v4 | is_v6)) & (readable[2] | !is_v6)
}

/// Reads a `struct sockaddr_un`: a path, or `@` and an abstract name; false if it cannot be read.
///
/// The family lies in the header. An abstract name ends at its first NUL, and so does its text.
#[inline(always)]
pub fn load_unix_address(to: *mut Slot, from: u64) -> bool {
    let (mut family, mut first) = (0_u16, 0_u8);
    let readable = read_any(&mut family, from);
    read_any(&mut first, from + 2);
    let is_abstract = u64::from(first == 0);
    // SAFETY: the buffer is longer than the path and has room for an `@` before it.
    unsafe {
        let buffer = (&raw mut (*to).buffer).cast::<u8>();
        // An abstract name stands behind a NUL, in whose place the `@` goes.
        let (to_path, path) = (buffer.add(is_abstract as usize), from + 2 + is_abstract);
        let length = short_string::<{ UNIX_PATH_MAX as u32 + 1 }>(to_path, path) + is_abstract as u32;
        if is_abstract != 0 {
            *buffer = b'@';
        }
        (*to).integer = family.into();
        (*to).header.mode = family;
        (*to).start = 0;
        (*to).header.length = length;
    }
    readable
}

/// Reads a value of the kernel's or the user's; all zeros if it cannot be read, and false.
#[inline(always)]
fn read_any<T>(to: &mut T, from: u64) -> bool {
    let (to, size) = ((&raw mut *to).cast::<u8>(), size_of::<T>() as u32);
    // SAFETY: the destination has the size given.
    // On x86-64 the kernel's half of the address space is the negative one.
    unsafe { if (from as i64) < 0 { copy(to, from, size) } else { copy_user(to, from, size) } }
}

/// The words of a structured argument, and what the record will say of its length.
#[inline(always)]
fn words<T>(to: *mut Slot) -> *mut T {
    // SAFETY: a pointer to a map value.
    unsafe {
        (*to).start = 0;
        (*to).header.length = size_of::<T>() as u32;
        (&raw mut (*to).buffer).cast()
    }
}

/// The kernel's memory.
struct Kernel;

impl Bytes for Kernel {
    #[inline(always)]
    fn short(address: u64) -> u16 {
        short(address)
    }
}
