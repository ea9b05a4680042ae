//! Bounded loops: `bpf_loop` in the kernel, a plain loop elsewhere.

/// Calls `body` with 0, 1, … up to `count` times, until it returns [`STOP`].
///
/// In the kernel the verifier checks `body` once, however large `count` is
/// (`bpf_loop`, Linux 5.17).
#[inline(always)]
pub fn repeat<C>(count: u32, context: &mut C, body: extern "C" fn(u32, &mut C) -> i64) {
    #[cfg(target_arch = "bpf")]
    {
        type BpfLoop = unsafe extern "C" fn(u32, *mut core::ffi::c_void, *mut core::ffi::c_void, u64) -> i64;
        const BPF_LOOP: usize = 181;
        // SAFETY: helpers are called by number; 181 is bpf_loop and has this signature
        // (include/uapi/linux/bpf.h). `body` has the callback's signature, and `context`
        // outlives the call.
        unsafe {
            let bpf_loop: BpfLoop = core::mem::transmute(BPF_LOOP);
            bpf_loop(count, body as *mut core::ffi::c_void, (&raw mut *context).cast(), 0);
        }
    }
    #[cfg(not(target_arch = "bpf"))]
    for index in 0..count {
        if body(index, context) != CONTINUE {
            break;
        }
    }
}

/// What a loop body returns to go on.
pub const CONTINUE: i64 = 0;
/// What a loop body returns to stop.
pub const STOP: i64 = 1;
