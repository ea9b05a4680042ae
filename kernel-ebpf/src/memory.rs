//! Reading kernel and user memory.

use aya_ebpf::helpers::generated::{
    bpf_probe_read_kernel, bpf_probe_read_kernel_str, bpf_probe_read_user, bpf_probe_read_user_str,
};
use serin_abi::path::Memory;
use serin_abi::text::BUFFER;
use serin_abi::{MAX_NAME, MAX_STRING, Offsets};

/// Reads a number or pointer of the kernel's; `None` if the address is bad.
#[inline(always)]
pub fn read<T: Copy>(address: u64) -> Option<T> {
    let mut value = core::mem::MaybeUninit::<T>::uninit();
    // SAFETY: the destination has the size given; the helper checks the source.
    unsafe {
        let result =
            bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, address as *const _);
        if result == 0 { Some(value.assume_init()) } else { None }
    }
}

/// Reads a pointer of the kernel's; 0 if the address is bad.
#[inline(always)]
pub fn pointer(address: u64) -> u64 {
    read(address).unwrap_or(0)
}

/// Reads a 32-bit number of the kernel's; 0 if the address is bad.
#[inline(always)]
pub fn number(address: u64) -> u32 {
    read(address).unwrap_or(0)
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
    fn copy_name(&self, to: u32, from: u64, length: u32) -> bool {
        // The masks change nothing: they show the verifier that the name stays within the buffer.
        let to = to as usize & (MAX_STRING - 1);
        let length = length & MAX_NAME as u32;
        // SAFETY: the buffer is longer than MAX_STRING + MAX_NAME.
        unsafe { copy(self.0.cast::<u8>().add(to), from, length) }
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
