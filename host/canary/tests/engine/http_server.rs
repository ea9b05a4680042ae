//! An HTTP server that answers with fixed bytes and keeps what it was sent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::ServerConfig;

use crate::authority;

pub(crate) struct HttpServer {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl HttpServer {
    /// `answer` gets the request line; no answer keeps the connection open in silence.
    pub(crate) fn start(answer: impl Fn(&str) -> Option<String> + Clone + Send + 'static) -> Self {
        Self::start_with(move |stream, request| match answer(request) {
            // The client may have had enough before the end of the answer.
            Some(answer) => drop(stream.write_all(answer.as_bytes())),
            None => thread::sleep(Duration::from_secs(600)),
        })
    }

    pub(crate) fn over_tls(
        config: Arc<ServerConfig>,
        answer: impl Fn(&str) -> Option<String> + Clone + Send + 'static,
    ) -> Self {
        Self::serve(move |stream, log| {
            let mut stream = authority::over_tls(&config, stream);
            // A client that refuses the certificate asks for nothing.
            if stream.conn.complete_io(&mut stream.sock).is_ok() {
                let request = read(&mut stream);
                log.lock().unwrap().push(request.clone());
                let answer = answer(request.lines().next().unwrap_or_default()).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
                stream.conn.send_close_notify();
                stream.flush().unwrap();
            }
        })
    }

    /// Answers with `at_once` and then with one byte after the other, with so much time between them.
    pub(crate) fn dripping(at_once: &'static str, pause: Duration) -> Self {
        Self::start_with(move |stream, _| {
            let mut sent = stream.write_all(at_once.as_bytes());
            let mut rest = b"HTTP/1.1 200 OK\r\nx: ".iter().chain(std::iter::repeat(&b'y'));
            while sent.is_ok() {
                thread::sleep(pause);
                sent = stream.write_all(&[*rest.next().unwrap()]);
            }
        })
    }

    fn start_with(respond: impl Fn(&mut TcpStream, &str) + Clone + Send + 'static) -> Self {
        Self::serve(move |mut stream, log| {
            let request = read(&mut stream);
            log.lock().unwrap().push(request.clone());
            respond(&mut stream, request.lines().next().unwrap_or_default());
        })
    }

    fn serve(exchange: impl Fn(TcpStream, Arc<Mutex<Vec<String>>>) + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let log = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, log, exchange) = (stream.unwrap(), log.clone(), exchange.clone());
                thread::spawn(move || exchange(stream, log));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn read(stream: &mut impl Read) -> String {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut buffer).unwrap();
        request.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if length == 0 {
                return text.into_owned();
            }
            continue;
        };
        let expected = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned))
            .map_or(0, |length| length.parse().unwrap());
        if body.len() >= expected {
            return text.into_owned();
        }
    }
}
