//! Whom TLS trusts: the authorities of the system, and those of a file.

mod refusal;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use serde::Deserializer;
use serin_config::scalar;

pub(crate) use self::refusal::Refusal;
use self::refusal::Remembering;

/// Bytes of a file of authorities.
const MAX_FILE: u64 = 1 << 20;

/// Why TLS can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file can't be read.
    #[error("cannot read {}, which `spec.canary.{field}` names", .path.display())]
    Read {
        /// The field that names it.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The file is too large.
    #[error("{}, which `spec.canary.{field}` names, has more than {MAX_FILE} bytes", .path.display())]
    TooLarge {
        /// The field that names it.
        field: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// It is no PEM file, or has no certificate.
    #[error(
        "there are no certificates in {}, which `spec.canary.{field}` names: it must be a PEM file of authorities",
        .path.display()
    )]
    NoCertificates {
        /// The field that names it.
        field: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// One of its certificates is broken.
    #[error("certificate {number} of {}, which `spec.canary.{field}` names, cannot be used", .path.display())]
    Certificate {
        /// The field that names it.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// Which, from 1.
        number: usize,
        /// The reason.
        source: rustls::Error,
    },
    /// Nobody to trust, most likely.
    #[error(
        "cannot set up TLS for `spec.canary.dns.resolver`: if the system has no authorities, name some in `dns.roots`"
    )]
    Setup(#[source] rustls::Error),
}

/// A path in the configuration.
pub(crate) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    scalar(deserializer, |text| {
        let path = PathBuf::from(text);
        if path.is_absolute() {
            return Ok(Some(path));
        }
        Err(format!("`{text}` is not an absolute path: write it from the root, like `/etc/serin/roots.pem`"))
    })
}

/// The authorities of a PEM file.
pub(crate) fn roots(path: &Path, field: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Read { field, path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
        return Err(TlsError::TooLarge { field, path: path.to_owned() });
    }
    let content = std::fs::read(path).map_err(failed)?;
    let certificates: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&content).collect();
    let certificates = certificates.unwrap_or_default();
    if certificates.is_empty() {
        return Err(TlsError::NoCertificates { field, path: path.to_owned() });
    }
    let mut store = RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        let unusable =
            |source| TlsError::Certificate { field, path: path.to_owned(), number: index + 1, source };
        store.add(certificate.clone()).map_err(unusable)?;
    }
    Ok(certificates)
}

/// A client that trusts the system's authorities and these, and what it refuses.
pub(crate) fn client(roots: Vec<CertificateDer<'static>>) -> Result<(ClientConfig, Refusal), TlsError> {
    let provider: Arc<CryptoProvider> = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider)).map_err(TlsError::Setup)?;
    let refusal = Refusal::default();
    let verifier = Arc::new(Remembering { verifier, refusal: refusal.clone() });
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Setup)?;
    let client = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    Ok((client, refusal))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn files_that_hold_no_authorities_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots.pem");
        let refused = || roots(&path, "dns.roots").unwrap_err().to_string();
        assert!(refused().starts_with("cannot read /"), "{}", refused());
        let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (content, needle) in [
            ("", "there are no certificates in /"),
            ("nonsense", "there are no certificates in /"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", "there are no certificates in /"),
            (junk, "certificate 1 of /"),
            (&" ".repeat((1 << 20) + 1), "has more than 1048576 bytes"),
        ] {
            std::fs::write(&path, content).unwrap();
            assert!(
                refused().contains(needle) && refused().contains("`spec.canary.dns.roots`"),
                "{}",
                refused()
            );
        }
    }
}
