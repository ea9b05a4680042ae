//! Reading kernel and user memory.

use aya_ebpf::helpers::generated::{
    bpf_probe_read_kernel, bpf_probe_read_kernel_str, bpf_probe_read_user, bpf_probe_read_user_str,
};
use serin_abi::path::Memory;
use serin_abi::text::BUFFER;
use serin_abi::{MAX_NAME, MAX_STRING, Offsets};

/// Reads a value of the kernel's; all zeros if the address is bad, as the helper leaves it.
///
/// Without a branch on the helper's result, of which the verifier would follow
/// both ways, and both ways of all the reads after it.
#[inline(always)]
fn read<T: Copy>(address: u64) -> T {
    let mut value = core::mem::MaybeUninit::<T>::uninit();
    // SAFETY: the destination has the size given; the helper checks the source, and initialises the
    // destination in any case.
    unsafe {
        bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, address as *const _);
        value.assume_init()
    }
}

/// Reads a field of a structure whose pointer the verifier trusts: a plain load, where the other
/// functions here call a helper.
///
/// # Safety
/// `structure` must be of a type that the verifier knows, and `offset` a constant to it.
#[inline(always)]
pub unsafe fn trusted<T: Copy>(structure: u64, offset: u64) -> T {
    // SAFETY: the verifier checks the access; the kernel reads a bad address as 0.
    unsafe { ((structure + offset) as *const T).read_volatile() }
}

/// Reads a pointer or 64-bit number of the kernel's; 0 if the address is bad.
#[inline(always)]
pub fn pointer(address: u64) -> u64 {
    read(address)
}

/// Reads a 32-bit number of the kernel's; 0 if the address is bad.
#[inline(always)]
pub fn number(address: u64) -> u32 {
    read(address)
}

/// Reads a 16-bit number of the kernel's; 0 if the address is bad.
#[inline(always)]
pub fn short(address: u64) -> u16 {
    read(address)
}

/// Reads a byte of the kernel's; 0 if the address is bad.
#[inline(always)]
pub fn byte(address: u64) -> u8 {
    read(address)
}

/// Reads 16 bytes of the kernel's; zeros if the address is bad.
#[inline(always)]
pub fn pair(address: u64) -> [u64; 2] {
    read(address)
}

/// Reads a NUL-terminated string of the kernel's or the user's; its length with the NUL.
#[inline(always)]
pub fn string(to: *mut [u8; BUFFER], from: u64) -> Option<u32> {
    const SIZE: u32 = MAX_STRING as u32 + 1;
    // SAFETY: the buffer is longer than SIZE; the helpers check the source.
    let result = unsafe {
        // On x86-64 the kernel's half of the address space is the negative one.
        if (from as i64) < 0 {
            bpf_probe_read_kernel_str(to.cast(), SIZE, from as *const _)
        } else {
            bpf_probe_read_user_str(to.cast(), SIZE, from as *const _)
        }
    };
    // `strncpy_from_user_nofault` does not count the NUL of an empty string on 6.1 and 6.12, but does on 6.18.
    if result >= 0 { Some(result as u32 + u32::from(result == 0)) } else { None }
}

/// Reads at most `SIZE - 1` bytes up to a NUL, and puts a NUL behind them; how many, 0 if they cannot be read.
///
/// # Safety
/// `to` must have room for `SIZE` bytes.
#[inline(always)]
pub unsafe fn short_string<const SIZE: u32>(to: *mut u8, from: u64) -> u32 {
    // SAFETY: the caller vouches for the destination; the helpers check the source.
    let result = unsafe {
        if (from as i64) < 0 {
            bpf_probe_read_kernel_str(to.cast(), SIZE, from as *const _)
        } else {
            bpf_probe_read_user_str(to.cast(), SIZE, from as *const _)
        }
    };
    if result > 0 { result as u32 - 1 } else { 0 }
}

/// Reads at most `size - 1` bytes of the kernel's up to a NUL, and puts a NUL behind them; how many with the NUL.
///
/// # Safety
/// `to` must have room for `size` bytes.
#[inline(always)]
pub unsafe fn kernel_string(to: *mut u8, from: u64, size: u32) -> Option<u32> {
    // SAFETY: the caller vouches for the destination; the helper checks the source.
    let result = unsafe { bpf_probe_read_kernel_str(to.cast(), size, from as *const _) };
    if result > 0 { Some(result as u32) } else { None }
}

/// Copies kernel memory; false if it cannot be read.
///
/// # Safety
/// `to` must have room for `length` bytes.
#[inline(always)]
pub unsafe fn copy(to: *mut u8, from: u64, length: u32) -> bool {
    // SAFETY: the caller vouches for the destination; the helper checks the source.
    unsafe { bpf_probe_read_kernel(to.cast(), length, from as *const _) == 0 }
}

/// Copies user memory; false if it cannot be read.
///
/// # Safety
/// `to` must have room for `length` bytes.
#[inline(always)]
pub unsafe fn copy_user(to: *mut u8, from: u64, length: u32) -> bool {
    // SAFETY: the caller vouches for the destination; the helper checks the source.
    unsafe { bpf_probe_read_user(to.cast(), length, from as *const _) == 0 }
}

/// A buffer that a path is built in.
pub struct PathBuffer(pub *mut [u8; BUFFER]);

impl Memory for PathBuffer {
    #[inline(always)]
    fn pointer(&self, address: u64) -> u64 {
        pointer(address)
    }

    #[inline(always)]
    fn number(&self, address: u64) -> u32 {
        number(address)
    }

    #[inline(always)]
    fn copy_name(&self, to: u32, from: u64) -> Option<u32> {
        // The mask changes nothing: it shows the verifier that the name stays within the buffer.
        let to = to as usize & (MAX_STRING - 1);
        // SAFETY: the buffer is longer than MAX_STRING + MAX_NAME + 1; the helper checks the source.
        let result = unsafe {
            let to = self.0.cast::<u8>().add(to);
            bpf_probe_read_kernel_str(to.cast(), MAX_NAME as u32 + 1, from as *const _)
        };
        if result > 0 { Some(result as u32 - 1) } else { None }
    }

    #[inline(always)]
    fn put(&self, at: u32, byte: u8) {
        // SAFETY: the buffer is longer than MAX_STRING.
        unsafe { *self.0.cast::<u8>().add(at as usize & (MAX_STRING - 1)) = byte };
    }

    #[inline(always)]
    fn offsets(&self) -> &'static Offsets {
        &crate::OFFSETS
    }
}
