//! Certificates, their keys, and whom to trust: PEM files for TLS on both sides.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

/// How long the other side may take to prove who it is.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Bytes that a file of certificates may have.
const MAX_FILE: u64 = 1 << 20;

/// The files of one side of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Its certificate, and those between it and the authority.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// The authorities that must have signed the other side's certificate.
    pub authorities: PathBuf,
}

/// Why files can't be used for TLS.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It can't be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// It is no file of certificates.
    #[error("{} has {size} bytes; a file of certificates has at most {MAX_FILE}", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// Others than the key's owner and its group can get at it.
    #[error("others can read or change the private key {}: run `chmod 0600 {}`", .0.display(), .0.display())]
    Exposed(PathBuf),
    /// There is none of these in the file.
    #[error("there is no {what} in {}: it must be a PEM file", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What was sought.
        what: &'static str,
    },
}

/// What the files hold.
struct Loaded {
    identity: Identity,
    authorities: Certificate,
}

impl CertificateFiles {
    /// What a server shows to clients, which must show a certificate themselves.
    ///
    /// # Errors
    /// A file can't be read or holds something else, or others can read the key.
    pub(crate) fn server(&self) -> Result<ServerTlsConfig, CertificateError> {
        let Loaded { identity, authorities } = self.load()?;
        Ok(ServerTlsConfig::new().identity(identity).client_ca_root(authorities).timeout(HANDSHAKE))
    }

    /// What a client shows to the server, and whom it trusts.
    ///
    /// # Errors
    /// As [`CertificateFiles::server`].
    pub(crate) fn client(&self) -> Result<ClientTlsConfig, CertificateError> {
        let Loaded { identity, authorities } = self.load()?;
        Ok(ClientTlsConfig::new().identity(identity).ca_certificate(authorities).timeout(HANDSHAKE))
    }

    fn load(&self) -> Result<Loaded, CertificateError> {
        check_permissions(&self.key)?;
        let certificate = read(&self.certificate, "CERTIFICATE")?;
        let key = read(&self.key, "PRIVATE KEY")?;
        let authorities = read(&self.authorities, "CERTIFICATE")?;
        Ok(Loaded {
            identity: Identity::from_pem(certificate, key),
            authorities: Certificate::from_pem(authorities),
        })
    }
}

/// Whether the key is its owner's alone, or its group may read it.
fn check_permissions(key: &Path) -> Result<(), CertificateError> {
    let metadata =
        std::fs::metadata(key).map_err(|source| CertificateError::Read { path: key.into(), source })?;
    if metadata.permissions().mode() & 0o027 == 0 {
        return Ok(());
    }
    Err(CertificateError::Exposed(key.into()))
}

/// Reads a PEM file that must hold one of these at least.
fn read(path: &Path, what: &'static str) -> Result<String, CertificateError> {
    let failed = |source| CertificateError::Read { path: path.into(), source };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > MAX_FILE {
        return Err(CertificateError::TooLarge { path: path.into(), size });
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    // Keys say of which kind they are before it: `BEGIN EC PRIVATE KEY`.
    let begins = |line: &str| line.starts_with("-----BEGIN ") && line.ends_with(&format!("{what}-----"));
    if text.lines().any(|line| begins(line.trim_end())) {
        return Ok(text);
    }
    Err(CertificateError::Missing { path: path.into(), what })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs::Permissions;

    use super::*;

    #[test]
    fn refuses_what_is_no_certificate_and_keys_that_others_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key, missing] = ["a.pem", "a.key", "none.pem"].map(|name| folder.path().join(name));
        let block = |what: &str| format!("-----BEGIN {what}-----\nAA==\n-----END {what}-----\n");
        std::fs::write(&certificate, block("CERTIFICATE")).unwrap();
        std::fs::write(&key, block("EC PRIVATE KEY")).unwrap();
        let load = |certificate: &Path, authorities: &Path| {
            let (certificate, authorities) = (certificate.into(), authorities.into());
            let files = CertificateFiles { certificate, key: key.clone(), authorities };
            files.load().err().map(|error| error.to_string())
        };
        for (mode, refused) in [(0o600, false), (0o640, false), (0o644, true), (0o604, true), (0o660, true)] {
            std::fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
            let error = load(&certificate, &certificate);
            assert_eq!(error.is_some_and(|error| error.contains("chmod 0600")), refused, "{mode:o}");
        }
        std::fs::set_permissions(&key, Permissions::from_mode(0o400)).unwrap();
        let error = load(&key, &certificate).unwrap();
        assert!(error.starts_with("there is no CERTIFICATE in ") && error.contains("a.key"), "{error}");
        let error = load(&certificate, &missing).unwrap();
        assert!(error.starts_with("cannot read ") && error.contains("none.pem"), "{error}");
    }
}
