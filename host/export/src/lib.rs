//! Writes events to their sinks.
