//! Generates the API's messages, for `host/message`, and its services, for `host/api`:
//! `cargo run --manifest-path host/message/generate/Cargo.toml`.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;
use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    let message = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (protos, out) = (message.join("proto"), message.join("src/proto"));
    let descriptors = protox::compile(["tetragon/sensors.proto", "serin/v1alpha1/agent.proto"], [&protos])?;
    // For what looks at messages by the names of their fields: JSON, field filters, expressions.
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let messages = tonic_prost_build::configure().build_client(false).build_server(false);
    messages.out_dir(&out).compile_fds(descriptors.clone())?;
    let services = tonic_prost_build::configure()
        .extern_path(".tetragon", "::serin_message::proto")
        .extern_path(".serin.v1alpha1", "::serin_message::proto::serin");
    services.out_dir(message.join("../api/src/proto")).compile_fds(descriptors)?;
    fs::write(out.join("sources.sha256"), digest(&protos)?)?;
    Ok(())
}

/// Of the .proto files in the order of their paths; a test of the crate compares it.
fn digest(folder: &Path) -> Result<String, Box<dyn Error>> {
    let mut files = files(folder)?;
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(fs::read(file)?);
    }
    let mut text = String::new();
    for byte in hash.finalize() {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}

/// All files below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.append(&mut files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}
