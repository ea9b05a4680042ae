//! Serves the API on a thread of its own.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::transport::Server as Transport;

use crate::agent::Agent;
use crate::counted::{MAX_CONNECTIONS, counted};
use crate::hub::Hub;
use crate::incoming::Incoming;
use crate::listen::{self, Listen, Remote, ServeError};
use crate::proto::fine_guidance_sensors_server::FineGuidanceSensorsServer;
use crate::service::Service;

/// Calls that one connection may have under way at once.
const MAX_STREAMS: u32 = 128;
/// How long clients may take for what is left when the server ends.
const GRACE: Duration = Duration::from_secs(1);
/// How often a silent client over TCP is asked whether it is still there, and how long it may take to answer.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// The running server. Dropping it ends it and removes the socket.
#[derive(Debug)]
pub struct Server {
    socket: PathBuf,
    addresses: Vec<SocketAddr>,
    hub: Arc<Hub>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Makes the socket, with mode 0600, listens on the addresses, and serves until dropped.
    ///
    /// A directory that is missing is made, with mode 0700; a socket that nobody answers at is replaced.
    ///
    /// # Errors
    /// The socket can't be made or belongs to somebody else, an address can't be listened on, or the certificates are
    /// no good.
    pub fn start(to: &Listen, agent: Arc<dyn Agent>, hub: Arc<Hub>) -> Result<Self, ServeError> {
        // Before the socket, which an error after it would leave behind.
        let (transport, tcp) = to.remote.as_ref().map(remote).transpose()?.unzip();
        let tcp = tcp.unwrap_or_default();
        let addresses = tcp.iter().map(StdTcpListener::local_addr).collect::<Result<_, _>>();
        let addresses = addresses.map_err(ServeError::Start)?;
        let listeners = Listeners { unix: listen::unix(&to.socket)?, tcp, transport };
        let (stop, stopped) = oneshot::channel();
        let (report, started) = std::sync::mpsc::channel();
        let service = Arc::new(Service { agent, hub: Arc::clone(&hub) });
        let run = move || match listeners.enter() {
            Ok((runtime, listening)) => {
                let _ = report.send(Ok(()));
                runtime.block_on(listening.serve(&service, stopped));
                // A question to the agent that is under way ends by itself; nobody waits for its answer.
                runtime.shutdown_background();
            }
            Err(error) => {
                let _ = report.send(Err(error));
            }
        };
        let thread = std::thread::Builder::new().name("serin-api".into()).spawn(run);
        let thread = Some(thread.map_err(ServeError::Start)?);
        let server = Self { socket: to.socket.clone(), addresses, hub, stop: Some(stop), thread };
        let started = started.recv().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        started.map_err(ServeError::Start)?;
        Ok(server)
    }

    /// The addresses that it listens on, with the ports that the kernel chose where none was asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
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

/// What TCP is served with, and where.
fn remote(remote: &Remote) -> Result<(Transport, Vec<StdTcpListener>), ServeError> {
    let transport = transport()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .tls_config(remote.certificates.server()?);
    let certificate = &remote.certificates.certificate;
    let transport =
        transport.map_err(|source| ServeError::Tls { certificate: certificate.clone(), source })?;
    let listeners = remote.addresses.iter().map(|address| listen::tcp(*address));
    Ok((transport, listeners.collect::<Result<_, _>>()?))
}

fn transport() -> Transport {
    Transport::builder().max_concurrent_streams(MAX_STREAMS)
}

/// What is listened on, before there is a runtime.
struct Listeners {
    unix: StdUnixListener,
    tcp: Vec<StdTcpListener>,
    transport: Option<Transport>,
}

/// The same within a runtime.
struct Listening {
    unix: UnixListener,
    tcp: Vec<TcpListener>,
    transport: Option<Transport>,
}

impl Listeners {
    /// A runtime for this thread. It must not be made on a thread that has another, as the caller's may.
    fn enter(self) -> io::Result<(Runtime, Listening)> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let context = runtime.enter();
        let unix = UnixListener::from_std(self.unix)?;
        let tcp = self.tcp.into_iter().map(TcpListener::from_std).collect::<Result<_, _>>()?;
        drop(context);
        Ok((runtime, Listening { unix, tcp, transport: self.transport }))
    }
}

impl Listening {
    /// Serves everybody until told to stop, and then for as long as [`GRACE`] those who are still there.
    async fn serve(self, service: &Arc<Service>, stopped: oneshot::Receiver<()>) {
        let service = || FineGuidanceSensorsServer::from_arc(Arc::clone(service));
        let (stopping, stop) = watch::channel(());
        let graceful = move || {
            let mut stop = stop.clone();
            async move {
                // An error, as what it waits for is that the sender goes away.
                let _ = stop.changed().await;
            }
        };
        let mut serving = JoinSet::new();
        let unix = Incoming::new(UnixListenerStream::new(self.unix));
        serving.spawn(transport().serve_with_incoming_shutdown(service(), unix, graceful()));
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        for listener in self.tcp {
            let Some(transport) = self.transport.clone() else { break };
            let tcp = counted(TcpListenerStream::new(listener), Arc::clone(&places));
            serving.spawn(transport.serve_with_incoming_shutdown(service(), Incoming::new(tcp), graceful()));
        }
        tokio::select! {
            () = ended(&mut serving) => {}
            _ = stopped => {
                drop(stopping);
                let _ = tokio::time::timeout(GRACE, ended(&mut serving)).await;
            }
        }
    }
}

/// Waits until nothing is served any more.
async fn ended(serving: &mut JoinSet<Result<(), tonic::transport::Error>>) {
    while let Some(ended) = serving.join_next().await {
        if let Ok(Err(error)) = ended {
            tracing::error!("the API is not served any more: {error}");
        }
    }
}
