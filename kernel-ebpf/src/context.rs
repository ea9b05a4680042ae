//! Reading and changing a program's context.

use core::ffi::c_void;

/// Reads the 64 bits at `OFFSET` of the context.
///
/// One instruction, in assembly: of plain loads, LLVM may share the sum of the context and an offset between places,
/// and the verifier refuses to load by a context that something was added to.
///
/// # Safety
/// `context` must be the one that the program was called with. The verifier checks the offset.
#[inline(always)]
pub unsafe fn word<const OFFSET: usize>(context: *const c_void) -> u64 {
    let value: u64;
    // SAFETY: the caller vouches for the context.
    #[cfg(target_arch = "bpf")]
    unsafe {
        core::arch::asm!("{value} = *(u64 *)({context} + {offset})",
            value = out(reg) value, context = in(reg) context, offset = const OFFSET, options(nostack));
    }
    // SAFETY: as above.
    #[cfg(not(target_arch = "bpf"))]
    unsafe {
        value = context.byte_add(OFFSET).cast::<u64>().read_unaligned();
    }
    value
}

/// Sets the lowest `size` bytes of the 64 bits at `OFFSET` of the context.
///
/// # Safety
/// As of [`word`]; only uprobes may, on kernels that let them.
#[inline(always)]
pub unsafe fn set<const OFFSET: usize>(context: *mut c_void, size: u32, value: u64) {
    macro_rules! store {
        ($type:literal, $number:ty) => {{
            // SAFETY: the caller vouches for the context.
            #[cfg(target_arch = "bpf")]
            unsafe {
                core::arch::asm!(concat!("*(", $type, " *)({context} + {offset}) = {value}"),
                    value = in(reg) value, context = in(reg) context, offset = const OFFSET, options(nostack));
            }
            // SAFETY: as above.
            #[cfg(not(target_arch = "bpf"))]
            unsafe {
                context.byte_add(OFFSET).cast::<$number>().write_unaligned(value as $number);
            }
        }};
    }
    match size {
        1 => store!("u8", u8),
        2 => store!("u16", u16),
        4 => store!("u32", u32),
        _ => store!("u64", u64),
    }
}
