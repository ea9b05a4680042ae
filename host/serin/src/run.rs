//! `serin run`: start, work, stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serin_api::{Hub, Listen, Server};
use serin_canary::Engine;
use serin_export::{Exporter, Monitor, SinkConfig, Tracer};
use serin_kernel::{Kernel, KernelConfig, KernelError, LoadedHook};
use serin_pipeline::{Cache, Facts, HostId, Loader, MAX_BATCH, Rollbacks};
use serin_policy::PolicyPlan;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::backlog::Backlog;
use crate::canary_trace::CanaryTraces;
use crate::census;
use crate::cli::RunArguments;
use crate::containers::Containers;
use crate::counts::Counts;
use crate::ended_calls;
use crate::heap;
use crate::live::{Answers, LivePolicies, labels};
use crate::log::Log;
use crate::node;
use crate::notify::Notifier;
use crate::observe::server::{self, Bound};
use crate::observe::{Observed, snapshot};
use crate::plugin::project::File;
use crate::policies::{self, count};
use crate::reader::{ReaderCounters, ReaderThread};
use crate::reload::{Next, Reloader};
use crate::sensor::Sensor;
use crate::summary::{self, KernelSummary};
use crate::worker::{WorkerOutcome, WorkerThread};

/// Events that may wait for the worker, which then take about 20 MB.
const BACKLOG: usize = 16_384;
/// How long the sinks may take for what is left when the agent ends.
const DRAIN: Duration = Duration::from_secs(10);

/// Signals this soon after the first are taken for the same: timeout(1) signals both its child and the group.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// Runs the agent to its end.
pub(crate) fn run(arguments: &RunArguments, log: Log) -> Result<()> {
    let started = Instant::now();
    allow_open_files();
    // Only the main thread uses it, to wait for signals.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let (refresh, mut asked_to_refresh) = tokio::sync::mpsc::unbounded_channel();
        let agent = Agent::start(arguments, started, &refresh, log)?;
        let mut notifier = Notifier::from_environment();
        notifier.ready(&agent.summary);
        let ended = loop {
            tokio::select! {
                asked = signals.next() => match asked {
                    Asked::End => break Ok(()),
                    Asked::Renew => {
                        agent.sinks.reopen();
                        agent.reloader.iter().for_each(Reloader::request);
                        agent.api.iter().for_each(Server::renew);
                    }
                },
                () = agent.ended.notified() => break Err(()),
                () = notifier.due() => match agent.observed.sickness() {
                    None => notifier.works(),
                    Some(reason) => tracing::error!("{reason}"),
                },
                Some(done) = asked_to_refresh.recv() => {
                    agent.refresh();
                    // Whoever asked may have given up.
                    let _ = std::sync::mpsc::Sender::send(&done, ());
                }
            }
        };
        drop(asked_to_refresh);
        notifier.stopping();
        agent.stop(&mut signals, ended.is_ok()).await
    })
}

/// Each hook has some programs and maps open: raises the limit as far as this process may.
fn allow_open_files() {
    /// The default of `fs.nr_open`.
    const WANTED: u64 = 1 << 20;
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: Some(WANTED), maximum: Some(limit.maximum.unwrap_or(WANTED).max(WANTED)) };
    // Without CAP_SYS_RESOURCE as far as the hard limit.
    let within = Rlimit { current: limit.maximum, ..limit };
    let done = setrlimit(Resource::Nofile, raised).or_else(|_| setrlimit(Resource::Nofile, within));
    if let Err(error) = done {
        tracing::warn!("the limit of open files cannot be raised: {error}");
    }
}

/// SIGINT and SIGTERM, which end the agent, and SIGHUP, upon which it reopens its files and reloads its plugins and
/// certificates.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let signal = |kind| signal(kind).context("cannot wait for signals");
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::End,
            _ = self.terminate.recv() => Asked::End,
            _ = self.hangup.recv() => Asked::Renew,
        }
    }

    /// Waits for one that is to end the agent and is not an echo of the one before.
    async fn another(&mut self) {
        let first = Instant::now();
        while self.next().await != Asked::End || first.elapsed() < SAME_SIGNAL {}
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    End,
    Renew,
}

/// The running agent.
struct Agent {
    /// What was attached at the start.
    summary: String,
    policies: Arc<LivePolicies>,
    hub: Arc<Hub>,
    api: Option<Server>,
    reader: JoinHandle<Result<ReaderCounters, KernelError>>,
    worker: JoinHandle<WorkerOutcome>,
    sinks: Monitor,
    /// None if there is no file to look at.
    reloader: Option<Reloader>,
    observed: Arc<Observed>,
    _endpoints: Vec<Bound>,
    stop: Arc<AtomicBool>,
    /// A thread has ended.
    ended: Arc<Notify>,
}

