//! Atomic operations. Rust's target for the kernel has only loads and stores;
//! the instructions are there since Linux 5.12 (`-C target-cpu=v3`).
//!
//! <https://docs.kernel.org/bpf/standardization/instruction-set.html#atomic-operations>

#[cfg(target_arch = "bpf")]
use core::arch::asm;

/// Adds one; the value before.
///
/// # Safety
/// `number` must be valid and aligned.
#[inline(always)]
pub unsafe fn increment(number: *mut u64) -> u64 {
    // SAFETY: the caller vouches for the pointer.
    unsafe { add(number, 1) }
}

/// Adds `value`, modulo 2^64; the value before.
///
/// # Safety
/// `number` must be valid and aligned.
#[inline(always)]
pub unsafe fn add(number: *mut u64, value: u64) -> u64 {
    let mut value = value;
    // SAFETY: the caller vouches for the pointer.
    #[cfg(target_arch = "bpf")]
    unsafe {
        asm!("{value} = atomic_fetch_add((u64 *)({number} + 0), {value})",
            value = inout(reg) value, number = in(reg) number, options(nostack));
    }
    // SAFETY: as above.
    #[cfg(not(target_arch = "bpf"))]
    unsafe {
        value = core::mem::replace(&mut *number, (*number).wrapping_add(value));
    }
    value
}

/// Stores `value`; the value before.
///
/// # Safety
/// `number` must be valid and aligned.
#[inline(always)]
pub unsafe fn exchange(number: *mut u64, value: u64) -> u64 {
    let mut value = value;
    // SAFETY: the caller vouches for the pointer.
    #[cfg(target_arch = "bpf")]
    unsafe {
        asm!("{value} = xchg_64({number} + 0, {value})",
            value = inout(reg) value, number = in(reg) number, options(nostack));
    }
    // SAFETY: as above.
    #[cfg(not(target_arch = "bpf"))]
    unsafe {
        value = core::mem::replace(&mut *number, value);
    }
    value
}
