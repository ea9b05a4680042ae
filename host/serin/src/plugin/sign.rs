//! `serin plugin keygen`, `sign` and `verify`.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use serin_pipeline::{Digest, PublicKey, SigningKey, signature_file, verify as verify_signature};

/// Makes a key, in a file that nobody else can read.
pub(crate) fn keygen(path: &Path) -> Result<()> {
    let (key, pem) = SigningKey::generate()?;
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(pem.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}", key.public());
    Ok(())
}

/// Signs a component; signatures of other keys stay.
pub(crate) fn sign(component: &Path, key: &Path) -> Result<()> {
    let pem = std::fs::read_to_string(key).with_context(|| format!("cannot read {}", key.display()))?;
    let key = SigningKey::from_pem(&pem).with_context(|| key.display().to_string())?;
    let path = signature_file(component);
    let own = key.public().to_string();
    let others = std::fs::read_to_string(&path).unwrap_or_default();
    let mut text: String =
        others.lines().filter(|line| !line.starts_with(&own)).map(|line| format!("{line}\n")).collect();
    text.push_str(&key.sign(&digest(component)?));
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{} is signed by {own}", component.display());
    Ok(())
}

/// Says whose signature a component has.
///
/// # Errors
/// If it has none of these keys.
pub(crate) fn verify(component: &Path, keys: &[PublicKey]) -> Result<()> {
    let key = verify_signature(component, &digest(component)?, keys)
        .with_context(|| component.display().to_string())?;
    println!("{} is signed by {key}", component.display());
    Ok(())
}

fn digest(component: &Path) -> Result<Digest> {
    let bytes = std::fs::read(component).with_context(|| format!("cannot read {}", component.display()))?;
    Ok(Digest::of(&bytes))
}
