//! The process cache: gives every kernel record its process and parent.
//!
//! ```text
//! /proc ──scan──▶ Scanned ──bootstrap──▶ ┌──────────────┐
//!                                        │ ProcessCache │ ──▶ Event
//! ring buffer ───▶ Record ────apply────▶ └──────────────┘
//! ```
//! Attach the programs first, then scan, then apply the records that have come
//! in since: a process that starts in between is seen by one of the two.

mod cache;
mod census;
mod cgroup;
mod clock;
mod exec_id;
mod hook;
mod image;
mod pods;
mod scan;
mod stack;
mod table;

pub use cache::{Config, Counters, ProcessCache};
pub use census::{References, Remembered, references};
pub use clock::Clock;
pub use hook::{HookInfo, Hooks};
pub use pods::Pods;
pub use scan::{Scanned, binary, scan};
