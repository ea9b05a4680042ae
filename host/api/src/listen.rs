//! Where the API is served: a UNIX socket, and addresses for clients with certificates.

use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::certificates::{CertificateError, CertificateFiles};

/// Where to serve the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Path of a UNIX socket for the agent's user alone.
    pub socket: PathBuf,
    /// TCP, for clients with certificates.
    pub remote: Option<Remote>,
}

/// TCP with certificates on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Addresses to listen on.
    pub addresses: Vec<SocketAddr>,
    /// The server's certificate, and whom clients' must be signed by.
    pub certificates: CertificateFiles,
}

/// Why the API can't be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Somebody answers at the socket.
    #[error("the API socket {} belongs to another process: stop it, or choose another path", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket is in the way.
    #[error("the API socket {} can't be made: there is something else at this path", .0.display())]
    NotASocket(PathBuf),
    /// The path is no good, or the directory can't be written to.
    #[error("the API socket {} can't be made", .path.display())]
    Socket {
        /// The socket's path.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// The address is another host's, or in use.
    #[error("the API can't listen on {address}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the kernel says.
        source: io::Error,
    },
    /// The files are no good.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The files can be read, but do not belong together, or hold nonsense.
    #[error("the API can't use the certificate {} with its key and authorities", .certificate.display())]
    Tls {
        /// The server's certificate.
        certificate: PathBuf,
        /// What rustls says.
        source: tonic::transport::Error,
    },
    /// No thread, or no epoll instance.
    #[error("the API can't be started")]
    Start(#[source] io::Error),
}

/// Makes a UNIX socket of mode 0600. A directory that is missing is made, with mode 0700.
pub(crate) fn unix(path: &Path) -> Result<UnixListener, ServeError> {
    let failed = |source| ServeError::Socket { path: path.into(), source };
    check_free(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    if !folder.as_os_str().is_empty() && !folder.exists() {
        fs::create_dir_all(folder).map_err(failed)?;
        fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(failed)?;
    }
    // It appears at its path with its mode, and takes the place of one that was left behind.
    let mut unready = path.as_os_str().to_owned();
    unready.push(format!(".{}", std::process::id()));
    let _ = fs::remove_file(&unready);
    let listener = UnixListener::bind(&unready).map_err(failed)?;
    let placed = fs::set_permissions(&unready, Permissions::from_mode(0o600))
        .and_then(|()| listener.set_nonblocking(true))
        .and_then(|()| fs::rename(&unready, path));
    if let Err(error) = placed {
        let _ = fs::remove_file(&unready);
        return Err(failed(error));
    }
    Ok(listener)
}

/// Whether nobody answers at this path, and nothing but a socket is there.
fn check_free(path: &Path) -> Result<(), ServeError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(ServeError::Socket { path: path.into(), source }),
        Ok(found) if !found.file_type().is_socket() => Err(ServeError::NotASocket(path.into())),
        Ok(_) if UnixStream::connect(path).is_ok() => Err(ServeError::InUse(path.into())),
        Ok(_) => Ok(()),
    }
}

/// Listens on an address.
pub(crate) fn tcp(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let failed = |source| ServeError::Address { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}
