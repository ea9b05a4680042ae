//! What the kernel programs have counted, by the id of their hook.

use serin_kernel::{HookCount, Kernel, KernelError, SelectorCount};

/// The counters of all hooks at one time.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    hooks: Vec<(u32, HookCount)>,
    selectors: Vec<(u32, Vec<SelectorCount>)>,
}

impl Counts {
    /// Reads them.
    ///
    /// # Errors
    /// The kernel's maps can't be read.
    pub(crate) fn read(kernel: &Kernel) -> Result<Self, KernelError> {
        Ok(Self { hooks: kernel.hook_counts()?, selectors: kernel.selector_counts()? })
    }

    /// A hook's.
    pub(crate) fn hook(&self, id: u32) -> HookCount {
        self.hooks.iter().find(|(other, _)| *other == id).map(|(_, count)| *count).unwrap_or_default()
    }

    /// Those of a hook's selectors, in the policy's order; nothing for all but the first of hooks that share a program.
    pub(crate) fn selectors(&self, id: u32) -> &[SelectorCount] {
        self.selectors.iter().find(|(other, _)| *other == id).map_or(&[], |(_, counts)| counts)
    }

    /// Every hook's.
    pub(crate) fn hooks(&self) -> impl Iterator<Item = HookCount> + '_ {
        self.hooks.iter().map(|(_, count)| *count)
    }
}
