//! Generates the API's messages, for `host/message`, and its service, for `host/api`:
//! `cargo run --manifest-path host/message/generate/Cargo.toml`.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use prost::Message;
use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    let message = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (protos, out) = (message.join("proto"), message.join("src/proto"));
    let descriptors = protox::compile(["tetragon/sensors.proto"], [&protos])?;
    // For what looks at messages by the names of their fields: JSON, field filters, expressions.
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let messages = tonic_prost_build::configure().build_client(false).build_server(false);
    messages.out_dir(&out).compile_fds(descriptors.clone())?;
    let service = tonic_prost_build::configure().extern_path(".tetragon", "::serin_message::proto");
    service.out_dir(message.join("../api/src/proto")).compile_fds(descriptors)?;
    fs::write(out.join("sources.sha256"), digest(&protos.join("tetragon"))?)?;
    Ok(())
}

/// Of the .proto files in the order of their names; a test of the crate compares it.
fn digest(folder: &Path) -> Result<String, Box<dyn Error>> {
    let mut files =
        fs::read_dir(folder)?.map(|file| Ok(file?.path())).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
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
