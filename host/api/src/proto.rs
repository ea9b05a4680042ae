//! Package `tetragon`, and below [`serin`] package `serin.v1alpha1`: their messages, and here their services.
//!
//! The files below `proto/` are generated as `serin_message::proto` says.

pub use serin_message::proto::*;
pub use tetragon::*;

#[rustfmt::skip]
#[allow(missing_docs, clippy::all, clippy::allow_attributes_without_reason, unused_qualifications, reason = "generated")]
mod tetragon;

#[rustfmt::skip]
#[allow(missing_docs, clippy::all, clippy::allow_attributes_without_reason, unused_qualifications, reason = "generated")]
#[path = "proto/serin.v1alpha1.rs"]
mod own;

/// Package `serin.v1alpha1`.
pub mod serin {
    pub use serin_message::proto::serin::*;

    pub use super::own::*;
}
