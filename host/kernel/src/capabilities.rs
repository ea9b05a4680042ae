//! Whether the process may load programs at all.

use rustix::thread::{CapabilitySet, capabilities};

use crate::KernelError;

/// Checks for what every program load and attachment needs, so that the reason
/// is given in words and not as EPERM of the first system call that fails.
///
/// # Errors
/// [`KernelError::NotPrivileged`] names what is missing.
pub(crate) fn check() -> Result<(), KernelError> {
    let Ok(sets) = capabilities(None) else {
        return Ok(());
    };
    if sets.effective.contains(CapabilitySet::SYS_ADMIN) {
        return Ok(());
    }
    for (capability, name) in [(CapabilitySet::BPF, "CAP_BPF"), (CapabilitySet::PERFMON, "CAP_PERFMON")] {
        if !sets.effective.contains(capability) {
            return Err(KernelError::NotPrivileged(name));
        }
    }
    Ok(())
}
