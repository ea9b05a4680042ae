//! Another version of the plugins, while the agent runs.
//!
//! A thread looks after the pipeline file and the files that it names. When they change, or when asked, it
//! compiles and starts their plugins and leaves them for the worker, which puts them in place between two batches.
//! What can't be started is said, and the plugins that run go on.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use serin_canary::CanaryConfig;
use serin_export::SinkConfig;
use serin_pipeline::{Cache, Loader, Pipeline, PipelineFile};

/// How often files are looked at. Not by inotify: it does not see what happens behind links, as configuration is
/// mounted into containers, nor on network file systems.
const INTERVAL: Duration = Duration::from_secs(1);

/// Where the next version of the plugins waits for the worker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Next(Arc<Mutex<Option<Pipeline>>>);

impl Next {
    /// Puts the next version in the place of this one, if there is one.
    pub(crate) fn replace(&self, pipeline: &mut Pipeline) {
        let next = self.lock().take();
        if let Some(mut next) = next {
            std::mem::swap(pipeline, &mut next);
            pipeline.succeed(next);
            tracing::info!("the plugins were reloaded");
        }
    }

    fn put(&self, pipeline: Pipeline) {
        *self.lock() = Some(pipeline);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Pipeline>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for a reload; the thread ends when the last one of these is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Reloader(Sender<()>);

impl Reloader {
    /// Starts the thread.
    pub(crate) fn start(path: &Path, loader: Loader, cache: Option<Cache>, next: Next) -> Result<Self> {
        let (sender, requests) = channel();
        let watch = Watch { path: path.to_owned(), loader, cache, next };
        std::thread::Builder::new().name("serin-reload".into()).spawn(move || watch.run(&requests))?;
        Ok(Self(sender))
    }

    /// Reloads the plugins whether or not a file has changed.
    pub(crate) fn request(&self) {
        // The thread is there as long as this is.
        let _ = self.0.send(());
    }
}

struct Watch {
    path: PathBuf,
    loader: Loader,
    cache: Option<Cache>,
    next: Next,
}

/// What tells one version of a file from another; nothing if it is not there.
type Stamp = Option<(SystemTime, u64)>;

impl Watch {
    fn run(&self, requests: &Receiver<()>) {
        let mut files = self.files().unwrap_or_else(|_| vec![self.path.clone()]);
        let mut loaded = stamps(&files);
        let mut before = loaded.clone();
        loop {
            let asked = match requests.recv_timeout(INTERVAL) {
                Ok(()) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let now = stamps(&files);
            // A file that is still being written is left alone until it rests.
            let rests = now == before;
            before.clone_from(&now);
            if !asked && (now == loaded || !rests) {
                continue;
            }
            match self.load() {
                Ok(pipeline) => self.next.put(pipeline),
                Err(error) => tracing::error!("the plugins were not reloaded, those before go on: {error:#}"),
            }
            // From before it was loaded: what has changed meanwhile is seen the next time.
            loaded = now;
            if let Ok(named) = self.files()
                && named != files
            {
                files = named;
                loaded = stamps(&files);
                before.clone_from(&loaded);
            }
        }
    }

    fn file(&self) -> Result<PipelineFile<SinkConfig, CanaryConfig>> {
        Ok(PipelineFile::read(&self.path)?)
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        Ok(self.file()?.files())
    }

    fn load(&self) -> Result<Pipeline> {
        Ok(self.loader.load(&self.file()?, self.cache.as_ref())?)
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |file: &PathBuf| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(stamp).collect()
}
