//! Headers of IP packets.

use crate::{CONTINUE, STOP, repeat};

/// Memory that holds a packet.
pub trait Bytes {
    /// Reads two bytes as they lie in memory; 0 if they cannot be read.
    fn short(address: u64) -> u16;
}

/// A walk along the headers of an IPv6 packet. In the kernel it must lie in a map: see [`crate::text::Search`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Headers {
    /// Address of the header.
    at: u64,
    /// What it is: the number that the header before it gives.
    protocol: u32,
    /// 1: the packet is a fragment that is not the first, so the next header is missing.
    later_fragment: u32,
}

/// Extension headers that are walked over; more are not seen in earnest, and few systems let them pass.
const MAX_EXTENSIONS: u32 = 8;

const HOP_BY_HOP: u32 = 0;
const ROUTING: u32 = 43;
const FRAGMENT: u32 = 44;
const AUTHENTICATION: u32 = 51;
const DESTINATION: u32 = 60;

/// Protocol and address of what a packet carries; the address is 0 if that begins in another fragment.
///
/// # Safety
/// `headers` must be valid.
#[inline(always)]
pub unsafe fn payload_v6<B: Bytes>(headers: *mut Headers, at: u64, protocol: u32) -> (u32, u64) {
    let mut context = headers;
    // SAFETY: the caller vouches for the pointer.
    unsafe {
        headers.write(Headers { at, protocol, later_fragment: 0 });
        repeat(MAX_EXTENSIONS, &mut context, step::<B>);
        keep_apart!("3");
        let begins = 1 - u64::from((&raw const (*headers).later_fragment).read_volatile());
        (
            (&raw const (*headers).protocol).read_volatile(),
            (&raw const (*headers).at).read_volatile() * begins,
        )
    }
}

extern "C" fn step<B: Bytes>(_: u32, headers: &mut *mut Headers) -> i64 {
    let headers = *headers;
    // SAFETY: the caller of `payload_v6` vouches for the pointer.
    unsafe {
        let (at, protocol) = ((*headers).at, (*headers).protocol);
        // The first byte says what comes next, the second how long this header is.
        let [next, length] = B::short(at).to_ne_bytes();
        let bytes = match protocol {
            HOP_BY_HOP | ROUTING | DESTINATION => 8 * (u64::from(length) + 1),
            AUTHENTICATION => 4 * (u64::from(length) + 2),
            FRAGMENT => 8,
            _ => return STOP,
        };
        // The low bits of a fragment's offset are flags.
        let is_later = protocol == FRAGMENT && u16::from_be(B::short(at.wrapping_add(2))) >> 3 != 0;
        (*headers).at = at.wrapping_add(bytes);
        (*headers).protocol = u32::from(next);
        (*headers).later_fragment = u32::from(is_later);
        if is_later { STOP } else { CONTINUE }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use core::cell::RefCell;
    use std::vec::Vec;

    use super::*;

    std::thread_local! {
        static PACKET: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }

    struct Packet;

    impl Bytes for Packet {
        fn short(address: u64) -> u16 {
            PACKET.with_borrow(|packet| {
                packet
                    .get(address as usize..address as usize + 2)
                    .map_or(0, |two| u16::from_ne_bytes([two[0], two[1]]))
            })
        }
    }

    fn payload(protocol: u32, packet: &[u8]) -> (u32, u64) {
        PACKET.set(packet.to_vec());
        let mut headers = Headers::default();
        // SAFETY: the headers outlive the call.
        unsafe { payload_v6::<Packet>(&raw mut headers, 0, protocol) }
    }

    #[test]
    fn extension_headers_are_walked_over() {
        const TCP: u32 = 6;
        let cases: [(u32, &[u8], (u32, u64)); 7] = [
            (TCP, &[1, 2, 3, 4], (TCP, 0)),
            (HOP_BY_HOP, &[6, 0, 0, 0, 0, 0, 0, 0, 9, 9], (TCP, 8)),
            (ROUTING, &[60, 0, 0, 0, 0, 0, 0, 0, 6, 1], (TCP, 24)),
            (AUTHENTICATION, &[6, 4], (TCP, 24)),
            // The first fragment has the ports, a later one has not.
            (FRAGMENT, &[6, 0, 0, 1], (TCP, 8)),
            (FRAGMENT, &[6, 0, 0, 8], (TCP, 0)),
            (50, &[6, 0], (50, 0)),
        ];
        for (protocol, packet, expected) in cases {
            assert_eq!(payload(protocol, packet), expected, "{protocol} {packet:?}");
        }
    }

    #[test]
    fn endless_headers_end() {
        let (protocol, at) = payload(HOP_BY_HOP, &[0; 128]);
        assert_eq!((protocol, at), (HOP_BY_HOP, 64));
    }
}
