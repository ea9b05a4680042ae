//! Hook plans: what is left of a policy once it has been read and checked.
//!
//! Nothing behind a plan knows YAML. The loader turns each [`HookPlan`] into
//! read-only data and map contents of one instance of a kernel program.

mod action;
mod argument;
mod expression;
mod filter;
mod identity;
mod selector;

pub use action::{ActionPlan, AssignedValue, Assignment, ProgramOverride, SocketAction};
pub use argument::{ArgumentKind, ArgumentPlan, ArgumentSource, Register, Resolve};
pub use expression::{Expression, ExpressionOperator, ExpressionStep, IntegerType};
pub use filter::{
    ArgumentFilter, BinaryComparison, BinaryCondition, BinaryFilter, Membership, Part, PidFilter, Test,
};
pub use identity::{CapabilitySet, IdentityCondition, IdentityFilter, Namespace, NamespaceValue, UserId};
pub use selector::{HashedFile, RateLimit, RateScope, SelectorPlan, Stacks};

use std::collections::BTreeMap;

use crate::{Requirement, TraceEvent, Uprobe, Usdt};

/// A policy, lowered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyPlan {
    /// `metadata.name`.
    pub name: String,
    /// `policy-mode: monitor`: it starts without its enforcing actions, which a change of its mode brings.
    pub monitor: bool,
    /// `disable-kprobe-multi`: hooks on the functions of a list are attached one by one.
    pub one_by_one: bool,
    /// `nodeSelector`: what the labels of the host must be that the policy is for.
    pub nodes: Vec<Requirement>,
    /// The hooks, in the order of the file within each section.
    pub hooks: Vec<HookPlan>,
    /// What `NotifyEnforcer` has refused, each once.
    pub enforced: Vec<EnforcedCall>,
}

impl PolicyPlan {
    /// Whether it is for a host with these labels.
    #[must_use]
    pub fn is_for(&self, labels: &BTreeMap<String, String>) -> bool {
        self.nodes
            .iter()
            .all(|requirement| requirement.holds_for(labels.get(&requirement.key).map(String::as_str)))
    }
}

/// A call of the policy's enforcers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnforcedCall {
    /// The call: [`Target::Syscall`] or [`Target::CompatSyscall`]; or a [`Target::Function`] called `security_…`, where any
    /// system call is refused on its way.
    pub target: Target,
    /// It comes of a list that was generated: it is left out where the kernel lacks it.
    pub ignore_not_found: bool,
    /// Line and column (from 1) of the item of `calls` in the policy file, for errors at load time.
    pub position: (u32, u32),
}

/// One hook of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookPlan {
    /// Where to hook.
    pub target: Target,
    /// What to read, in the policy's order: `args`, then `data`.
    pub arguments: Vec<ArgumentPlan>,
    /// `returnArg`, if the hook waits for the return (`return: true`): an integer or a socket.
    pub returns: Option<ArgumentPlan>,
    /// `returnArgAction`: what is done with the socket that is returned.
    pub return_action: Option<SocketAction>,
    /// Tried in order; the first that matches acts. Never empty: a policy
    /// without selectors gets one that matches all and posts.
    pub selectors: Vec<SelectorPlan>,
    /// Text for the event; empty if none.
    pub message: String,
    /// Tags for the event.
    pub tags: Vec<String>,
    /// `ignore.callNotFound`: leave the hook out if the kernel has no such function.
    pub ignore_not_found: bool,
    /// Line and column (from 1) of the hook's `call` or symbol in the policy file, for errors at load time.
    pub position: (u32, u32),
}

impl HookPlan {
    /// How many of the arguments are entries of `data`: the last ones.
    #[must_use]
    pub fn data(&self) -> usize {
        self.arguments.iter().filter(|argument| argument.source != ArgumentSource::Parameter).count()
    }
}

/// Where a hook is attached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A kernel function, by its name in kallsyms: `fd_install`.
    Function(String),
    /// A system call, by its plain name: `symlinkat` (its function is `__x64_sys_symlinkat`).
    Syscall {
        /// Name without prefix.
        name: String,
        /// Number in the 64-bit table.
        number: u32,
    },
    /// A system call of 32-bit programs, by its plain name: `dup` (its function is `__ia32_sys_dup` or alike).
    CompatSyscall {
        /// Name without prefix.
        name: String,
        /// Number in the 32-bit table.
        number: u32,
    },
    /// An LSM hook, by its name in the kernel's `lsm_hook_defs.h`: `file_open`.
    Lsm(String),
    /// A tracepoint, whose arguments are the fields of its record.
    Tracepoint(TraceEvent),
    /// A tracepoint, whose arguments are those that the kernel calls it with.
    RawTracepoint(TraceEvent),
    /// A place in a program or library.
    Uprobe(Uprobe),
    /// A probe that a program or library has been given, wherever it is in it.
    Usdt(Usdt),
    /// `spec.loader`: wherever a process maps a file to execute it. Without arguments, and all of it is posted.
    Loader,
}

impl HookPlan {
    /// Whether any of its selectors does something to the process or its call.
    #[must_use]
    pub fn enforces(&self) -> bool {
        self.selectors.iter().any(SelectorPlan::enforces)
    }
}
