//! The sink `syslog`: RFC 5424.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::io::Errno;
use serin_event::{Event, Severity, json};

use crate::batch::Batch;
use crate::config::{SyslogAddress, SyslogConfig};
use crate::sink::{Sink, Unwritten};
use crate::weight::weight;

/// How long to connect, and how long one message may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much is sent by TCP at once.
const CHUNK: usize = 64 << 10;
/// The longest that RFC 5424 allows in a host name.
const MAX_HOST: usize = 255;

/// A connection to a syslog server, made when there is something to say.
pub(crate) struct Syslog {
    config: SyslogConfig,
    connection: Option<Connection>,
    message: Vec<u8>,
}

enum Connection {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Unix(UnixDatagram),
}

impl Syslog {
    pub(crate) fn new(config: &SyslogConfig) -> Self {
        Self { config: config.clone(), connection: None, message: Vec::new() }
    }

    fn send(&mut self, batch: Batch<'_>) -> Result<(), Unwritten> {
        let nothing = |source| Unwritten { written: 0, lost: 0, source };
        if !self.connection.as_ref().is_some_and(Connection::is_open) {
            self.connection = None;
            self.connection = Some(Connection::open(&self.config.address).map_err(nothing)?);
        }
        match &mut self.connection {
            Some(Connection::Tcp(stream)) => {
                stream_messages(stream, batch, self.config.facility.0, &mut self.message)
            }
            Some(connection) => {
                let facility = self.config.facility.0;
                for (written, (event, text)) in batch.iter().enumerate() {
                    self.message.clear();
                    write_message(event, text, facility, &mut self.message);
                    connection.datagram(&self.message).map_err(|source| {
                        let lost = usize::from(Errno::from_io_error(&source) == Some(Errno::MSGSIZE));
                        Unwritten { written, lost, source }
                    })?;
                }
                Ok(())
            }
            None => Err(nothing(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl Sink for Syslog {
    fn write(&mut self, batch: Batch<'_>) -> Result<(), Unwritten> {
        self.send(batch).map_err(|failure| {
            // A message that is too long for a datagram says nothing about the connection.
            if failure.lost == 0 {
                self.connection = None;
            }
            not_closed(failure)
        })
    }

    fn reopen(&mut self) {
        self.connection = None;
    }
}

/// To others a broken pipe means that nobody reads any more; a server comes back.
fn not_closed(failure: Unwritten) -> Unwritten {
    if failure.source.kind() != io::ErrorKind::BrokenPipe {
        return failure;
    }
    Unwritten { source: io::ErrorKind::ConnectionReset.into(), ..failure }
}

impl Connection {
    fn open(address: &SyslogAddress) -> io::Result<Self> {
        Ok(match address {
            SyslogAddress::Udp(host) => {
                let server = resolve(host)?;
                let ours = if server.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
                let socket = UdpSocket::bind(ours)?;
                socket.connect(server)?;
                Self::Udp(socket)
            }
            SyslogAddress::Tcp(host) => {
                let stream = TcpStream::connect_timeout(&resolve(host)?, PATIENCE)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Self::Tcp(stream)
            }
            SyslogAddress::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                socket.set_write_timeout(Some(PATIENCE))?;
                Self::Unix(socket)
            }
        })
    }

    /// Servers say nothing: what can be read of a stream is its end. Without looking, what is written after it
    /// would be taken by this host and then be thrown away.
    fn is_open(&self) -> bool {
        let Self::Tcp(stream) = self else { return true };
        let peeked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
        let open = match peeked {
            Ok(count) => count > 0,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        open && stream.set_nonblocking(false).is_ok()
    }

    fn datagram(&self, message: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(message).map(drop),
            Self::Unix(socket) => socket.send(message).map(drop),
            Self::Tcp(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

fn resolve(host: &str) -> io::Result<SocketAddr> {
    let none = || io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
    host.to_socket_addrs()?.next().ok_or_else(none)
}

/// Sends messages with their length before them: <https://www.rfc-editor.org/rfc/rfc6587#section-3.4.1>.
fn stream_messages(
    stream: &mut TcpStream,
    batch: Batch<'_>,
    facility: u8,
    message: &mut Vec<u8>,
) -> Result<(), Unwritten> {
    let (mut chunk, mut written) = (Vec::with_capacity(CHUNK), 0);
    for (index, (event, text)) in batch.iter().enumerate() {
        message.clear();
        write_message(event, text, facility, message);
        chunk.extend_from_slice(format!("{} ", message.len()).as_bytes());
        chunk.append(message);
        if chunk.len() >= CHUNK || index + 1 == batch.len() {
            // What of the chunk has arrived, nobody knows: all of it is sent again.
            stream.write_all(&chunk).map_err(|source| Unwritten { written, lost: 0, source })?;
            chunk.clear();
            written = index + 1;
        }
    }
    Ok(())
}

/// Appends a message: <https://www.rfc-editor.org/rfc/rfc5424#section-6>.
///
/// `<PRIORITY>1 TIMESTAMP HOSTNAME serin PROCID MSGID - TEXT`
fn write_message(event: &Event, text: &[u8], facility: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("<{}>1 ", u32::from(facility) * 8 + level(weight(event))).as_bytes());
    // At most six digits of a second are allowed.
    json::timestamp(event.time - event.time % 1_000, out);
    out.push(b' ');
    host(&event.node_name, out);
    let (process, kind) = (std::process::id(), event.kind.name());
    out.extend_from_slice(format!(" serin {process} {kind} - ").as_bytes());
    out.extend_from_slice(text);
}

/// Severity of a message: <https://www.rfc-editor.org/rfc/rfc5424#section-6.2.1>.
const fn level(severity: Severity) -> u32 {
    match severity {
        Severity::Critical => 2,
        Severity::High => 3,
        Severity::Medium => 4,
        Severity::Low => 5,
        Severity::Info => 6,
    }
}

/// A host name is visible ASCII; `-` says that it is unknown.
fn host(name: &str, out: &mut Vec<u8>) {
    if name.is_empty() {
        return out.push(b'-');
    }
    let visible = |byte: u8| if byte.is_ascii_graphic() { byte } else { b'?' };
    out.extend(name.bytes().take(MAX_HOST).map(visible));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::testing::loss;

    #[test]
    fn messages_are_as_the_rfc_has_them() {
        let process = std::process::id();
        for (node_name, time, facility, expected) in [
            ("gull", 0, 3, format!("<28>1 1970-01-01T00:00:00Z gull serin {process} loss - text")),
            (
                "",
                1_000_000_001_234_567_891,
                23,
                format!("<188>1 2001-09-09T01:46:41.234567Z - serin {process} loss - text"),
            ),
            ("a bä", 0, 1, format!("<12>1 1970-01-01T00:00:00Z a?b?? serin {process} loss - text")),
        ] {
            let event = Event { node_name: node_name.into(), time, ..loss(1) };
            let mut out = Vec::new();
            write_message(&event, b"text", facility, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
