//! Writes events to their sinks.
//!
//! The [`Exporter`] turns a batch into lines, once for each format that is in
//! use, and hands them to every [`Sink`]. A sink that fails loses the batch,
//! which is counted and reported, and the others get it all the same.

mod compact;
mod config;
mod exporter;
mod lines;
mod sink;

pub use config::{Format, SinkConfig};
pub use exporter::{Closed, Counters, Exporter};
pub use sink::{OpenError, Sink, Unwritten, open};
