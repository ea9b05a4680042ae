//! Events as protobuf messages in Tetragon's shape, as JSON, and expressions over them.
//!
//! The messages are what the API speaks; sinks use them where they filter as its clients do.

pub mod cel;
mod message;
pub mod proto;

pub use message::{json, plugins_json, policies_json, process_to_message, reflect, timestamp, to_message};
/// A message that can be looked at by the names of its fields.
pub use prost_reflect::DynamicMessage as Reflected;
