//! Servers on loopback that canaries arrive at.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result};
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, TXT};
use hickory_proto::rr::{RData, Record, RecordType};

const PATIENCE: Duration = Duration::from_secs(30);

/// A server and what has arrived at it.
pub(crate) struct Listener {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    arrivals: Receiver<String>,
}

impl Listener {
    /// A DNS server that answers every A query with 192.0.2.1 and every TXT query with `v=1`; arrivals are the names asked
    /// for, with their type.
    pub(crate) fn dns() -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen for DNS")?;
        let address = socket.local_addr()?;
        let (sender, arrivals) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if let Some(answer) = answer(&buffer[..length], &sender) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Ok(Self { address, arrivals })
    }

    /// An HTTP server that answers 204 to everything; arrivals are the request lines.
    pub(crate) fn http() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen for HTTP")?;
        let address = listener.local_addr()?;
        let (sender, arrivals) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _ = serve(stream, &sender);
            }
        });
        Ok(Self { address, arrivals })
    }

    /// A server that accepts connections, or takes datagrams, on one port and never answers; arrivals are who came.
    pub(crate) fn black_hole() -> Result<Self> {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen for connections")?;
        let address = tcp.local_addr()?;
        let udp = UdpSocket::bind(address).context("cannot listen for datagrams")?;
        let (sender, arrivals) = channel();
        let of_datagrams = sender.clone();
        std::thread::spawn(move || {
            // Kept open for as long as somebody listens to what arrives.
            let mut open = Vec::new();
            for stream in tcp.incoming().map_while(Result::ok) {
                open.push(stream);
                if sender.send("a connection".to_owned()).is_err() {
                    return;
                }
            }
        });
        std::thread::spawn(move || {
            while udp.recv_from(&mut [0; 1500]).is_ok() && of_datagrams.send("a datagram".to_owned()).is_ok()
            {
            }
        });
        Ok(Self { address, arrivals })
    }

    /// What arrives next.
    pub(crate) fn next(&self) -> Result<String> {
        self.arrivals.recv_timeout(PATIENCE).context("nothing arrived")
    }

    /// What has arrived and not been asked for yet.
    pub(crate) fn rest(&self) -> Vec<String> {
        self.arrivals.try_iter().collect()
    }
}

fn answer(packet: &[u8], arrivals: &Sender<String>) -> Option<Vec<u8>> {
    let query = Message::from_vec(packet).ok()?;
    let question = query.queries.first()?.clone();
    arrivals.send(format!("{} {}", question.query_type(), question.name())).ok()?;
    let mut answer = query.clone();
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.response_code = ResponseCode::NoError;
    answer.additionals.clear();
    answer.edns = None;
    if question.query_type() == RecordType::A {
        let address = RData::A(A(Ipv4Addr::new(192, 0, 2, 1)));
        answer.answers = vec![Record::from_rdata(question.name().clone(), 0, address)];
    }
    if question.query_type() == RecordType::TXT {
        let text = RData::TXT(TXT::new(vec!["v=1".to_owned()]));
        answer.answers = vec![Record::from_rdata(question.name().clone(), 0, text)];
    }
    answer.to_vec().ok()
}

fn serve(stream: TcpStream, arrivals: &Sender<String>) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(&stream).lines();
    let request = lines.next().context("no request")??;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    arrivals.send(request)?;
    (&stream).write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")?;
    Ok(())
}
