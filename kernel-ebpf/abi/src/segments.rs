//! Gathering bytes that are scattered over segments of memory: an array of `struct iovec`.

use crate::{CONTINUE, MAX_BYTES, repeat};

/// Most segments of an array: the kernel's `UIO_MAXIOV`, beyond which it refuses the call.
pub const MAX_SEGMENTS: u32 = 1024;

/// Bytes that bytes are gathered in: twice the most, as the verifier does not see that those of a segment end before.
pub const GATHERED: usize = 2 * MAX_BYTES;

/// A program's memory.
pub trait Program {
    /// Address and length of the segment that an array has at this place, and 0, or any other number if it cannot be read.
    /// `size` is that of an entry: 16, or 8 in 32-bit programs.
    fn segment(at: u64, size: u64) -> ([u64; 2], u64);
    /// Copies bytes; 0, or any other number if they cannot be read.
    ///
    /// # Safety
    /// `to` must have room for them.
    unsafe fn copy(to: *mut u8, from: u64, length: u32) -> u64;
}

/// How far it has come. In the kernel it must lie in a map: see [`crate::text::Search`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Segments {
    /// Where the next entry of the array is.
    next: u64,
    /// Bytes of an entry.
    size: u64,
    /// Bytes of the segments.
    pub total: u64,
    /// Bytes that have been copied, at most [`MAX_BYTES`].
    pub copied: u64,
    /// Bytes to copy of a segment.
    length: u64,
    /// Not 0 if something could not be read.
    pub errors: u64,
}

struct Gathering {
    segments: *mut Segments,
    to: *mut [u8; GATHERED],
}

/// Copies the bytes of `count` segments, whose array is at `from` and has entries of `size` bytes, one behind the other and at most
/// [`MAX_BYTES`].
///
/// # Safety
/// `segments` and `to` must be valid.
#[inline(always)]
pub unsafe fn gather<P: Program>(
    segments: *mut Segments,
    to: *mut [u8; GATHERED],
    (from, size): (u64, u64),
    count: u32,
) {
    let mut gathering = Gathering { segments, to };
    // SAFETY: the caller vouches for the pointer.
    unsafe { segments.write(Segments { next: from, size, total: 0, copied: 0, length: 0, errors: 0 }) };
    repeat(count, &mut gathering, step::<P>);
    keep_apart!("4");
}

extern "C" fn step<P: Program>(_: u32, gathering: &mut Gathering) -> i64 {
    const MOST: u64 = MAX_BYTES as u64;
    let segments = gathering.segments;
    // SAFETY: the caller of `gather` vouches for both; at most as many bytes are copied as there is room for.
    unsafe {
        let size = (*segments).size;
        let ([from, length], error) = P::segment((*segments).next, size);
        (*segments).next = (*segments).next.wrapping_add(size);
        (*segments).total = (*segments).total.wrapping_add(length);
        let at = (&raw const (*segments).copied).read_volatile();
        let at = if at > MOST { MOST } else { at };
        let room = MOST - at;
        (&raw mut (*segments).length).write_volatile(if length > room { room } else { length });
        // Read anew: the verifier of older kernels learns nothing from a comparison with a number it does not know.
        let length = (&raw const (*segments).length).read_volatile();
        let length = if length > MOST { MOST } else { length };
        let to = gathering.to.cast::<u8>().add(at as usize);
        (*segments).errors |= error | P::copy(to, from, length as u32);
        (&raw mut (*segments).copied).write_volatile(at + length);
    }
    CONTINUE
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This program's own memory, in which nothing is at addresses below 4096.
    struct Own;

    impl Program for Own {
        fn segment(at: u64, size: u64) -> ([u64; 2], u64) {
            if at < 4096 {
                return ([0, 0], 1);
            }
            // SAFETY: the tests give addresses of arrays.
            unsafe {
                match size {
                    8 => ((at as *const [u32; 2]).read().map(u64::from), 0),
                    _ => ((at as *const [u64; 2]).read(), 0),
                }
            }
        }

        unsafe fn copy(to: *mut u8, from: u64, length: u32) -> u64 {
            if from < 4096 {
                return u64::from(length > 0);
            }
            // SAFETY: the tests give addresses of as many bytes.
            unsafe { core::ptr::copy_nonoverlapping(from as *const u8, to, length as usize) };
            0
        }
    }

    fn gathered(array: &[[u64; 2]], to: &mut [u8; GATHERED]) -> Segments {
        let mut segments = Segments::default();
        // SAFETY: both are valid.
        unsafe { gather::<Own>(&raw mut segments, to, (array.as_ptr() as u64, 16), array.len() as u32) };
        segments
    }

    fn segment(bytes: &[u8]) -> [u64; 2] {
        [bytes.as_ptr() as u64, bytes.len() as u64]
    }

    #[test]
    fn segments_are_put_one_behind_the_other() {
        let mut to = [0; GATHERED];
        let segments = gathered(&[segment(b"one"), segment(b""), segment(b"two")], &mut to);
        assert_eq!((&to[..7], segments.total, segments.copied), (&b"onetwo\0"[..], 6, 6));
        assert_eq!(segments.errors, 0);
        assert_eq!(gathered(&[], &mut to).copied, 0);
    }

    #[test]
    fn what_is_too_much_is_counted_and_left_out() {
        let (half, mut to) = ([b'h'; MAX_BYTES / 2 + 1], [0; GATHERED]);
        let segments = gathered(&[segment(&half), segment(&half), segment(b"end")], &mut to);
        assert_eq!((segments.total, segments.copied), (2 * half.len() as u64 + 3, MAX_BYTES as u64));
        assert!(to[..MAX_BYTES].iter().all(|byte| *byte == b'h') && to[MAX_BYTES] == 0);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let mut to = [0; GATHERED];
        assert_ne!(gathered(&[segment(b"one"), [7, 3]], &mut to).errors, 0);
        // Nothing of it is asked for.
        assert_eq!(gathered(&[segment(b"one"), [7, 0]], &mut to).errors, 0);
        let mut segments = Segments::default();
        // SAFETY: both are valid.
        unsafe { gather::<Own>(&raw mut segments, &raw mut to, (16, 16), 1) };
        assert_ne!(segments.errors, 0);
    }
}
