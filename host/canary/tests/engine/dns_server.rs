//! A name server that speaks DNS with nothing of the code under test.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use h2::RecvStream;
use h2::server::SendResponse;
use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use crate::authority;

/// What the server does with a query.
#[derive(Clone)]
pub(crate) enum Reply {
    A(Vec<Ipv4Addr>),
    /// By the record that is asked for, its number and the data of its records.
    Records(fn(u16) -> Vec<Vec<u8>>),
    NoSuchName,
    ServerFailure,
    Silence,
}

/// Name as sent, and record type, of every query that arrived.
type Queries = Arc<Mutex<Vec<(String, u16)>>>;

pub(crate) struct DnsServer {
    pub(crate) address: SocketAddr,
    queries: Queries,
}

/// Answers queries, and keeps them.
#[derive(Clone)]
struct Responder {
    reply: Arc<dyn Fn(&str) -> Reply + Send + Sync>,
    queries: Queries,
}

impl Responder {
    fn new(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self { reply: Arc::new(reply), queries: Queries::default() }
    }

    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let (name, kind, end) = question(query);
        self.queries.lock().unwrap().push((name.clone(), kind));
        answer(&query[..end], kind, (self.reply)(&name))
    }

    /// RFC 1035, 4.2.2: each message behind its length.
    fn converse(&self, mut stream: impl Read + Write, queries: usize) -> io::Result<()> {
        for _ in 0..queries {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut query = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut query)?;
            if let Some(answer) = self.answer(&query) {
                stream.write_all(&[&(answer.len() as u16).to_be_bytes(), &answer[..]].concat())?;
                stream.flush()?;
            }
        }
        Ok(())
    }

    /// RFC 8484, 4.1: POST alone.
    async fn converse_in_http(
        &self,
        request: http::Request<RecvStream>,
        mut respond: SendResponse<bytes::Bytes>,
    ) {
        assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/dns-query"));
        let (mut query, mut body) = (Vec::new(), request.into_body());
        while let Some(part) = body.data().await {
            query.extend_from_slice(&part.unwrap());
        }
        let answer = self.answer(&query).unwrap();
        let head =
            http::Response::builder().header("content-type", "application/dns-message").body(()).unwrap();
        respond.send_response(head, false).unwrap().send_data(answer.into(), true).unwrap();
    }
}

impl DnsServer {
    pub(crate) fn start(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let responder = Responder::new(reply);
        let queries = responder.queries.clone();
        thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if let Some(answer) = responder.answer(&buffer[..length]) {
                    socket.send_to(&answer, from).unwrap();
                }
            }
        });
        Self { address, queries }
    }

    /// Over TCP; hangs up after so many queries of a connection.
    pub(crate) fn over_tcp(reply: fn(&str) -> Reply, queries: usize) -> Self {
        Self::over_streams(reply, move |responder, stream| responder.converse(stream, queries))
    }

    /// Over TLS; hangs up after so many queries of a connection.
    pub(crate) fn over_tls(reply: fn(&str) -> Reply, config: Arc<ServerConfig>, queries: usize) -> Self {
        Self::over_streams(reply, move |responder, stream| {
            responder.converse(authority::over_tls(&config, stream), queries)
        })
    }

    fn over_streams(
        reply: fn(&str) -> Reply,
        converse: impl Fn(&Responder, TcpStream) -> io::Result<()> + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let responder = Responder::new(reply);
        let queries = responder.queries.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (responder, converse) = (responder.clone(), converse.clone());
                // A client that goes away, or refuses the certificate, ends its connection alone.
                thread::spawn(move || converse(&responder, stream.unwrap()));
            }
        });
        Self { address, queries }
    }

    /// Over HTTP/2.
    pub(crate) fn over_https(reply: fn(&str) -> Reply, config: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let responder = Responder::new(reply);
        let queries = responder.queries.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        thread::spawn(move || {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let (acceptor, responder) = (TlsAcceptor::from(config.clone()), responder.clone());
                    tokio::spawn(async move {
                        let Ok(stream) = acceptor.accept(stream).await else { return };
                        let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                        while let Some(Ok((request, respond))) = connection.accept().await {
                            let responder = responder.clone();
                            tokio::spawn(async move { responder.converse_in_http(request, respond).await });
                        }
                    });
                }
            });
        });
        Self { address, queries }
    }

    pub(crate) fn queries(&self) -> Vec<(String, u16)> {
        self.queries.lock().unwrap().clone()
    }
}

/// RFC 1035, 4.1.2: the labels after the 12-byte header, then type and class.
fn question(query: &[u8]) -> (String, u16, usize) {
    let (mut at, mut name) = (12, String::new());
    while query[at] != 0 {
        let label = &query[at + 1..at + 1 + usize::from(query[at])];
        name += std::str::from_utf8(label).unwrap();
        name += ".";
        at += 1 + label.len();
    }
    (name, u16::from_be_bytes([query[at + 1], query[at + 2]]), at + 5)
}

fn answer(question: &[u8], kind: u16, reply: Reply) -> Option<Vec<u8>> {
    let (code, records) = match reply {
        Reply::A(addresses) if kind == 1 => {
            (0, addresses.iter().map(|address| address.octets().to_vec()).collect())
        }
        Reply::A(_) => (0, vec![]),
        Reply::Records(records) => (0, records(kind)),
        Reply::NoSuchName => (3, vec![]),
        Reply::ServerFailure => (2, vec![]),
        Reply::Silence => return None,
    };
    let mut message = question.to_vec();
    message[2..12].copy_from_slice(&[0x81, 0x80 | code, 0, 1, 0, records.len() as u8, 0, 0, 0, 0]);
    for data in records {
        message.extend([0xc0, 12, 0, kind as u8, 0, 1, 0, 0, 1, 0]);
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(data);
    }
    Some(message)
}
