//! The canary engine: bounded places to wait in, in front of a small runtime of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc as sync;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serin_event::action::{Action, ActionRequest, ActionResult, Outcome, RecordType, Source};
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::config::CanaryConfig;
use crate::demo::{Demo, DemoError};
use crate::dns::{Dns, DnsError};
use crate::http::{Http, HttpError};
use crate::limits::{Limits, Rejected};
use crate::places::{Place, Places, Share};
use crate::reports::{Counters, MAX_RESULTS, Reports};
use crate::retry::Retrying;

/// Why the engine could not be started.
#[derive(Debug, thiserror::Error)]
pub enum CanaryError {
    /// The demo listeners.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// The DNS resolver.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// The HTTP client.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The runtime.
    #[error("cannot start the canary engine's thread")]
    Thread(#[source] io::Error),
}

/// Takes action requests, carries them out within the limits of its
/// configuration, and reports an [`ActionResult`] for every one.
pub struct Engine {
    submitter: Submitter,
    results: sync::Receiver<ActionResult>,
    demo: Option<Demo>,
    stop: oneshot::Sender<Duration>,
    thread: JoinHandle<()>,
}

/// Hands requests to an [`Engine`], from any thread. Once the engine is gone, its queue is full.
#[derive(Clone)]
pub struct Submitter {
    queue: mpsc::Sender<Job>,
    places: Places,
    limits: Arc<Mutex<Limits>>,
    reports: Reports,
}

/// An accepted request.
struct Job {
    request: ActionRequest,
    accepted: Instant,
    share: Share,
    /// Where it waits.
    waiting: Place,
}

impl Engine {
    /// Starts the engine, and the demo listeners if the configuration asks for them.
    ///
    /// # Errors
    /// The demo listeners' addresses are taken, the resolver's configuration
    /// is unusable, or no thread could be started.
    pub fn start(config: CanaryConfig) -> Result<Self, CanaryError> {
        let demo = config.demo.map(Demo::start).transpose()?;
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().map_err(CanaryError::Thread)?;
        let firing = {
            let _inside = runtime.enter();
            Firing::new(&config, demo.as_ref().map(Demo::dns))?
        };
        let (queue, jobs) = mpsc::channel(config.queue);
        let (reports, results) = Reports::new();
        let (stop, stopped) = oneshot::channel();
        let work = work(jobs, Retrying::new(firing, &config), reports.clone());
        let thread = thread::Builder::new()
            .name("serin-canary".into())
            .spawn(move || runtime.block_on(until(stopped, work)))
            .map_err(CanaryError::Thread)?;
        let (places, limits) = (Places::new(&config), Arc::new(Mutex::new(Limits::new(&config))));
        let submitter = Submitter { queue, places, limits, reports };
        Ok(Self { submitter, results, demo, stop, thread })
    }

    /// Where requests go in.
    pub fn submitter(&self) -> &Submitter {
        &self.submitter
    }

    /// The next result, if there is one within `patience`.
    pub fn next_result(&self, patience: Duration) -> Option<ActionResult> {
        self.results.recv_timeout(patience).ok()
    }

    /// The results that are there, without waiting; at most as many as the engine keeps.
    pub fn results(&self) -> impl Iterator<Item = ActionResult> {
        self.results.try_iter().take(MAX_RESULTS)
    }

    /// The demo listeners, if the configuration asked for them.
    pub fn demo(&self) -> Option<&Demo> {
        self.demo.as_ref()
    }

    /// What became of all requests so far.
    pub fn counters(&self) -> Counters {
        self.submitter.counters()
    }

