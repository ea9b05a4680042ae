//! The event model: what the kernel saw, what it means, and its JSON form.
//!
//! Data passes through here twice. The kernel reader makes a [`Record`] of
//! every ring-buffer record: raw, in kernel terms, with a task instead of a
//! process. The process cache turns it into an [`Event`]: the thing plugins
//! see, sinks write and users read. This crate depends on no other crate of
//! serin and does no I/O.

pub mod action;
pub mod argument;
mod event;
pub mod field;
pub mod json;
pub mod kernel_object;
pub mod names;
pub mod network;
pub mod process;
pub mod record;
pub mod signal;
pub mod structure;

pub use event::{
    Alert, Annotation, Event, EventKind, Finding, Hook, Mapping, Place, PluginError, Probe, ProgramPlace,
    Severity, StackFrame,
};
pub use process::{Pod, Process};
pub use record::Record;
