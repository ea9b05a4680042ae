//! A name server that speaks DNS with nothing of the code under test.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

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

impl DnsServer {
    pub(crate) fn start(reply: impl Fn(&str) -> Reply + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let queries = Queries::default();
        let log = queries.clone();
        thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let (name, kind, end) = question(&buffer[..length]);
                log.lock().unwrap().push((name.clone(), kind));
                if let Some(answer) = answer(&buffer[..end], kind, reply(&name)) {
                    socket.send_to(&answer, from).unwrap();
                }
            }
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
