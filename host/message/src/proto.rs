//! What `proto/` defines: package `tetragon`, and below [`serin`] package `serin.v1alpha1`.
//!
//! The files below `proto/` here are generated: change the .proto files, and then run
//! `cargo run --manifest-path host/message/generate/Cargo.toml`.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, EnumDescriptor, MessageDescriptor};

pub use tetragon::*;

#[rustfmt::skip]
#[allow(missing_docs, clippy::all, clippy::allow_attributes_without_reason, unused_qualifications, reason = "generated; see proto/ for what fields mean")]
mod tetragon;

#[rustfmt::skip]
#[path = "proto/serin.v1alpha1.rs"]
#[allow(missing_docs, clippy::all, clippy::allow_attributes_without_reason, unused_qualifications, reason = "generated; see proto/ for what fields mean")]
pub mod serin;

static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(include_bytes!("proto/descriptors.bin").as_slice()).ok());

/// The description of a message of package `tetragon`, by its name.
pub fn descriptor(name: &str) -> Option<MessageDescriptor> {
    message(&format!("tetragon.{name}"))
}

/// The description of a message, by its package and name.
pub(crate) fn message(name: &str) -> Option<MessageDescriptor> {
    POOL.as_ref()?.get_message_by_name(name)
}

/// The description of an enumeration of package `tetragon`, by its name.
pub fn enumeration(name: &str) -> Option<EnumDescriptor> {
    POOL.as_ref()?.get_enum_by_name(&format!("tetragon.{name}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::path::{Path, PathBuf};

    use sha2::{Digest, Sha256};

    fn files(folder: &Path) -> Vec<PathBuf> {
        let paths = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn what_is_generated_is_of_the_proto_files() {
        let mut files = files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/proto")));
        files.sort();
        let mut hash = Sha256::new();
        files.iter().for_each(|file| hash.update(fs::read(file).unwrap()));
        let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, include_str!("proto/sources.sha256"), "generate it anew: see proto.rs");
    }

    #[test]
    fn messages_are_known_by_name() {
        assert!(super::descriptor("GetEventsResponse").is_some());
        assert!(super::descriptor("Nothing").is_none());
    }
}
