//! Runs batches of events through a chain of sandboxed Wasm components.
