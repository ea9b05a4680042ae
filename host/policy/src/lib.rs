//! Tracing policies: parsed once, checked, and lowered to hook plans.

mod plan;

pub use plan::{
    ActionPlan, ArgumentFilter, ArgumentKind, ArgumentPlan, BinaryFilter, HookPlan, Membership, PidFilter,
    PolicyPlan, SelectorPlan, Target, Test,
};

/// Longest path, in bytes, that `matchBinaries` can name: the kernel keeps a
/// process's binary in a key of this size.
pub const MAX_BINARY_PATH: usize = 255;
