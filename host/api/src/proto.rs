//! Package `tetragon`: its messages, and here its service.
//!
//! The file below `proto/` is generated as `serin_message::proto` says.

pub use serin_message::proto::*;
pub use tetragon::*;

#[rustfmt::skip]
#[allow(missing_docs, clippy::all, clippy::allow_attributes_without_reason, unused_qualifications, reason = "generated")]
mod tetragon;
