//! Memory that is no longer used, back to the system.

/// Gives back what the allocator keeps for later.
///
/// Loading a policy and compiling a plugin take far more memory than the agent needs from then on, and glibc would
/// keep it: <https://man7.org/linux/man-pages/man3/malloc_trim.3.html>. Other allocators are left alone.
pub(crate) fn trim() {
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code, reason = "neither std nor rustix has malloc_trim")]
    // SAFETY: it takes a number and touches only memory that is free; it is safe to call from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
