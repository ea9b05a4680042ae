//! Loads and attaches the eBPF programs and reads their records.
//!
//! [`Kernel`] owns everything that is in the kernel on the agent's behalf:
//! dropping it detaches all programs and removes all pins. It is filled in
//! this order, so that no process is missed and none is taken for another:
//!
//! 1. [`Kernel::open`] takes the bpffs directory for itself, resolves the
//!    kernel's offsets and probes what the kernel offers.
//! 2. [`Kernel::name_binaries`] tells the exec program which binaries policies ask for.
//! 3. [`Kernel::attach_processes`] starts exec, fork and exit records.
//! 4. [`Kernel::add_processes`] adds the processes that were there before.
//! 5. [`Kernel::attach_policies`] attaches the hooks.
//!
//! [`Reader`] then gives the records in order. Policies may come and go while it
//! does: [`Kernel::classify_again`] holds running processes against their filters on
//! binaries, [`Kernel::plan_hooks`] says the ids before the first record can come,
//! [`Kernel::detach_hooks`] takes hooks out again.

mod attach;
mod backend;
mod binaries;
mod bpf;
mod bpffs;
mod calls;
mod capabilities;
mod code;
mod conflict;
mod counters;
mod decode;
mod deny;
mod detach;
mod detacher;
mod digests;
mod dispatch;
mod enforcers;
mod error;
mod executable;
mod identity;
mod kernel;
mod kprobe_multi;
mod link;
mod loss;
mod lower;
mod mappings;
mod memory;
mod network;
mod offsets;
mod pclntab;
mod perf_event;
mod policies;
mod probe;
mod processes;
mod programs;
mod reader;
mod record;
mod scopes;
mod structures;
mod target;
mod text;
mod uprobe;
mod usdt;
mod ways;
mod wire;
mod workloads;

pub use backend::{Backend, Enforcement};
pub use binaries::{ExistingProcess, NewFilters};
pub use counters::{HookCount, KernelCount, SelectorCount};
pub use digests::verify_program;
pub use enforcers::LoadedCalls;
pub use error::{AttemptError, KernelError};
pub use executable::find_place;
pub use kernel::{Kernel, KernelConfig};
pub use policies::{LoadedHook, LoadedPolicy, PlannedHook};
pub use probe::{Probe, writes_to_programs};
pub use reader::Reader;
pub use usdt::find_probe;
pub use ways::Way;
