//! Serves the API over a UNIX socket, on a thread of its own.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server as Transport;

use crate::agent::Agent;
use crate::hub::Hub;
use crate::proto::fine_guidance_sensors_server::FineGuidanceSensorsServer;
use crate::service::Service;

/// Calls that one connection may have under way at once.
const MAX_STREAMS: u32 = 128;
/// How long clients may take for what is left when the server ends.
const GRACE: Duration = Duration::from_secs(1);

/// The running server. Dropping it ends it and removes the socket.
#[derive(Debug)]
pub struct Server {
    socket: PathBuf,
    hub: Arc<Hub>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
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
    /// No thread, or no epoll instance.
    #[error("the API can't be started")]
    Start(#[source] io::Error),
}

impl Server {
    /// Makes the socket, with mode 0600, and serves until dropped.
    ///
    /// A directory that is missing is made, with mode 0700; a socket that nobody answers at is replaced.
    ///
    /// # Errors
    /// The socket can't be made, or belongs to somebody else.
    pub fn start(socket: &Path, agent: Arc<dyn Agent>, hub: Arc<Hub>) -> Result<Self, ServeError> {
        let listener = listen(socket)?;
        let (stop, stopped) = oneshot::channel();
        let (report, started) = std::sync::mpsc::channel();
        let service = Service { agent, hub: Arc::clone(&hub) };
        let run = move || match enter(listener) {
            Ok((runtime, listener)) => {
                let _ = report.send(Ok(()));
                serve(runtime, service, listener, stopped);
            }
            Err(error) => {
                let _ = report.send(Err(error));
            }
        };
        let thread = std::thread::Builder::new().name("serin-api".into()).spawn(run);
        let thread = Some(thread.map_err(ServeError::Start)?);
        let server = Self { socket: socket.into(), hub, stop: Some(stop), thread };
        let started = started.recv().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        started.map_err(ServeError::Start)?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
        self.hub.close();
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A runtime for this thread. It must not be made on a thread that has another, as the caller's may.
fn enter(listener: StdListener) -> io::Result<(Runtime, UnixListener)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    listener.set_nonblocking(true)?;
    let context = runtime.enter();
    let listener = UnixListener::from_std(listener)?;
    drop(context);
    Ok((runtime, listener))
}

fn serve(runtime: Runtime, service: Service, listener: UnixListener, stopped: oneshot::Receiver<()>) {
    let (stopping, graceful) = oneshot::channel::<()>();
    runtime.block_on(async {
        let serving = Transport::builder().max_concurrent_streams(MAX_STREAMS).serve_with_incoming_shutdown(
            FineGuidanceSensorsServer::new(service),
            UnixListenerStream::new(listener),
            async {
                let _ = graceful.await;
            },
        );
        let mut serving = std::pin::pin!(serving);
        let ended = tokio::select! {
            ended = &mut serving => ended,
            _ = stopped => {
                drop(stopping);
                tokio::time::timeout(GRACE, serving).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::error!("the API is not served any more: {error}");
        }
    });
    // A question to the agent that is under way ends by itself; nobody waits for its answer.
    runtime.shutdown_background();
}

fn listen(path: &Path) -> Result<StdListener, ServeError> {
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
    let listener = StdListener::bind(&unready).map_err(failed)?;
    let placed = fs::set_permissions(&unready, Permissions::from_mode(0o600))
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
