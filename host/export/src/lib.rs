//! Writes events to their sinks.
//!
//! ```text
//! Exporter ─▶ Queue ─▶ SinkThread: Encoder (filter, fields, format) ─▶ Batch ─▶ Sink
//!                  └─▶ StoringThread: Encoder ─▶ Batch ─▶ Spool ─▶ DeliveryThread ─▶ Peer
//! ```
//!
//! The [`Exporter`] shares a batch of events with the queue of every sink. Each
//! sink has a thread of its own, so that one that is slow or fails holds up no
//! other; what to do when its queue is full, its configuration says. A sink
//! that fails says what it lost, and gets the rest again later. Before a server
//! that acknowledges there can be a spool, in which events outlast the agent.
//!
//! Beside the events, a [`Tracer`] sends traces of how batches passed the pipeline.

mod batch;
mod compact;
mod config;
mod delivery;
mod exporter;
mod fields;
mod file;
mod filter;
mod http;
mod lines;
mod otlp;
mod output;
mod peer;
mod post;
mod pretty;
mod queue;
mod records;
mod redact;
mod sink;
mod spool;
mod stdout;
mod storing;
mod syslog;
#[cfg(test)]
mod testing;
mod thread;
mod traces;
mod weight;

pub use batch::Batch;
pub use compact::compact;
pub use config::{
    DEFAULT_QUEUE, Facility, FileConfig, Format, HttpConfig, Rotation, SampleShare, SinkConfig, SinkKind,
    SpoolConfig, Sync, SyslogAddress, SyslogConfig, TracesConfig,
};
pub use exporter::{Closed, Exporter, Monitor};
pub use fields::FieldFilter;
pub use filter::{EventFilter, Filter};
pub use output::{Counters, State};
pub use queue::Overflow;
pub use redact::Redaction;
pub use sink::{OpenError, Sink, Unwritten};
pub use spool::{SpoolCounters, SpoolError};
pub use traces::{
    Attribute, SpanContext, SpanFields, SpanKind, Spans, Trace, TraceCounters, TraceMonitor, Tracer,
};
