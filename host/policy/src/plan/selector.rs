//! Selectors.

use super::{ActionPlan, ArgumentFilter, BinaryFilter, IdentityFilter, PidFilter};
use crate::Scope;

/// One selector: its filters are AND-ed, then its actions are taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SelectorPlan {
    /// `label`: what it is called where selectors are counted; empty if it has none.
    pub label: String,
    /// `matchWorkloads`, and the policy's `podSelector`, `containerSelector`, `hostSelector` and namespace; all must hold.
    pub scopes: Vec<Scope>,
    /// `matchPIDs`; all must hold.
    pub pids: Vec<PidFilter>,
    /// `matchBinaries`; all must hold.
    pub binaries: Vec<BinaryFilter>,
    /// `matchParentBinaries`; all must hold.
    pub parent_binaries: Vec<BinaryFilter>,
    /// `matchNamespaces`, `matchCapabilities`, `matchCurrentCred` and the like; all must hold.
    pub identity: Vec<IdentityFilter>,
    /// `matchArgs`; all must hold.
    pub arguments: Vec<ArgumentFilter>,
    /// `matchReturnArgs`: what is returned, argument 0 of these, must pass all for the call to be reported.
    pub returned: Vec<ArgumentFilter>,
    /// What to do, in the policy's order. Never empty.
    pub actions: Vec<ActionPlan>,
    /// `matchReturnActions`: what to do when the call has returned and what it returned passes: `Post`, `NoPost`, signals, `GetUrl`
    /// and `DnsLookup`. Empty: the call is posted.
    pub return_actions: Vec<ActionPlan>,
    /// How often equal events are posted.
    pub rate_limit: Option<RateLimit>,
    /// The stacks that events carry.
    pub stacks: Stacks,
    /// `imaHash`: the file whose hash they carry.
    pub hash: Option<HashedFile>,
}

impl SelectorPlan {
    /// Whether any of its actions does something to the process or its call.
    #[must_use]
    pub fn enforces(&self) -> bool {
        self.actions.iter().chain(&self.return_actions).any(ActionPlan::enforces)
    }
}

/// What of an LSM hook's first parameter is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashedFile {
    /// Itself, a `struct file *`.
    Itself,
    /// The program's file, of a `struct linux_binprm *`.
    OfProgram,
}

/// `kernelStackTrace` and `userStackTrace`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stacks {
    /// How the kernel came to the hooked function.
    pub kernel: bool,
    /// How the program came to its call into the kernel.
    pub user: bool,
}

/// `rateLimit`: of events with equal arguments, one in a period is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The period, in nanoseconds.
    pub period: u64,
    /// Whose events are held against each other.
    pub scope: RateScope,
}

/// `rateLimitScope`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateScope {
    /// Those of a thread: the default.
    Thread,
    /// Those of a process.
    Process,
    /// Those of all processes.
    Global,
}
