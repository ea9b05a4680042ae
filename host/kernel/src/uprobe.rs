//! Attaching to programs and libraries.

use std::path::Path;

use aya::programs::UProbe;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeScope};
use serin_policy::{PlaceError, Target, Uprobe};

use crate::KernelError;
use crate::executable::find_place;
use crate::programs::program_error;

/// Loads and attaches a program of this name, for all processes that run the file.
pub(crate) fn attach(hook: &mut UProbe, name: &'static str, target: &Target) -> Result<(), KernelError> {
    let Target::Uprobe(Uprobe { path, place }) = target else { return Err(KernelError::Missing(name)) };
    // Policies that name what is not there are refused when they are checked.
    let offset = find_place(Path::new(path), place).map_err(|error| match error {
        PlaceError::Program(reason) => KernelError::Executable(reason),
        PlaceError::NotThere(_) => KernelError::Executable(format!("the file has no `{place}`")),
    })?;
    hook.load().map_err(|error| program_error(name, error))?;
    hook.attach(UProbeAttachLocation::AbsoluteOffset(offset), path, UProbeScope::AllProcesses)
        .map_err(|error| program_error(name, error))?;
    Ok(())
}
