//! An HTTP proxy: carries requests as they are, and connections. Every host is this one.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) struct ProxyServer {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ProxyServer {
    /// On an address of loopback that no other server of these tests has.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.2:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let log = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let log = log.clone();
                // Either side may hang up.
                thread::spawn(move || carry(stream.unwrap(), &log));
            }
        });
        Self { address, requests }
    }

    /// The request lines.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn carry(mut client: TcpStream, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let head = head(&mut client)?;
    let (line, rest) = head.split_once("\r\n").unwrap();
    log.lock().unwrap().push(line.to_owned());
    let [method, target, version] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
    let (authority, path) = match target.strip_prefix("http://") {
        Some(url) => url.split_once('/').unwrap(),
        None => (target, ""),
    };
    let port: u16 = authority.rsplit_once(':').unwrap().1.parse().unwrap();
    if authority.starts_with("forbidden.") {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    }
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    if method == "CONNECT" {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    } else {
        server.write_all(format!("{method} /{path} {version}\r\n{rest}").as_bytes())?;
    }
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}

/// Byte by byte: what is behind it is the server's.
fn head(client: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head).unwrap())
}
