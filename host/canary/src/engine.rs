//! The canary engine: bounded places to wait in, in front of a small runtime of its own.

use std::io;
use std::sync::mpsc as sync;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serin_event::action::{ActionRequest, ActionResult};
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::config::{CanaryConfig, Preference};
use crate::demo::{Demo, DemoError};
use crate::firing::{Firing, FiringError};
use crate::limits::{Limits, Rejected};
use crate::places::{Place, Places, Share};
use crate::reports::{Counters, MAX_RESULTS, Reports};
use crate::retry::Retrying;
use crate::waiting::{Due, Job, Waiting};
use crate::watch::Watch;

/// Why the engine could not be started.
#[derive(Debug, thiserror::Error)]
pub enum CanaryError {
    /// The demo listeners.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// The DNS resolver or the HTTP client.
    #[error(transparent)]
    Firing(#[from] FiringError),
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
    /// Tells the engine's thread that more is waiting.
    wake: mpsc::Sender<()>,
    waiting: Waiting,
    prefer: Preference,
    places: Places,
    limits: Arc<Mutex<Limits>>,
    reports: Reports,
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
        let (wake, woken) = mpsc::channel(1);
        let waiting = Waiting::default();
        let (reports, results) = Reports::new();
        let (stop, stopped) = oneshot::channel();
        let work = work(woken, waiting.clone(), Retrying::new(firing, &config), reports.clone());
        let thread = thread::Builder::new()
            .name("serin-canary".into())
            .spawn(move || runtime.block_on(until(stopped, work)))
            .map_err(CanaryError::Thread)?;
        let (places, limits) = (Places::new(&config), Arc::new(Mutex::new(Limits::new(&config))));
        let submitter = Submitter { wake, waiting, prefer: config.prefer, places, limits, reports };
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
        let Submitter { wake, places, reports, .. } = self.submitter;
        drop(wake);
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
        self.enter(request, None)
    }

    /// Asks for an action, as [`Submitter::submit`] does, and has somebody told how each try of it went.
    ///
    /// # Errors
    /// As [`Submitter::submit`].
    pub fn submit_watched(&self, request: ActionRequest, watch: Arc<dyn Watch>) -> Result<(), Rejected> {
        self.enter(request, Some(watch))
    }

    fn enter(&self, request: ActionRequest, watch: Option<Arc<dyn Watch>>) -> Result<(), Rejected> {
        let accepted = Instant::now();
        match self.admitted(&request) {
            Ok((share, place)) => {
                self.reports.accepted();
                self.waiting.push(Job { request, accepted, watch }, share, place);
                // If there is no room to tell it, the thread has yet to hear that there is something.
                let _ = self.wake.try_send(());
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
    fn admitted(&self, request: &ActionRequest) -> Result<(Share, Place), Rejected> {
        if self.wake.is_closed() {
            return Err(Rejected::QueueFull);
        }
        let share = self.places.of(request);
        match share.wait() {
            Ok(place) => {
                self.admit(request)?;
                Ok((share, place))
            }
            Err(rejected) if self.prefer == Preference::Oldest => Err(rejected),
            // What is turned away for another reason must not displace anything.
            Err(_) => {
                self.admit(request)?;
                let place = self.waiting.displace(&share, |job| self.displaced(job))?;
                Ok((share, place))
            }
        }
    }

    fn displaced(&self, job: Job) {
        self.limits().forget(&job.request);
        self.reports.rejected(job.request, Rejected::Displaced, job.accepted);
    }

    fn counters(&self) -> Counters {
        self.reports.counters(&self.places)
    }

    fn admit(&self, request: &ActionRequest) -> Result<(), Rejected> {
        self.limits().admit(request)
    }

    /// A thread that panicked leaves the limits as they are: at worst a token is spent for nothing.
    fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
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

async fn work(mut woken: mpsc::Receiver<()>, waiting: Waiting, retrying: Retrying, reports: Reports) {
    let mut running = JoinSet::new();
    while woken.recv().await.is_some() {
        while running.try_join_next().is_some() {}
        while let Some(turn) = waiting.next() {
            let (waiting, retrying, reports) = (waiting.clone(), retrying.clone(), reports.clone());
            running.spawn(async move {
                let Some(Due { job, share, running }) = waiting.due(turn).await else { return };
                let fired = retrying.fire(&job, &share, running).await;
                reports.done(job.request, fired, job.accepted);
            });
        }
    }
    while running.join_next().await.is_some() {}
}
