//! From events to sinks.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serin_event::Event;

use crate::batch::Encoder;
use crate::config::{SinkConfig, SinkKind};
use crate::file::FileSink;
use crate::http::Http;
use crate::otlp::Otlp;
use crate::output::{Counters, Output, State};
use crate::queue::Queue;
use crate::sink::{OpenError, Sink};
use crate::stdout::Stdout;
use crate::syslog::Syslog;
use crate::thread::{Gather, SinkThread};

/// How often to look whether the sinks are done.
const GLANCE: Duration = Duration::from_millis(2);

/// Hands events to sinks, each of which has a queue and a thread of its own.
pub struct Exporter {
    outputs: Vec<Arc<Output>>,
    threads: Vec<JoinHandle<()>>,
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

    pub(crate) fn start(sinks: Vec<(&SinkConfig, Box<dyn Sink>)>) -> Result<Self, OpenError> {
        let mut exporter = Self { outputs: Vec::new(), threads: Vec::new() };
        for (config, sink) in sinks {
            let queue = Queue::new(config.queue, config.overflow);
            let output = Arc::new(Output::new(config.name(), queue, config.filter.clone()));
            let encoder = Encoder::new(config, has_colours(&config.kind));
            let thread =
                SinkThread { output: Arc::clone(&output), sink, encoder, gather: gather(&config.kind) };
            let thread = std::thread::Builder::new().name("serin-sink".into()).spawn(move || thread.run());
            let thread = thread.map_err(|source| OpenError::Start { sink: config.name(), source })?;
            exporter.outputs.push(output);
            exporter.threads.push(thread);
        }
        Ok(exporter)
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

    /// Lets the sinks write what they have, for as long as `patience`; what they don't manage is counted as lost.
    pub fn close(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        self.outputs.iter().for_each(|output| output.queue.finish(deadline));
        // Some time for those that give up at the deadline to count what they had.
        while !self.threads.iter().all(JoinHandle::is_finished) && deadline + GLANCE * 100 > Instant::now() {
            std::thread::sleep(GLANCE);
        }
        for (output, thread) in self.outputs.iter().zip(self.threads.drain(..)) {
            if !thread.is_finished() {
                tracing::error!(sink = output.name, "sink does not come to an end; what it had is lost");
                output.abandon();
            } else if thread.join().is_err() {
                tracing::error!(sink = output.name, "the sink's thread panicked");
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

fn open(config: &SinkConfig) -> Result<Box<dyn Sink>, OpenError> {
    let failed = |source| OpenError::Start { sink: config.name(), source };
    Ok(match &config.kind {
        SinkKind::Stdout { .. } => Box::new(Stdout::open()?),
        SinkKind::File(file) => Box::new(FileSink::open(file)?),
        SinkKind::Syslog(syslog) => Box::new(Syslog::new(syslog)),
        SinkKind::Http(http) => Box::new(Http::new(http).map_err(failed)?),
        SinkKind::Otlp(otlp) => Box::new(Otlp::new(otlp).map_err(failed)?),
    })
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
