//! Answers `GET /metrics`, `/status`, `/healthz` and `/readyz` by HTTP/1.1, one connection after the other.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result};
use serin_api::proto::serin::GetPipelineStatusResponse;

use super::endpoint::{Listener, SocketFile, Stream};
use super::{Endpoint, Observed, prometheus};

/// How long a client may take for each read and write: it keeps others waiting.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a request that are read.
const MAX_REQUEST: u64 = 8 << 10;
/// How long the kernel's counters may take.
const COUNTING: Duration = Duration::from_secs(5);

/// Asks whoever has the kernel to bring [`Observed::kernel`] up to date, and to say so.
pub(crate) type Refresh = tokio::sync::mpsc::UnboundedSender<Sender<()>>;

/// Serves these endpoints, each by a thread of its own, until the process ends.
///
/// # Errors
/// One of them can't be listened on.
pub(crate) fn serve(
    endpoints: &[Endpoint],
    observed: &Arc<Observed>,
    refresh: &Refresh,
) -> Result<Vec<Bound>> {
    endpoints.iter().map(|endpoint| Bound::start(endpoint, observed, refresh)).collect()
}

/// An endpoint that is served until the process ends. Its socket's file goes with this.
pub(crate) struct Bound(#[expect(dead_code, reason = "kept for its end")] Option<SocketFile>);

impl Bound {
    fn start(endpoint: &Endpoint, observed: &Arc<Observed>, refresh: &Refresh) -> Result<Self> {
        let (listener, file) = Listener::bind(endpoint)
            .with_context(|| format!("cannot listen on {endpoint} for metrics; choose by --metrics"))?;
        let (observed, refresh) = (Arc::clone(observed), refresh.clone());
        let run = move || loop {
            let answered =
                listener.accept(PATIENCE).and_then(|mut stream| answer(&mut *stream, &observed, &refresh));
            if let Err(error) = answered {
                tracing::debug!("a client of the metrics: {error}");
                // Without descriptors this would spin.
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        std::thread::Builder::new().name("serin-metrics".into()).spawn(run)?;
        Ok(Self(file))
    }
}

fn answer(stream: &mut dyn Stream, observed: &Observed, refresh: &Refresh) -> io::Result<()> {
    let request = read_request(stream)?;
    let (status, kind, body) = respond(&request, observed, refresh);
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.flush()
}

/// The request line; the rest of the request is read and means nothing.
fn read_request(stream: &mut dyn Stream) -> io::Result<String> {
    let mut lines = BufReader::new(stream.take(MAX_REQUEST)).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    Ok(request)
}

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

fn respond(request: &str, observed: &Observed, refresh: &Refresh) -> (&'static str, &'static str, String) {
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if method != "GET" {
        return ("405 Method Not Allowed", TEXT, "only GET is answered\n".into());
    }
    match target.split('?').next().unwrap_or_default() {
        "/metrics" => {
            bring_up_to_date(refresh);
            ("200 OK", TEXT, prometheus::render(&observed.snapshot()))
        }
        "/status" => match status(observed, refresh) {
            Ok(body) => ("200 OK", JSON, body),
            Err(error) => ("500 Internal Server Error", TEXT, format!("{error}\n")),
        },
        "/healthz" => match observed.sickness() {
            None => ("200 OK", TEXT, "ok\n".into()),
            Some(sickness) => ("503 Service Unavailable", TEXT, format!("{sickness}\n")),
        },
        "/readyz" if observed.is_ready() => ("200 OK", TEXT, "ok\n".into()),
        "/readyz" => ("503 Service Unavailable", TEXT, "starting or ending\n".into()),
        _ => ("404 Not Found", TEXT, "there are /metrics, /status, /healthz and /readyz\n".into()),
    }
}

/// What is loaded and what it has done, as JSON.
pub(crate) fn status(observed: &Observed, refresh: &Refresh) -> serde_json::Result<String> {
    bring_up_to_date(refresh);
    serde_json::to_string(&observed.snapshot())
}

/// What waits, where events go, and what was lost.
pub(crate) fn pipeline(observed: &Observed, refresh: &Refresh) -> GetPipelineStatusResponse {
    bring_up_to_date(refresh);
    GetPipelineStatusResponse::from(&observed.snapshot())
}

/// While the agent starts and ends, nobody answers: what was counted last is shown then.
fn bring_up_to_date(refresh: &Refresh) {
    let (done, wait) = channel();
    if refresh.send(done).is_ok() {
        let _ = wait.recv_timeout(COUNTING);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serin_export::Exporter;

    use super::*;

    #[test]
    fn answers_say_how_it_is() {
        let observed = Observed::new("gull", Exporter::open(&[]).unwrap().monitor(), None);
        let (refresh, _) = tokio::sync::mpsc::unbounded_channel();
        let ask = |request: &str| {
            let (status, _, body) = respond(request, &observed, &refresh);
            (status.split(' ').next().unwrap().to_owned(), body)
        };
        assert_eq!(ask("GET /healthz HTTP/1.1"), ("200".into(), "ok\n".into()));
        assert_eq!(ask("GET /readyz HTTP/1.1").0, "503");
        observed.set_ready(true);
        assert_eq!(ask("GET /readyz HTTP/1.1").0, "200");
        assert!(ask("GET /metrics?x HTTP/1.1").1.contains("serin_ready 1\n"));
        let status: super::super::snapshot::Snapshot = serde_json::from_str(&ask("GET /status").1).unwrap();
        assert_eq!((status.node_name.as_str(), status.ready), ("gull", true));
        assert_eq!(ask("GET /elsewhere HTTP/1.1").0, "404");
        assert_eq!(ask("POST /metrics HTTP/1.1").0, "405");
        assert_eq!(ask("").0, "405");
    }
}
