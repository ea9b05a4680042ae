//! Tracing policies: parsed once, checked, and lowered to hook plans.
//!
//! [`load`] reads Tetragon's `TracingPolicy` YAML; what serin does not support
//! yet is refused by name, never ignored. [`Policy::check`] holds a policy
//! against a kernel's type information. Nothing behind [`Policy::plan`] knows YAML.

mod action;
mod argument;
mod binary;
mod capability;
mod check;
mod data;
mod describe;
mod descriptor;
mod diagnostic;
mod digest;
mod enforcer;
mod error;
mod expression;
mod fields;
mod format;
mod hash;
mod hook;
mod identity;
mod integer;
mod kernel;
mod lists;
mod load;
mod loader;
mod macros;
mod options;
mod override_in_program;
mod part;
mod place;
mod plan;
mod policy;
mod program;
mod rate;
mod record;
mod reference;
mod register;
mod report;
mod resolve;
mod return_action;
mod returned;
mod scalar;
mod schema;
mod scope;
mod selector;
mod socket;
mod source;
mod stack;
mod suggest;
mod syscall;
mod tracepoint;
mod tree;
mod uprobe;
mod usdt;
mod warn;

pub use describe::{explain, json_schema};
pub use diagnostic::Diagnostic;
pub use digest::{Digest, DigestAlgorithm};
pub use error::{Error, Errors};
pub use kernel::{Findings, TargetKernel};
pub use load::{load, load_for, parse_files, read_files};
pub use place::{ProbeArgument, ProgramPlace, TraceEvent, Uprobe, Usdt};
pub use plan::{
    ActionPlan, ArgumentFilter, ArgumentKind, ArgumentPlan, ArgumentSource, AssignedValue, Assignment,
    BinaryComparison, BinaryCondition, BinaryFilter, CapabilitySet, EnforcedCall, Expression,
    ExpressionOperator, ExpressionStep, HashedFile, HookPlan, IdentityCondition, IdentityFilter, IntegerType,
    Membership, Namespace, NamespaceValue, Part, PidFilter, PolicyPlan, ProgramOverride, RateLimit,
    RateScope, Register, Resolve, SelectorPlan, SocketAction, Stacks, Target, Test, UserId,
};
pub use policy::Policy;
pub use program::PlaceError;
pub use reference::reference;
pub use scope::{ContainerScope, Description, LabelOperator, Requirement, Scope};

/// Largest policy file, in bytes.
pub const MAX_FILE_SIZE: usize = 1 << 20;

/// Deepest nesting of lists and mappings in a policy file; the schema needs 9.
pub const MAX_DEPTH: usize = 32;

/// Most values in a policy file, with its aliases expanded.
pub const MAX_NODES: usize = 200_000;

/// Most text in a policy file, in bytes, with its aliases expanded.
pub const MAX_TEXT: usize = 4 << 20;

/// Most errors that are shown for a policy file; the rest are counted.
pub const MAX_ERRORS: usize = 100;

/// Highest parameter that can be read: x86_64 passes the first six in registers.
pub const MAX_ARGUMENT_INDEX: u8 = 5;

/// Highest argument of a USDT probe: they have at most 12.
pub const MAX_PROBE_INDEX: u8 = 11;

/// Highest field of a tracepoint's record that can be read; those of the kernel have a few dozen at most.
pub const MAX_FIELD_INDEX: u8 = 127;

/// Most elements of a path of `resolve`: `MaxBTFArgDepth` of Tetragon.
pub const MAX_RESOLVE: usize = 10;

/// Marks the number of a system call as one of 32-bit programs, which mean other calls by their numbers.
///
/// <https://github.com/cilium/tetragon/blob/main/pkg/sensors/tracing/lists_linux.go>
pub const COMPAT_BIT: u32 = 1 << 31;

/// Most functions that a pattern stands for.
pub const MAX_GENERATED: usize = 256;

/// Most registers that an `Override` sets (`argRegs`): `REGS_MAX` of Tetragon.
pub const MAX_ASSIGNMENTS: usize = 18;

/// Longest `message`, in bytes.
pub const MAX_MESSAGE: usize = 256;

/// Most `tags` of a hook.
pub const MAX_TAGS: usize = 16;

/// Longest tag, in bytes.
pub const MAX_TAG: usize = 128;

/// Longest value that a string or path is compared with, in bytes: `PATH_MAX` without its NUL.
pub const MAX_VALUE: usize = 4095;

/// Longest value of `SubString`, in bytes.
pub const MAX_SUBSTRING: usize = 1024;

/// Most numbers, arguments and operators of an expression; a hook can have as many over all its expressions.
pub const MAX_EXPRESSION_STEPS: usize = 256;

/// Most values of an expression that wait to be used.
pub const MAX_EXPRESSION_VALUES: usize = 16;

/// Longest `argUrl`, in bytes.
pub const MAX_URL: usize = 2048;
