//! From events to sinks.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serin_event::Event;

use crate::batch::Encoder;
use crate::config::{SinkConfig, SinkKind};
use crate::delivery::DeliveryThread;
use crate::file::FileSink;
use crate::http::{self, Http};
use crate::otlp::{self, Otlp};
use crate::output::{Counters, Output, State};
use crate::peer::{Direct, Encode, Peer};
use crate::queue::Queue;
use crate::sink::{OpenError, Sink};
use crate::spool::{self, Ends};
use crate::stdout::Stdout;
use crate::storing::StoringThread;
use crate::syslog::Syslog;
use crate::thread::{Gather, SinkThread};

/// How often to look whether the sinks are done.
const GLANCE: Duration = Duration::from_millis(2);

/// Hands events to sinks, each of which has a queue and a thread of its own, or two with a spool.
pub struct Exporter {
    outputs: Vec<Arc<Output>>,
    threads: Vec<Thread>,
}

/// A thread of a sink.
struct Thread {
    output: Arc<Output>,
    /// What it has not done when it is given up is still in a spool.
    spools: bool,
    handle: JoinHandle<()>,
}

/// Where a sink's events go from its queue.
pub(crate) enum Opened {
    /// To the sink.
    Direct(Box<dyn Sink>),
    /// To a spool, and from there to a peer.
    Spooled(Ends, Encode, Box<dyn Peer>),
}

/// Nobody reads any sink any more: there is nothing left to do but end.
#[derive(Debug, thiserror::Error)]
#[error("all sinks are closed: nobody reads the events any more")]
pub struct Closed;

/// What there is to see and to do from outside, while the exporter is at work.
#[derive(Clone)]
pub struct Monitor(Vec<Arc<Output>>);

impl Exporter {
    /// Opens the sinks of a pipeline. Without any, events go nowhere.
    ///
    /// # Errors
    /// One of them can't be opened.
    pub fn open(sinks: &[SinkConfig]) -> Result<Self, OpenError> {
        let opened = sinks.iter().map(|config| Ok((config, open(config)?)));
        Self::start(opened.collect::<Result<_, OpenError>>()?)
    }

    pub(crate) fn start(sinks: Vec<(&SinkConfig, Opened)>) -> Result<Self, OpenError> {
        let mut exporter = Self { outputs: Vec::new(), threads: Vec::new() };
        for (config, opened) in sinks {
            let spool = match &opened {
                Opened::Direct(_) => None,
                Opened::Spooled(ends, ..) => Some(Arc::clone(&ends.spool)),
            };
            let queue = Queue::new(config.queue, config.overflow);
            let output = Arc::new(Output::new(config.name(), queue, config.filter.clone(), spool));
            exporter.outputs.push(Arc::clone(&output));
            let encoder = Encoder::new(config, has_colours(&config.kind));
            let gather = gather(&config.kind);
            match opened {
                Opened::Direct(sink) => {
                    let thread = SinkThread { output: Arc::clone(&output), sink, encoder, gather };
                    exporter.spawn(output, false, move || thread.run())?;
                }
                Opened::Spooled(Ends { spool, appender, reader }, encode, peer) => {
                    let delivery = DeliveryThread { output: Arc::clone(&output), reader, peer, gather };
                    let storing =
                        StoringThread { output: Arc::clone(&output), spool, appender, encoder, encode };
                    exporter.spawn(Arc::clone(&output), false, move || storing.run())?;
                    exporter.spawn(output, true, move || delivery.run())?;
                }
            }
        }
        Ok(exporter)
    }

    fn spawn(
        &mut self,
        output: Arc<Output>,
        spools: bool,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), OpenError> {
        let handle = std::thread::Builder::new().name("serin-sink".into()).spawn(run);
        let handle = handle.map_err(|source| OpenError::Start { sink: output.name.clone(), source })?;
        self.threads.push(Thread { output, spools, handle });
        Ok(())
    }

    /// Hands events to every sink. Waits for those whose queue is full if they are configured so.
    ///
    /// # Errors
    /// All sinks are closed: the pipe that stdout led to has no reader any more.
    pub fn export(&mut self, events: Vec<Event>) -> Result<(), Closed> {
        if !events.is_empty() {
            let events = Arc::new(events);
            self.outputs.iter().for_each(|output| output.push(&events));
        }
        let closed = |output: &Arc<Output>| output.state() == State::Closed;
        if !self.outputs.is_empty() && self.outputs.iter().all(closed) { Err(Closed) } else { Ok(()) }
    }