    /// Takes no more requests, lets those under way end within `patience`, and
    /// returns the results not taken yet. What is not done by then is in the
    /// counters as accepted only. Drop all submitters before: as long as one
    /// is left there may be more to do, and the whole `patience` is waited for.
    pub fn shutdown(self, patience: Duration) -> (Vec<ActionResult>, Counters) {
        let Submitter { queue, places, reports, .. } = self.submitter;
        drop(queue);
        // It has ended by itself if nobody listens.
        let _ = self.stop.send(patience);
        if self.thread.join().is_err() {
            tracing::error!("the canary engine's thread panicked");
        }
        (self.results.try_iter().collect(), reports.counters(&places))
    }
}

impl Submitter {
    /// Asks for an action. Never blocks. Rejected requests have their result as well.
    ///
    /// # Errors
    /// The reason for which the action is not taken.
    pub fn submit(&self, request: ActionRequest) -> Result<(), Rejected> {
        let accepted = Instant::now();
        match self.admitted(&request) {
            Ok((slot, share, waiting)) => {
                self.reports.accepted();
                slot.send(Job { request, accepted, share, waiting });
                Ok(())
            }
            Err(rejected) => {
                tracing::debug!(source = ?request.source, reason = rejected.reason(), "canary held back");
                self.reports.rejected(request, rejected, accepted);
                Err(rejected)
            }
        }
    }

    /// The places are taken first: an action that finds none must not count as done before.
    fn admitted(&self, request: &ActionRequest) -> Result<(mpsc::Permit<'_, Job>, Share, Place), Rejected> {
        let share = self.places.of(request);
        let waiting = share.wait()?;
        // There are as many slots as places to wait: only an engine that is gone has none.
        let slot = self.queue.try_reserve().map_err(|_| Rejected::QueueFull)?;
        self.admit(request)?;
        Ok((slot, share, waiting))
    }

    fn counters(&self) -> Counters {
        self.reports.counters(&self.places)
    }

    /// A thread that panicked leaves the limits as they are: at worst a token is spent for nothing.
    fn admit(&self, request: &ActionRequest) -> Result<(), Rejected> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).admit(request)
    }
}

/// Runs `work` to its end, or to the deadline that `stopped` announces; at once if the engine is dropped.
async fn until(stopped: oneshot::Receiver<Duration>, work: impl Future<Output = ()>) {
    let deadline = async {
        if let Ok(patience) = stopped.await {
            tokio::time::sleep(patience).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = deadline => {}
    }
}

async fn work(mut jobs: mpsc::Receiver<Job>, retrying: Retrying, reports: Reports) {
    let mut running = JoinSet::new();
    while let Some(job) = jobs.recv().await {
        while running.try_join_next().is_some() {}
        let (retrying, reports) = (retrying.clone(), reports.clone());
        running.spawn(async move {
            let Job { request, accepted, share, waiting } = job;
            let Some(place) = share.run().await else { return };
            drop(waiting);
            let fired = retrying.fire(&request, &share, place).await;
            reports.done(request, fired, accepted);
        });
    }
    while running.join_next().await.is_some() {}
}

/// What came of an action.
pub(crate) type Fired = Result<Outcome, CanaryError>;

/// Carries out actions.
#[derive(Clone)]
pub(crate) struct Firing {
    dns: Dns,
    /// What plugins' look-ups ask for.
    records: Arc<[RecordType]>,
    http: Http,
}

impl Firing {
    fn new(config: &CanaryConfig, demo: Option<SocketAddr>) -> Result<Self, CanaryError> {
        let dns = |timeout| Dns::new(&config.dns, demo, timeout, config.concurrency);
        let http = Http::new(config.http.clone(), config.egress.clone(), dns(config.http.timeout)?)?;
        Ok(Self { dns: dns(config.dns.timeout)?, records: config.dns.records.as_slice().into(), http })
    }

    /// Carries out an action, once.
    pub(crate) async fn fire(&self, request: &ActionRequest) -> Fired {
        match &request.action {
            Action::Dns { name, record } => {
                let records = match (record, &request.source) {
                    (Some(record), _) => std::slice::from_ref(record),
                    (None, Source::Policy(_)) => &[RecordType::A],
                    (None, Source::Plugin(_)) => &self.records,
                };
                Ok(Outcome::Resolved(self.dns.fire(name, records).await?))
            }
            Action::Http { method, url, headers, body } => {
                Ok(Outcome::HttpStatus(self.http.fire(*method, url, headers, body).await?))
            }
        }
    }
}
