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
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::transport::Server as Transport;

use crate::agent::Agent;
use crate::counted::{MAX_CONNECTIONS, counted};
use crate::hub::Hub;
use crate::incoming::Incoming;
use crate::listen::{self, Listen, Remote, ServeError};
use crate::renewal::{self, Renewal};
use crate::service::Service;
use crate::services::Services;
use crate::transport;

/// How long clients may take for what is left when the server ends.
const GRACE: Duration = Duration::from_secs(1);

/// The running server. Dropping it ends it and removes the socket.
#[derive(Debug)]
pub struct Server {
    socket: PathBuf,
    addresses: Vec<SocketAddr>,
    hub: Arc<Hub>,
    stop: Option<oneshot::Sender<()>>,
    renew: UnboundedSender<()>,
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
        let renewal = to.remote.clone().map(Renewal::new);
        let listeners = Listeners { unix: listen::unix(&to.socket)?, tcp, transport, renewal };
        let (stop, stopped) = oneshot::channel();
        let (renew, asked) = unbounded_channel();
        let (report, started) = std::sync::mpsc::channel();
        let service = Arc::new(Service { agent, hub: Arc::clone(&hub) });
        let run = move || match listeners.enter() {
            Ok((runtime, listening)) => {
                let _ = report.send(Ok(()));
                runtime.block_on(listening.serve(&service, stopped, asked));
                // A question to the agent that is under way ends by itself; nobody waits for its answer.
                runtime.shutdown_background();
            }
            Err(error) => {
                let _ = report.send(Err(error));
            }
        };
        let thread = std::thread::Builder::new().name("serin-api".into()).spawn(run);
        let thread = Some(thread.map_err(ServeError::Start)?);
        let server = Self { socket: to.socket.clone(), addresses, hub, stop: Some(stop), renew, thread };
        let started = started.recv().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        started.map_err(ServeError::Start)?;
        Ok(server)
    }

    /// Reads the certificates again, as is done anyway a little after they have changed.
    ///
    /// New connections then get the new ones. Clients who are connected are asked to connect again for their next call;
    /// the events that they follow go on. Files that are no good are told about, and change nothing.
    pub fn renew(&self) {
        // The thread is there as long as this is.
        let _ = self.renew.send(());
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
    let transport = transport::secured(remote)?;
    let listeners = remote.addresses.iter().map(|address| listen::tcp(*address));
    Ok((transport, listeners.collect::<Result<_, _>>()?))
}

/// What is listened on, before there is a runtime.
struct Listeners {
    unix: StdUnixListener,
    tcp: Vec<StdTcpListener>,
    transport: Option<Transport>,
    renewal: Option<Renewal>,
}

/// The same within a runtime.
struct Listening {
    unix: UnixListener,
    tcp: Vec<StdTcpListener>,
    transport: Option<Transport>,
    renewal: Option<Renewal>,
}

impl Listeners {
    /// A runtime for this thread. It must not be made on a thread that has another, as the caller's may.
    fn enter(self) -> io::Result<(Runtime, Listening)> {
        let Self { unix, tcp, transport, renewal } = self;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let context = runtime.enter();
        let unix = UnixListener::from_std(unix)?;
        drop(context);
        Ok((runtime, Listening { unix, tcp, transport, renewal }))
    }
}

impl Listening {
    /// Serves everybody until told to stop, and then for as long as [`GRACE`] those who are still there.
    async fn serve(
        self,
        service: &Arc<Service>,
        mut stopped: oneshot::Receiver<()>,
        mut asked: UnboundedReceiver<()>,
    ) {
        let Self { unix, tcp, transport: first, mut renewal } = self;
        let mut serving = JoinSet::new();
        let unix = Incoming::new(UnixListenerStream::new(unix));
        let (stopping, stop) = watch::channel(());
        let local = Services::new(service);
        serving.spawn(transport::plain().serve_with_incoming_shutdown(local, unix, gone(stop)));
        let secured = Secured { tcp, places: Arc::new(Semaphore::new(MAX_CONNECTIONS)) };
        let mut current = first.map(|first| secured.serve(first, service, &mut serving));
        let mut ticks = interval(renewal::INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                () = ended(&mut serving) => return,
                _ = &mut stopped => break,
                Some(()) = asked.recv() => true,
                _ = ticks.tick(), if renewal.is_some() => false,
            };
            if let Some(next) = renewal.as_mut().and_then(|renewal| renewal.next(asked)) {
                current = Some(secured.serve(next, service, &mut serving));
            }
        }
        drop((stopping, current));
        let _ = tokio::time::timeout(GRACE, ended(&mut serving)).await;
    }
}

/// Addresses for clients with certificates.
struct Secured {
    tcp: Vec<StdTcpListener>,
    places: Arc<Semaphore>,
}

impl Secured {
    /// Serves whoever connects from now on in this way, until what it returns is dropped: then those who are connected
    /// finish what they have begun.
    fn serve(
        &self,
        transport: Transport,
        service: &Arc<Service>,
        serving: &mut JoinSet<Result<(), tonic::transport::Error>>,
    ) -> watch::Sender<()> {
        let (current, until) = watch::channel(());
        for listener in &self.tcp {
            let listener = listener.try_clone().and_then(TcpListener::from_std);
            let listener = match listener {
                Ok(listener) => TcpListenerStream::new(listener),
                Err(error) => {
                    tracing::error!("the API is not served over TCP any more: {error}");
                    continue;
                }
            };
            let tcp = Incoming::new(counted(listener, Arc::clone(&self.places)));
            let service = Services::new(service);
            serving.spawn(transport.clone().serve_with_incoming_shutdown(service, tcp, gone(until.clone())));
        }
        current
    }
}

/// Waits until the sender goes away.
async fn gone(mut receiver: watch::Receiver<()>) {
    // An error, as nothing is ever sent.
    let _ = receiver.changed().await;
}

/// Waits until nothing is served any more.
async fn ended(serving: &mut JoinSet<Result<(), tonic::transport::Error>>) {
    while let Some(ended) = serving.join_next().await {
        if let Ok(Err(error)) = ended {
            tracing::error!("the API is not served any more: {error}");
        }
    }
}