impl Agent {
    /// What needs no privileges comes first, and the kernel last: on any error, nothing stays attached.
    fn start(
        arguments: &RunArguments,
        started: Instant,
        refresh: &server::Refresh,
        log: Log,
    ) -> Result<Self> {
        let listen = arguments.api.listen()?;
        let file = pipeline_file(arguments.pipeline.as_deref())?;
        let node_name: Arc<str> = rustix::system::uname().nodename().to_string_lossy().into();
        let labels = node::labels(&node_name, &arguments.node_label);
        let policies = policies::load(&arguments.policies, &arguments.kernel.btf, &labels)?;
        let count_of_policies = policies.len();
        let cache = cache(&arguments.cache);
        let loader = Loader::new(HostId::of_this_host())?.with_rollbacks(rollbacks(&arguments.state));
        let loader = loader.with_facts(facts(&arguments.state));
        let pipeline = loader.load(&file, cache.as_ref())?;
        let exporter = Exporter::open(&file.spec.sinks)?;
        let sinks = exporter.monitor();
        let engine = Engine::start(file.spec.canary.clone().unwrap_or_default())?;
        if let Some(demo) = engine.demo() {
            tracing::info!("demo listeners: DNS on {}, HTTP on {}", demo.dns(), demo.http());
        }
        let traces = file.spec.traces.as_ref().map(|traces| Tracer::open(traces, &node_name));
        let tracer = traces.transpose().context("cannot start the thread that sends traces")?;
        let containers = arguments.containers.as_deref().map(Containers::new);
        let config = KernelConfig { keep_enforcing: arguments.keep_on_exit, ..arguments.kernel.config() };
        let sensor = Sensor::start(&config, (&node_name, labels), policies, containers.as_ref())?;
        let (policies, hub) = (Arc::new(sensor.policies), Arc::new(Hub::default()));
        ended_calls::watch(&policies)?;
        if let Some(containers) = containers {
            containers.watch(&policies)?;
        }
        let observed =
            Arc::new(Observed::new(&node_name, sinks.clone(), tracer.as_ref().map(Tracer::monitor)));
        let next = Next::default();
        let reload = |path: &PathBuf| Reloader::start(path, loader, cache, next.clone());
        let reloader = arguments.pipeline.as_ref().map(reload).transpose()?;
        let (asked, questions) = census::channel_of_questions();
        let answers = Answers {
            policies: Arc::clone(&policies),
            observed: Arc::clone(&observed),
            refresh: refresh.clone(),
            processes: asked,
            reloader: reloader.clone(),
            log,
        };
        let api = listen.map(|listen| serve(&listen, answers, &hub)).transpose()?;
        let endpoints = server::serve(arguments.metrics.endpoints(), &observed, refresh)?;
        let processes = sensor.processes.len();
        let backlog = Arc::new(Backlog::new(BACKLOG, MAX_BATCH));
        let (stop, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
        let spans = tracer.as_ref().map(Tracer::spans);
        let canaries = CanaryTraces { submitter: engine.submitter().clone(), spans };
        let reader = ReaderThread {
            reader: sensor.reader,
            processes: sensor.processes,
            hooks: sensor.hooks,
            canaries: canaries.clone(),
            backlog: Arc::clone(&backlog),
            stop: Arc::clone(&stop),
            observed: Arc::clone(&observed),
            census: questions,
        };
        let (hub_of_worker, observed_by_worker) = (Arc::clone(&hub), Arc::clone(&observed));
        let worker = WorkerThread {
            backlog,
            pipeline,
            next,
            exporter,
            tracer,
            hub: hub_of_worker,
            engine,
            canaries,
            node_name,
            observed: observed_by_worker,
        };
        let worker = spawn("serin-worker", &ended, move || worker.run())?;
        let reader = spawn("serin-reader", &ended, move || reader.run())?;
        heap::trim();
        let summary = format!(
            "{} on {}, {} known",
            count(count_of_policies, "policy", "policies"),
            count(policies.hooks(), "hook", "hooks"),
            count(processes, "process", "processes"),
        );
        tracing::info!("ready after {} ms: {summary}", started.elapsed().as_millis());
        observed.set_ready(true);
        Ok(Self {
            summary,
            policies,
            hub,
            api,
            reader,
            worker,
            sinks,
            reloader,
            observed,
            _endpoints: endpoints,
            stop,
            ended,
        })
    }

    /// Brings up to date what can be seen of the kernel's counters.
    fn refresh(&self) {
        self.policies.look(|kernel, policies| {
            let KernelSummary { all, counts } = summarize(kernel);
            let hook = |plan: &PolicyPlan, hook: &LoadedHook| {
                let enforcement = hook.enforcement.as_ref().map(ToString::to_string).unwrap_or_default();
                snapshot::Hook {
                    selector_hits: counts.selectors(hook.id).iter().map(|count| count.hits).collect(),
                    selector_labels: labels(plan, hook).into_iter().map(str::to_owned).collect(),
                    ..snapshot::Hook::new(
                        &hook.function,
                        hook.backend.to_string(),
                        enforcement,
                        counts.hook(hook.id),
                    )
                }
            };
            let policy = |(plan, hooks): (&PolicyPlan, &[LoadedHook])| snapshot::Policy {
                name: plan.name.clone(),
                hooks: hooks.iter().map(|loaded| hook(plan, loaded)).collect(),
            };
            self.observed.kernel(all.into(), policies.into_iter().map(policy).collect());
        });
    }

    /// Detaches, lets the reader and then the worker finish what is there, and prints the counters.
    async fn stop(self, signals: &mut Signals, asked: bool) -> Result<()> {
        self.observed.set_ready(false);
        let kernel = self.policies.close();
        let counted = kernel.as_ref().map(summarize).unwrap_or_default();
        kernel.map(leave).transpose()?;
        self.stop.store(true, Ordering::Release);
        let reader = self.reader.join().map_err(|_| anyhow!("the reader thread panicked"))?;
        tokio::select! {
            () = finished(&self.worker) => {}
            () = tokio::time::sleep(DRAIN) => {
                bail!(
                    "the sinks did not take what was left within {} s; what is in no spool is lost",
                    DRAIN.as_secs()
                )
            }
            () = signals.another() => bail!("stopped by a second signal; what was left in no spool is lost"),
        }
        let worker = self.worker.join().map_err(|_| anyhow!("the worker thread panicked"))?;
        // Clients have got everything by now, or what fits their queues.
        drop(self.api);
        let reader = reader?;
        summary::print(&counted, &reader, &worker, self.hub.counters());
        worker.ended?;
        if asked { Ok(()) } else { bail!("a thread ended though nobody asked it to") }
    }
}

/// The pipeline of the file, or what there is without one.
fn pipeline_file(path: Option<&Path>) -> Result<File> {
    const DEFAULT: &str = include_str!("../pipelines/default.yaml");
    let file = match path {
        Some(path) => File::read(path)?,
        None => File::parse(Path::new("default.yaml"), DEFAULT.to_owned())?,
    };
    if let Some((sink, spool)) = SinkConfig::shared_spool(&file.spec.sinks) {
        let path = spool.path.display();
        let message = format!("another sink has the spool {path} already: give each a folder of its own");
        return Err(file.sink_error(sink, "spool", message).into());
    }
    Ok(file)
}

/// Serves the API.
fn serve(listen: &Listen, answers: Answers, hub: &Arc<Hub>) -> Result<Server> {
    let server = Server::start(listen, Arc::new(answers), Arc::clone(hub))?;
    for address in server.addresses() {
        tracing::info!("the API is served on {address} to clients with certificates");
    }
    Ok(server)
}

/// Runs a thread that notifies when it ends, however it ends.
fn spawn<T: Send + 'static>(
    name: &str,
    ended: &Arc<Notify>,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    struct NotifyOnDrop(Arc<Notify>);
    impl Drop for NotifyOnDrop {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let ended = NotifyOnDrop(Arc::clone(ended));
    let run = move || {
        let _ended = ended;
        run()
    };
    thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .with_context(|| format!("cannot start the thread {name}"))
}

async fn finished<T>(thread: &JoinHandle<T>) {
    while !thread.is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Without a cache plugins are compiled at every start, which is slower and nothing else.
fn cache(path: &Path) -> Option<Cache> {
    Cache::open(path).inspect_err(|error| tracing::info!("plugins are compiled anew: {error}")).ok()
}

/// Without a folder for them, nothing of plugins outlives the agent.
fn facts(state: &Path) -> Option<Facts> {
    let opened = Facts::open(state);
    opened.inspect_err(|error| tracing::warn!("facts of plugins are forgotten at the end: {error}")).ok()
}

/// Without a place for what is kept, a version that was rolled back is tried again at each start.
fn rollbacks(state: &Path) -> Option<Rollbacks> {
    let opened = Rollbacks::open(state);
    opened.inspect_err(|error| tracing::warn!("rollbacks are forgotten at the end: {error}")).ok()
}

/// Detaches, or leaves what is to stay.
fn leave(kernel: Kernel) -> Result<()> {
    let bpffs = kernel.bpffs().to_owned();
    let kept = kernel.leave()?;
    if !kept.is_empty() {
        tracing::info!(
            "{} still attached ({}); `rm -r {}` takes them out",
            count(kept.len(), "hook is", "hooks are"),
            kept.join(", "),
            bpffs.display()
        );
    }
    Ok(())
}

fn summarize(kernel: &Kernel) -> KernelSummary {
    let summary = kernel.count().and_then(|all| Ok(KernelSummary { all, counts: Counts::read(kernel)? }));
    summary.unwrap_or_else(|error| {
        tracing::warn!("the kernel's counters can't be read: {error}");
        KernelSummary::default()
    })
}