    /// Lets the sinks write what they have, for as long as `patience`; what they don't manage is kept
    /// in their spool, or else counted as lost.
    pub fn close(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        self.outputs.iter().for_each(|output| output.queue.finish(deadline));
        // Some time for those that give up at the deadline to count what they had.
        while !self.threads.iter().all(|thread| thread.handle.is_finished())
            && deadline + GLANCE * 100 > Instant::now()
        {
            std::thread::sleep(GLANCE);
        }
        for Thread { output, spools, handle } in self.threads.drain(..) {
            if handle.is_finished() {
                if handle.join().is_err() {
                    tracing::error!(sink = output.name, "the sink's thread panicked");
                }
            } else if spools {
                tracing::warn!(
                    sink = output.name,
                    "sink still waits for an answer; its spool keeps what it sent"
                );
            } else {
                tracing::error!(sink = output.name, "sink does not come to an end; what it had is lost");
                output.abandon();
            }
        }
    }

    /// What there is to see and to do from outside.
    pub fn monitor(&self) -> Monitor {
        Monitor(self.outputs.clone())
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.close(Duration::ZERO);
        }
    }
}

impl Monitor {
    /// What each sink has done and how it is, by its name.
    pub fn sinks(&self) -> impl Iterator<Item = (&str, State, Counters)> {
        self.0.iter().map(|output| (output.name.as_str(), output.state(), output.counters()))
    }

    /// Has every sink reopen what it writes to.
    pub fn reopen(&self) {
        self.0.iter().for_each(|output| output.queue.reopen());
    }
}

fn open(config: &SinkConfig) -> Result<Opened, OpenError> {
    let failed = |source| OpenError::Start { sink: config.name(), source };
    Ok(match &config.kind {
        SinkKind::Stdout { .. } => Opened::Direct(Box::new(Stdout::open()?)),
        SinkKind::File(file) => Opened::Direct(Box::new(FileSink::open(file)?)),
        SinkKind::Syslog(syslog) => Opened::Direct(Box::new(Syslog::new(syslog))),
        SinkKind::Http(http) => {
            let peer = Http::new(http).map_err(failed)?;
            to_peer(config, peer, http::encode, b"serin spool 1 http\n")?
        }
        SinkKind::Otlp(otlp) => {
            let peer = Otlp::new(otlp).map_err(failed)?;
            to_peer(config, peer, otlp::encode, b"serin spool 1 otlp\n")?
        }
    })
}

/// By way of its spool, if it has one: a segment begins with `header`.
fn to_peer(
    config: &SinkConfig,
    peer: impl Peer + 'static,
    encode: Encode,
    header: &'static [u8],
) -> Result<Opened, OpenError> {
    let Some(spool) = &config.spool else {
        return Ok(Opened::Direct(Box::new(Direct::new(peer, encode))));
    };
    let mut ends = spool::open(&spool.path, spool.size, header)
        .map_err(|source| OpenError::Spool { path: spool.path.clone(), source })?;
    ends.appender.set_sync(spool.sync);
    let found = ends.spool.counters();
    if found.records + found.torn > 0 {
        let (records, torn) = (found.records, found.torn);
        tracing::info!(
            sink = config.name(),
            "its spool holds {records} events from before; {torn} were incomplete"
        );
    }
    Ok(Opened::Spooled(ends, encode, Box::new(peer)))
}

/// Colours are for terminals, unless whoever sits there wants none: <https://no-color.org>
fn has_colours(kind: &SinkKind) -> bool {
    matches!(kind, SinkKind::Stdout { .. })
        && std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn gather(kind: &SinkKind) -> Gather {
    match kind {
        // Each on its way at once.
        SinkKind::Stdout { .. } | SinkKind::File(_) | SinkKind::Syslog(_) => {
            Gather { events: 1024, linger: Duration::ZERO }
        }
        SinkKind::Http(http) | SinkKind::Otlp(http) => Gather { events: http.batch, linger: http.linger },
    }
}

#[cfg(test)]
mod tests;
