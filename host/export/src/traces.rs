//! Traces of how batches pass the pipeline, and of what comes of them, for an OpenTelemetry collector.
//!
//! Spans wait in a queue for a thread that sends them as the sink `otlp` sends its records. Whoever makes them never
//! waits: what the queue has no room for and what can't be delivered is counted.

mod queue;
mod thread;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use self::queue::SpanQueue;
use self::thread::TraceThread;
use crate::config::{SampleShare, TracesConfig};
use crate::post::Post;

/// How often to look whether the thread is done.
const GLANCE: Duration = Duration::from_millis(2);

/// What an attribute says.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// A name.
    Text(String),
    /// How many.
    Count(u64),
    /// How long.
    Seconds(f64),
}

/// Who a span is about: <https://opentelemetry.io/docs/specs/otel/trace/api/#spankind>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// The agent alone.
    Internal,
    /// A server that the agent has asked.
    Client,
}

/// Which span one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanContext {
    trace: [u8; 16],
    span: [u8; 8],
}

/// What there is to say of a part of the way.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanFields {
    /// What it is.
    pub name: String,
    /// Who it is about.
    pub kind: SpanKind,
    /// When it began, in nanoseconds since the Unix epoch.
    pub start: u64,
    /// When it ended, likewise.
    pub end: u64,
    /// What belongs to it.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// What went wrong, if something did.
    pub failure: Option<String>,
}

/// A span of a trace: <https://opentelemetry.io/docs/specs/otel/trace/api/#span>
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) trace: [u8; 16],
    pub(crate) id: [u8; 8],
    pub(crate) parent: Option<[u8; 8]>,
    pub(crate) fields: SpanFields,
}

/// The trace of a batch that is to have one: what its parts are to say is added to it.
#[derive(Debug)]
pub struct Trace {
    id: [u8; 16],
    root: [u8; 8],
    /// None has an id without random numbers to tell them apart by.
    parts: Vec<(Option<[u8; 8]>, SpanFields)>,
}

impl Trace {
    /// Adds a part of the way; which span that is, for spans that come of it.
    pub fn add(&mut self, part: SpanFields) -> Option<SpanContext> {
        let span = random();
        self.parts.push((span, part));
        span.map(|span| SpanContext { trace: self.id, span })
    }

    /// Which span the whole is.
    pub fn whole(&self) -> SpanContext {
        SpanContext { trace: self.id, span: self.root }
    }

    /// The whole and its parts as spans; none if one has no id.
    fn spans(self, whole: SpanFields) -> Option<Vec<Span>> {
        let (trace, parent) = (self.id, Some(self.root));
        let mut spans = vec![Span { trace, id: self.root, parent: None, fields: whole }];
        for (id, fields) in self.parts {
            spans.push(Span { trace, id: id?, parent, fields });
        }
        Some(spans)
    }
}

/// What became of spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TraceCounters {
    /// The collector has taken them.
    pub sent: u64,
    /// The collector did not want them, or did not take them before the end.
    pub lost: u64,
    /// The queue had no room for the trace that they are of.
    pub dropped: u64,
    /// Requests that were tried again.
    pub retries: u64,
    /// They wait now.
    pub queued: u64,
    /// The last request failed.
    pub failing: bool,
}

/// Has traces of some batches sent.
pub struct Tracer {
    sample: SampleShare,
    queue: Arc<SpanQueue>,
    thread: Option<JoinHandle<()>>,
}

/// What there is to see from outside, while traces are sent.
#[derive(Clone)]
pub struct TraceMonitor(Arc<SpanQueue>);

impl TraceMonitor {
    /// What became of the spans so far.
    pub fn counters(&self) -> TraceCounters {
        self.0.counters()
    }
}

impl Tracer {
    /// Starts the thread that sends; the collector need not be there. `host` is the name of this one.
    ///
    /// # Errors
    /// The system refuses what it takes.
    pub fn open(config: &TracesConfig, host: &str) -> io::Result<Self> {
        let post = Post::new(&config.otlp, "application/x-protobuf")?;
        let queue = Arc::new(SpanQueue::new(config.queue));
        let (batch, linger) = (config.otlp.batch, config.otlp.linger);
        let thread = TraceThread { queue: Arc::clone(&queue), post, host: host.to_owned(), batch, linger };
        let handle = std::thread::Builder::new().name("serin-traces".into()).spawn(move || thread.run())?;
        Ok(Self { sample: config.sample, queue, thread: Some(handle) })
    }

    /// A trace for the next batch, if it is among those that are to have one.
    pub fn begin(&self) -> Option<Trace> {
        draw(self.sample).then(|| Some(Trace { id: random()?, root: random()?, parts: Vec::new() }))?
    }

    /// Where spans go that come one by one.
    pub fn spans(&self) -> Spans {
        Spans { sample: self.sample, queue: Arc::clone(&self.queue) }
    }

    /// Has a trace sent, of which this is the whole. Never waits.
    pub fn send(&self, trace: Trace, whole: SpanFields) {
        let count = 1 + trace.parts.len();
        match trace.spans(whole) {
            Some(spans) => self.queue.push(spans),
            None => self.queue.count_dropped(count),
        }
    }

    /// What there is to see from outside.
    pub fn monitor(&self) -> TraceMonitor {
        TraceMonitor(Arc::clone(&self.queue))
    }

    /// Has what waits sent, for as long as `patience`; the rest is counted as lost.
    pub fn close(&mut self, patience: Duration) {
        let Some(thread) = self.thread.take() else { return };
        self.queue.finish();
        let deadline = Instant::now() + patience;
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(GLANCE);
        }
        self.queue.abandon();
        if thread.is_finished() && thread.join().is_err() {
            tracing::error!("the thread that sends traces panicked");
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

/// Sends spans one by one, from any thread.
#[derive(Clone)]
pub struct Spans {
    sample: SampleShare,
    queue: Arc<SpanQueue>,
}

impl Spans {
    /// Whether something that is in no trace is among what is to have one.
    pub fn draw(&self) -> bool {
        draw(self.sample)
    }

    /// Has a span sent, which comes of another or else is a trace of its own. Never waits.
    pub fn send(&self, parent: Option<SpanContext>, fields: SpanFields) {
        let trace = parent.map_or_else(random, |parent| Some(parent.trace));
        let (Some(trace), Some(id)) = (trace, random()) else { return self.queue.count_dropped(1) };
        self.queue.push(vec![Span { trace, id, parent: parent.map(|parent| parent.span), fields }]);
    }
}

/// Whether one is among this share of all; not without random numbers.
fn draw(share: SampleShare) -> bool {
    let drawn = random().map(|drawn| u64::from_le_bytes(drawn) % u64::from(SampleShare::ALL.0));
    drawn.is_some_and(|drawn| drawn < u64::from(share.0))
}

/// Random bytes; none if the system has none.
fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(bytes)
}
