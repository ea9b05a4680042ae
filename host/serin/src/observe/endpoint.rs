//! Where metrics, health and status are asked for.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// `unix:PATH`, or an address of this host with its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
            return Ok(Self::Unix(path.into()));
        }
        let address: SocketAddr = text.parse().map_err(|_| {
            format!(
                "`{text}` is no endpoint: write unix:PATH, or an address with its port like 127.0.0.1:2112"
            )
        })?;
        if !address.ip().is_loopback() {
            return Err(format!(
                "`{text}` can be reached by others, and asks for no password: write 127.0.0.1:{} and put a proxy \
                 in front of it",
                address.port()
            ));
        }
        Ok(Self::Tcp(address))
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}

/// A connection, whichever way.
pub(super) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// What accepts connections.
pub(super) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// The file of a UNIX socket, removed when dropped.
pub(super) struct SocketFile(PathBuf);

impl Listener {
    /// A UNIX socket is for root alone, and takes the place of one that nobody listens on any more.
    pub(super) fn bind(endpoint: &Endpoint) -> io::Result<(Self, Option<SocketFile>)> {
        match endpoint {
            Endpoint::Tcp(address) => Ok((Self::Tcp(TcpListener::bind(address)?), None)),
            Endpoint::Unix(path) => {
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                remove_stale(path)?;
                let listener = UnixListener::bind(path)?;
                fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
                Ok((Self::Unix(listener), Some(SocketFile(path.clone()))))
            }
        }
    }

    pub(super) fn accept(&self, patience: Duration) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))?;
                Ok(Box::new(stream))
            }
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))?;
                Ok(Box::new(stream))
            }
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // The next start removes it otherwise.
        let _ = fs::remove_file(&self.0);
    }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is no socket is there"));
    }
    if UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another agent listens there"));
    }
    fs::remove_file(path)
}

/// Connects to a running agent.
pub(super) fn connect(endpoint: &Endpoint, patience: Duration) -> io::Result<Box<dyn Stream>> {
    match endpoint {
        Endpoint::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(patience))?;
            Ok(Box::new(stream))
        }
        Endpoint::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, patience)?;
            stream.set_read_timeout(Some(patience))?;
            Ok(Box::new(stream))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn endpoints_stay_on_this_host() {
        for text in ["unix:/run/serin/metrics.sock", "127.0.0.1:2112", "[::1]:2112"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for (text, message) in [
            ("0.0.0.0:2112", "write 127.0.0.1:2112 and put a proxy"),
            (":2112", "is no endpoint: write unix:PATH"),
            ("unix:relative", "is no endpoint"),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_socket_takes_the_place_of_a_dead_one_only() {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::Unix(folder.path().join("new/metrics.sock"));
        let Endpoint::Unix(path) = &endpoint else { unreachable!() };
        let first = Listener::bind(&endpoint).unwrap();
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = Listener::bind(&endpoint).err().unwrap();
        assert!(error.to_string().contains("another agent listens there"), "{error}");
        drop(first);
        assert!(!path.exists());
        // Of an agent that was killed: there, and nobody listens.
        drop(UnixListener::bind(path).unwrap());
        Listener::bind(&endpoint).unwrap();
        fs::write(path, "text").unwrap();
        let error = Listener::bind(&endpoint).err().unwrap();
        assert!(error.to_string().contains("no socket"), "{error}");
    }
}
