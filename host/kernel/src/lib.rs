//! Loads and attaches the eBPF programs and reads their records.
