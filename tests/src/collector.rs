//! A server of web hooks that can be away.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// A server that takes JSON lines by POST, while it is there.
pub(crate) struct Collector {
    /// Where it is, or will be.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    arrived: Mutex<Vec<Value>>,
    /// Bodies that were no JSON.
    others: Mutex<Vec<Vec<u8>>>,
    connections: Mutex<Vec<TcpStream>>,
}

impl Collector {
    /// One that is away, at a port that was free a moment ago.
    pub(crate) fn away() -> Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        Ok(Self { address, shared: Arc::default(), thread: None })
    }

    /// Has it come.
    pub(crate) fn come(&mut self) -> Result<()> {
        let listener = TcpListener::bind(self.address).context("the collector's port is taken")?;
        let shared = Arc::clone(&self.shared);
        self.thread = Some(std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (Ok(ours), shared) = (stream.try_clone(), Arc::clone(&shared)) else { return };
                // An empty line is from the one who wants it to go.
                if serve(&stream, &shared).is_none() {
                    return;
                }
                lock(&shared.connections).push(ours);
                std::thread::spawn(move || while serve(&stream, &shared).is_some() {});
            }
        }));
        Ok(())
    }

    /// Has it go.
    pub(crate) fn go(&mut self) -> Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        TcpStream::connect(self.address)?.write_all(b"\r\n")?;
        thread.join().ok().context("the collector panicked")?;
        for connection in lock(&self.shared.connections).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        Ok(())
    }

    /// What has arrived.
    pub(crate) fn arrived(&self) -> Vec<Value> {
        lock(&self.shared.arrived).clone()
    }

    /// Waits until a body that is no JSON has all of these texts in it.
    pub(crate) fn wait_for_texts(&self, texts: &[&str]) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let holds =
            |body: &Vec<u8>, text: &&str| body.windows(text.len()).any(|part| part == text.as_bytes());
        while !lock(&self.shared.others).iter().any(|body| texts.iter().all(|text| holds(body, text))) {
            let count = lock(&self.shared.others).len();
            ensure!(Instant::now() < deadline, "none of {count} bodies has all of {texts:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Waits until what has arrived is as wanted, for as long as more arrives.
    pub(crate) fn wait_until(&self, done: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>> {
        let (mut deadline, mut count) = (Instant::now() + PATIENCE, 0);
        loop {
            {
                let arrived = lock(&self.shared.arrived);
                if done(&arrived) {
                    return Ok(arrived.clone());
                }
                if arrived.len() > count {
                    (deadline, count) = (Instant::now() + PATIENCE, arrived.len());
                }
                let last = arrived.last();
                ensure!(Instant::now() < deadline, "{count} events arrived, the last {last:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes one request of a connection; none if there is none, or it is no request.
fn serve(stream: &TcpStream, shared: &Shared) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut length = None;
    for line in reader.by_ref().lines() {
        let line = line.ok()?.to_lowercase();
        if line.is_empty() {
            break;
        }
        length = length.or_else(|| line.strip_prefix("content-length:")?.trim().parse().ok());
    }
    let mut body = vec![0; length?];
    reader.read_exact(&mut body).ok()?;
    let events: Vec<Value> =
        body.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    if events.is_empty() {
        lock(&shared.others).push(body);
    }
    lock(&shared.arrived).extend(events);
    { stream }.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()
}
