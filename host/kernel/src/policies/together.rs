//! Hooks on several functions, attached by one program.

use std::os::fd::AsFd as _;

use aya::Ebpf;

use super::prepared::Prepared;
use super::{Attached, LoadedHook};
use crate::code::Code;
use crate::kprobe_multi::Moment;
use crate::link::Link;
use crate::programs::Loader;
use crate::{Backend, Kernel, KernelError, target};

/// Into how many parts hooks are divided that could not be attached together.
const PARTS: usize = 4;

/// An instance of a hook's object.
pub(super) struct Instance {
    pub(super) ebpf: Ebpf,
    /// The same, for programs that aya does not load.
    pub(super) code: Option<Code>,
}

impl Kernel {
    /// Attaches hooks that could not be attached together: a function among them may be one that the kernel can't attach
    /// to in this way, or lacks, so that the others still go together.
    pub(super) fn attach_parts<'l>(
        &mut self,
        loader: &mut Loader<'l>,
        hook: &'l Prepared<'_>,
        failed: &[(Backend, String)],
    ) -> Result<Vec<LoadedHook>, KernelError> {
        for (backend, reason) in failed {
            tracing::debug!("policy `{}`: {backend}: {reason}; less at once", hook.policy);
        }
        let parts = self.divide(hook, hook.targets.len().div_ceil(PARTS))?;
        let mut attached = Vec::new();
        for part in hook.parts.get_or_init(|| parts) {
            attached.extend(self.attach_prepared(loader, part)?);
        }
        Ok(attached)
    }
}

impl Attached {
    /// Attaches one program to all functions, each with the id of its hook.
    pub(super) fn attach_to_many(
        &mut self,
        instance: &Instance,
        name: &'static str,
        hook: &Prepared<'_>,
        moment: Moment,
    ) -> Result<Link, KernelError> {
        let program = instance.code.as_ref().ok_or(KernelError::Missing(name))?.load(name)?;
        let functions: Vec<_> =
            hook.targets.iter().map(|target| target::function(target)).zip(self.id..).collect();
        let link = Link::on_many(name, program.as_fd(), &functions, moment)?;
        self.memory.add(program.as_fd())?;
        Ok(link)
    }
}
