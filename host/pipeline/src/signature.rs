//! Who vouches for a component.
//!
//! A signature is one of ed25519 (<https://www.rfc-editor.org/rfc/rfc8032>) over `serin plugin`, a zero byte and the
//! component's SHA-256. It stands beside the component, in a file of the same name and `.sig` behind it: a line for
//! each signer, with the public key and the signature.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serin_config::scalar;

use crate::digest::Digest;

const PREFIX: &str = "ed25519:";
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// Why something can't be signed, or a signature doesn't count.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// There is no signature.
    #[error("it is not signed: {} is missing", .0.display())]
    Missing(PathBuf),
    /// The signature can't be read.
    #[error("{} cannot be read: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file says something else than signatures do.
    #[error("{}:{line}: not a signature: a line is `ed25519:KEY SIGNATURE`", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// Others have signed it.
    #[error("it is signed by none of the trusted keys, but by {signers}")]
    Untrusted {
        /// Their keys.
        signers: String,
    },
    /// A trusted key's signature is wrong: it is of other bytes.
    #[error("the signature of {key} is not of this component: it was changed after it was signed")]
    Wrong {
        /// The key.
        key: PublicKey,
    },
    /// A private key is none.
    #[error(
        "not a private ed25519 key in PEM, as `serin plugin keygen` or `openssl genpkey -algorithm ed25519` make it"
    )]
    PrivateKey,
    /// The system has no randomness.
    #[error("no key can be made")]
    Random,
}

/// Whom to trust: written `ed25519:` and base64 of the 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let key = text.strip_prefix(PREFIX).and_then(|key| STANDARD.decode(key).ok());
        key.and_then(|key| key.try_into().ok()).map(Self).ok_or_else(|| {
            format!(
                "`{text}` is not a public key: write `{PREFIX}` and base64, as `serin plugin sign` prints it"
            )
        })
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, str::parse)
    }
}

/// `spec.trust`: what components must be signed by.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Trust {
    /// The keys of which each component needs one's signature.
    pub keys: Vec<PublicKey>,
}

/// Where a component's signatures are.
pub fn signature_file(component: &Path) -> PathBuf {
    let mut name = component.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

/// Finds the signature of one of the keys; gives the key.
///
/// # Errors
/// If there is none, or it is of other bytes.
pub fn verify(component: &Path, digest: &Digest, keys: &[PublicKey]) -> Result<PublicKey, SignatureError> {
    let path = signature_file(component);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(SignatureError::Missing(path));
        }
        Err(source) => return Err(SignatureError::Read { path, source }),
    };
    let mut signers = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let malformed = || SignatureError::Malformed { path: path.clone(), line: index + 1 };
        let (key, signature) = line.trim().split_once(' ').ok_or_else(malformed)?;
        let key: PublicKey = key.parse().map_err(|_| malformed())?;
        let signature = STANDARD.decode(signature).map_err(|_| malformed())?;
        if keys.contains(&key) {
            let verified = UnparsedPublicKey::new(&ED25519, key.0).verify(&message(digest), &signature);
            return verified.map(|()| key).map_err(|_| SignatureError::Wrong { key });
        }
        signers.push(key.to_string());
    }
    let signers = if signers.is_empty() { "nobody".to_owned() } else { signers.join(", ") };
    Err(SignatureError::Untrusted { signers })
}

/// What is signed.
fn message(digest: &Digest) -> Vec<u8> {
    [b"serin plugin\0", digest.as_bytes().as_slice()].concat()
}

/// A key to sign with.
pub struct SigningKey(Ed25519KeyPair);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey of {}", self.public())
    }
}

impl SigningKey {
    /// Makes a key; gives it as PEM.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn generate() -> Result<(Self, String), SignatureError> {
        let document =
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| SignatureError::Random)?;
        let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| SignatureError::Random)?;
        let encoded = STANDARD.encode(document.as_ref());
        let lines: Vec<&str> =
            encoded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap_or("")).collect();
        Ok((Self(key), format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", lines.join("\n"))))
    }

    /// Reads a key: PKCS#8 in PEM.
    ///
    /// # Errors
    /// If it is none.
    pub fn from_pem(text: &str) -> Result<Self, SignatureError> {
        let body = text.trim().strip_prefix(PEM_BEGIN).and_then(|rest| rest.strip_suffix(PEM_END));
        let body: String = body.ok_or(SignatureError::PrivateKey)?.split_whitespace().collect();
        let document = STANDARD.decode(body).map_err(|_| SignatureError::PrivateKey)?;
        Ed25519KeyPair::from_pkcs8(&document).map(Self).map_err(|_| SignatureError::PrivateKey)
    }

    /// The key that the signatures are verified with.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key().as_ref().try_into().unwrap_or_default())
    }

    /// The line that vouches for a component.
    pub fn sign(&self, digest: &Digest) -> String {
        format!("{} {}\n", self.public(), STANDARD.encode(self.0.sign(&message(digest))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// As `openssl genpkey -algorithm ed25519` made it, with the public key of `openssl pkey -pubout`.
    const OPENSSL: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";
    const OPENSSL_PUBLIC: &str = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    #[test]
    fn keys_are_read_as_they_are_written() {
        let (key, pem) = SigningKey::generate().unwrap();
        assert_eq!(SigningKey::from_pem(&pem).unwrap().public(), key.public());
        assert_eq!(key.public().to_string().parse(), Ok(key.public()));
        // The first test of RFC 8032.
        assert_eq!(SigningKey::from_pem(OPENSSL).unwrap().public().to_string(), OPENSSL_PUBLIC);
        assert!(matches!(SigningKey::from_pem("x"), Err(SignatureError::PrivateKey)));
        for text in ["", "ed25519:", "ed25519:AAAA", "rsa:AAAA"] {
            let error = text.parse::<PublicKey>().unwrap_err();
            assert!(error.starts_with(&format!("`{text}` is not a public key")), "{error}");
        }
    }

    #[test]
    fn only_a_trusted_key_that_signed_these_bytes_counts() {
        let folder = tempfile::tempdir().unwrap();
        let component = folder.path().join("x.wasm");
        let (ours, _) = SigningKey::generate().unwrap();
        let (theirs, _) = SigningKey::generate().unwrap();
        let (good, other) = (Digest::of(b"good"), Digest::of(b"other"));
        let verify = |signatures: Option<&str>| {
            let file = signature_file(&component);
            match signatures {
                Some(text) => std::fs::write(file, text).unwrap(),
                None => _ = std::fs::remove_file(file),
            }
            verify(&component, &good, &[ours.public()]).map_err(|error| error.to_string())
        };
        assert!(verify(None).unwrap_err().contains("it is not signed: "));
        assert_eq!(verify(Some(&ours.sign(&good))), Ok(ours.public()));
        assert_eq!(verify(Some(&(theirs.sign(&good) + &ours.sign(&good)))), Ok(ours.public()));
        let error = verify(Some(&theirs.sign(&good))).unwrap_err();
        assert_eq!(error, format!("it is signed by none of the trusted keys, but by {}", theirs.public()));
        assert!(verify(Some(&ours.sign(&other))).unwrap_err().contains("it was changed after it was signed"));
        let forged = theirs.sign(&good).replace(&theirs.public().to_string(), &ours.public().to_string());
        assert!(verify(Some(&forged)).unwrap_err().contains("it was changed after it was signed"));
        assert!(
            verify(Some("nonsense"))
                .unwrap_err()
                .ends_with("x.wasm.sig:1: not a signature: a line is `ed25519:KEY SIGNATURE`")
        );
        assert!(verify(Some("")).unwrap_err().ends_with("but by nobody"));
    }
}
