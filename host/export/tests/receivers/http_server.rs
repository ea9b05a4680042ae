//! A small HTTP server that answers as told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::LONG;

/// A request that has come in.
#[derive(Debug)]
pub(crate) struct Request {
    /// The request line and the headers, in lower case.
    pub(crate) head: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A server, and what arrives at it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Receiver<Request>,
}

impl Server {
    /// Answers with these statuses and bodies in turn, and then with 200.
    pub(crate) fn start(listener: TcpListener, answers: Vec<(u16, Vec<u8>)>) -> Self {
        let address = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            let mut answers = answers.into_iter();
            for stream in listener.incoming().map_while(Result::ok) {
                while serve(&stream, &mut answers, &sender).is_some() {}
            }
        });
        Self { address, requests }
    }

    pub(crate) fn new(answers: Vec<(u16, Vec<u8>)>) -> Self {
        Self::start(TcpListener::bind("127.0.0.1:0").unwrap(), answers)
    }

    pub(crate) fn next(&self) -> Request {
        self.requests.recv_timeout(LONG).unwrap()
    }
}

/// One request of a connection; none if it has ended.
fn serve(
    stream: &TcpStream,
    answers: &mut impl Iterator<Item = (u16, Vec<u8>)>,
    requests: &Sender<Request>,
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        (reader.read_line(&mut line).ok()? > 0).then_some(())?;
        match line.trim_end() {
            "" => break,
            // Names of headers in lower case, values as they are.
            line => head.push(match line.split_once(": ") {
                Some((name, value)) => format!("{}: {value}", name.to_lowercase()),
                None => line.to_owned(),
            }),
        }
    }
    let mut request = Request { head, body: Vec::new() };
    request.body.resize(request.header("content-length")?.parse().ok()?, 0);
    reader.read_exact(&mut request.body).ok()?;
    let (status, body) = answers.next().unwrap_or((200, Vec::new()));
    write!(&mut { stream }, "HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n\r\n", body.len()).ok()?;
    { stream }.write_all(&body).ok()?;
    requests.send(request).ok()
}
