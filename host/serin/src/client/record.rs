//! `serin record`

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serin_api::json;
use serin_api::proto::get_events_response::Event as Kind;
use serin_api::proto::loss::At;
use serin_api::proto::{Filter, GetEventsRequest, GetEventsResponse};
use tokio::signal::unix::{SignalKind, signal};

use super::events::allowing;
use super::{said, with_client};
use crate::cli::RecordArguments;
use crate::trace::{Header, HeaderLine, VERSION};

/// Why a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Asked,
    Time,
    Size,
    Agent,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            End::Asked => "as asked to",
            End::Time => "because the time was over",
            End::Size => "because the next event would have made it larger than --max-size",
            End::Agent => "because the agent ended",
        })
    }
}

/// Writes the events of an agent to a file, until it is asked to end or the file is as large as it may be.
pub(crate) fn record(arguments: &RecordArguments) -> Result<()> {
    let RecordArguments { file, time, max_size, agent } = arguments;
    let (recording, end) = with_client(&agent.address(), async |mut client| {
        let request =
            GetEventsRequest { allow_list: allowing(Filter::default()), ..GetEventsRequest::default() };
        // The file is made once there is something to record.
        let mut events = client.get_events(request).await.map_err(said)?.into_inner();
        let mut recording = Recording::create(file, *max_size)?;
        let mut over = pin!(over(*time)?);
        eprintln!("recording to {}", file.display());
        let end = loop {
            tokio::select! {
                end = &mut over => break end,
                event = events.message() => match event.map_err(said)? {
                    Some(event) if recording.write(&event)? => {}
                    Some(_) => break End::Size,
                    None => break End::Agent,
                },
            }
        };
        Ok((recording, end))
    })?;
    let Recording { events, size, lost, .. } = recording;
    eprintln!("{}: {events} events in {size} bytes; ended {end}", file.display());
    if lost > 0 {
        eprintln!(
            "{lost} events came faster than they were recorded and are missing; `loss` events say where"
        );
    }
    Ok(())
}

/// What ends a recording from outside; from now on, signals do nothing else.
fn over(time: Option<Duration>) -> Result<impl Future<Output = End>> {
    let signal = |kind| signal(kind).context("cannot wait for signals");
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        let timer = async {
            match time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => End::Asked,
            _ = terminate.recv() => End::Asked,
            () = timer => End::Time,
        }
    })
}

/// A trace that is being written.
struct Recording {
    file: File,
    max_size: u64,
    /// Bytes so far.
    size: u64,
    events: u64,
    /// Events that the agent could not send, because this is too slow.
    lost: u64,
}

impl Recording {
    /// A file for its owner alone, as what programs are called with can be secret; it begins with the header.
    fn create(path: &Path, max_size: u64) -> Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.with_context(|| format!("cannot create {}", path.display()))?;
        let mut recording = Self { file, max_size, size: 0, events: 0, lost: 0 };
        let written = recording.line(&header()?)?;
        ensure!(written, "--max-size: {max_size} bytes are too few for a trace");
        Ok(recording)
    }

    /// Whether there was room for it.
    fn write(&mut self, event: &GetEventsResponse) -> Result<bool> {
        if let Some(Kind::Loss(loss)) = &event.event
            && loss.at == Some(At::Client(true))
        {
            self.lost += loss.count;
        }
        let written = self.line(&json(event).context("the agent sent what can't be written")?)?;
        self.events += u64::from(written);
        Ok(written)
    }

    fn line(&mut self, text: &str) -> Result<bool> {
        let line = format!("{text}\n");
        let size = self.size + line.len() as u64;
        if size > self.max_size {
            return Ok(false);
        }
        self.file.write_all(line.as_bytes()).context("cannot write the trace")?;
        self.size = size;
        Ok(true)
    }
}

fn header() -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut started = Vec::new();
    serin_event::json::timestamp(now.as_nanos() as u64, &mut started);
    let serin = env!("CARGO_PKG_VERSION").to_owned();
    let trace = Header { version: VERSION, serin, started: String::from_utf8(started)? };
    Ok(serde_json::to_string(&HeaderLine { trace })?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serin_api::proto::{Loss, ProcessExec};

    use super::*;
    use crate::trace;

    #[test]
    fn a_trace_is_read_back_and_never_larger_than_it_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        let exec = GetEventsResponse {
            event: Some(Kind::ProcessExec(ProcessExec::default())),
            node_name: "gull".into(),
            time: Some(Default::default()),
            ..GetEventsResponse::default()
        };
        let loss = Kind::Loss(Loss { at: Some(At::Client(true)), count: 3 });
        let mut recording = Recording::create(&path, 512).unwrap();
        assert!(recording.write(&GetEventsResponse { event: Some(loss), ..exec.clone() }).unwrap());
        while recording.write(&exec).unwrap() {}
        assert_eq!(std::fs::metadata(&path).unwrap().len(), recording.size);
        assert!(recording.size <= 512 && recording.lost == 3);
        assert_eq!(trace::read(&path).unwrap().len() as u64, recording.events);
        assert!(Recording::create(&path, 512).is_err(), "it is there already");
        assert!(Recording::create(&folder.path().join("small"), 20).is_err());
    }
}
