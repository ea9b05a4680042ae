//! The HTTP half of the demo listeners.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::Hit;

/// Connections served at once.
const MAX_CONNECTIONS: usize = 32;
/// Largest request head that is read.
const MAX_HEAD: usize = 8192;
/// Largest request body that is read before the connection is closed.
const MAX_BODY: usize = 1 << 20;
/// Time for one connection.
const PATIENCE: Duration = Duration::from_secs(5);

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

pub(super) async fn serve(listener: TcpListener, hits: SyncSender<Hit>) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, from)) => {
                let hits = hits.clone();
                tokio::spawn(async move {
                    // A peer that is slow or breaks off has itself to blame.
                    let _ = timeout(PATIENCE, exchange(stream, from, hits)).await;
                    drop(permit);
                });
            }
            // Out of file descriptors, most likely: wait for some to be freed.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn exchange(mut stream: TcpStream, from: SocketAddr, hits: SyncSender<Hit>) -> io::Result<()> {
    let mut head = Vec::new();
    while head.len() < MAX_HEAD && !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let Some(hit) = parse(&String::from_utf8_lossy(&head), from) else { return Ok(()) };
    // A full channel means that nobody looks: answer all the same.
    let _ = hits.try_send(hit);
    stream.write_all(ANSWER).await?;
    stream.shutdown().await?;
    // Closing with unread data would reset the connection before the answer is read.
    tokio::io::copy(&mut stream.take(MAX_BODY as u64), &mut tokio::io::sink()).await?;
    Ok(())
}

fn parse(head: &str, from: SocketAddr) -> Option<Hit> {
    let mut lines = head.lines();
    let mut request = lines.next()?.split(' ');
    let (method, target) = (request.next()?, request.next()?);
    if !request.next()?.starts_with("HTTP/1.") {
        return None;
    }
    let host = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("host"))
        .map_or("", |(_, value)| value.trim());
    Some(Hit::Http { method: method.into(), target: target.into(), host: host.into(), from })
}
