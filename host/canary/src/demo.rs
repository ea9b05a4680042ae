//! Listeners on loopback that answer canaries and show them.
//!
//! They stand in for a canary service, so that a first run needs no account.
//! DNS over UDP answers 127.0.0.1 to every A query and nothing to others;
//! HTTP/1.1 answers 200 to everything.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use tokio::sync::oneshot;

use crate::config::DemoConfig;

mod dns;
mod http;

/// Hits that wait to be shown; those beyond are answered but not shown.
const MAX_HITS: usize = 256;

/// Why the listeners could not be started.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// An address could not be listened on.
    #[error(
        "the demo {listener} listener cannot listen on {address}: change `spec.canary.demo` or stop what uses it"
    )]
    Bind {
        /// `DNS` or `HTTP`.
        listener: &'static str,
        /// The address.
        address: SocketAddr,
        /// The reason.
        source: io::Error,
    },
    /// Their thread could not be started.
    #[error("cannot start the demo listeners")]
    Thread(#[source] io::Error),
}

/// A canary that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hit {
    /// A DNS query.
    Dns {
        /// Name asked for, with the final dot.
        name: String,
        /// Record type asked for, e.g. `A`.
        kind: String,
        /// Who asked.
        from: SocketAddr,
    },
    /// An HTTP request.
    Http {
        /// Method.
        method: String,
        /// Path and query.
        target: String,
        /// `Host` header.
        host: String,
        /// Who asked.
        from: SocketAddr,
    },
}

impl fmt::Display for Hit {
    /// What came over the network is escaped: it must not reach a terminal as it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns { name, kind, from } => {
                write!(f, "DNS {} {} from {from}", kind.escape_default(), name.escape_default())
            }
            Self::Http { method, target, host, from } => {
                let (method, host, target) =
                    (method.escape_default(), host.escape_default(), target.escape_default());
                write!(f, "HTTP {method} http://{host}{target} from {from}")
            }
        }
    }
}

/// The running listeners. They stop when it is dropped.
pub struct Demo {
    dns: SocketAddr,
    http: SocketAddr,
    hits: Receiver<Hit>,
    _stop: oneshot::Sender<()>,
}

impl Demo {
    /// Binds both addresses and starts answering on a thread of its own.
    ///
    /// # Errors
    /// An address is in use or not allowed, or no thread could be started.
    pub fn start(config: DemoConfig) -> Result<Self, DemoError> {
        let bind_error = |listener, address| move |source| DemoError::Bind { listener, address, source };
        let udp = UdpSocket::bind(config.dns).map_err(bind_error("DNS", config.dns))?;
        let tcp = TcpListener::bind(config.http).map_err(bind_error("HTTP", config.http))?;
        let (dns, http) = addresses(&udp, &tcp).map_err(DemoError::Thread)?;

        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(DemoError::Thread)?;
        let (sender, hits) = sync_channel(MAX_HITS);
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = async move {
            tokio::select! {
                result = listen(udp, tcp, sender) => {
                    if let Err(error) = result {
                        tracing::warn!(%error, "the demo listeners stopped");
                    }
                }
                _ = stopped => {}
            }
        };
        thread::Builder::new()
            .name("serin-demo".into())
            .spawn(move || runtime.block_on(serve))
            .map_err(DemoError::Thread)?;
        Ok(Self { dns, http, hits, _stop: stop })
    }

    /// Where DNS is answered.
    pub fn dns(&self) -> SocketAddr {
        self.dns
    }

    /// Where HTTP is answered.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// What arrived and was not yet taken from here.
    pub fn hits(&self) -> &Receiver<Hit> {
        &self.hits
    }
}

fn addresses(udp: &UdpSocket, tcp: &TcpListener) -> io::Result<(SocketAddr, SocketAddr)> {
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    Ok((udp.local_addr()?, tcp.local_addr()?))
}

async fn listen(udp: UdpSocket, tcp: TcpListener, hits: SyncSender<Hit>) -> io::Result<()> {
    let udp = tokio::net::UdpSocket::from_std(udp)?;
    let tcp = tokio::net::TcpListener::from_std(tcp)?;
    tokio::join!(dns::serve(udp, hits.clone()), http::serve(tcp, hits));
    Ok(())
}
