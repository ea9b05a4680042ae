//! Comparison of memory, eight bytes at a time.
//!
//! WebAssembly has instructions to copy and fill memory but none to compare it,
//! and the function that Rust brings for this target goes byte by byte. Rules do
//! little else than compare strings.

/// The C library's `memcmp`, which the compiler calls.
///
/// # Safety
/// Both pointers lead to `length` readable bytes.
#[allow(unsafe_code, unreachable_pub, reason = "the compiler calls it by this name")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
    let mut at = 0;
    while at + 8 <= length {
        // SAFETY: the caller vouches for `length` bytes, of which these are some.
        let (left, right) = unsafe { (word::<u64>(left, at), word::<u64>(right, at)) };
        if left != right {
            return order(left.swap_bytes(), right.swap_bytes());
        }
        at += 8;
    }
    if at + 4 <= length {
        // SAFETY: as above.
        let (left, right) = unsafe { (word::<u32>(left, at), word::<u32>(right, at)) };
        if left != right {
            return order(left.swap_bytes(), right.swap_bytes());
        }
        at += 4;
    }
    while at < length {
        // SAFETY: as above.
        let (left, right) = unsafe { (word::<u8>(left, at), word::<u8>(right, at)) };
        if left != right {
            return order(left, right);
        }
        at += 1;
    }
    0
}

/// As [`memcmp`], where only equality matters.
///
/// # Safety
/// As for [`memcmp`].
#[allow(unsafe_code, unreachable_pub, reason = "the compiler calls it by this name")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
    // SAFETY: the caller vouches for the same.
    unsafe { memcmp(left, right, length) }
}

/// Of numbers whose first byte in memory counts most.
fn order<T: PartialOrd>(left: T, right: T) -> i32 {
    if left < right { -1 } else { 1 }
}

#[allow(unsafe_code, reason = "memory that the caller vouches for")]
unsafe fn word<T>(start: *const u8, at: usize) -> T {
    // SAFETY: the caller vouches for the bytes, and any bytes are an integer.
    unsafe { start.add(at).cast::<T>().read_unaligned() }
}
