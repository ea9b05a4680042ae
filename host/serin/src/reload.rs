//! Another version of the plugins, while the agent runs.
//!
//! A thread looks after the pipeline file and the files that it names. When they change, or when asked, it
//! compiles and starts their plugins and leaves them for the worker, which puts them in place between two batches.
//! What can't be started is said, and the plugins that run go on. Whoever has asked is told when it is done.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use serin_event::action::ActionRequest;
use serin_pipeline::{Cache, Loader, Pipeline};

use crate::plugin::project::File;

/// How often files are looked at. Not by inotify: it does not see what happens behind links, as configuration is
/// mounted into containers, nor on network file systems.
const INTERVAL: Duration = Duration::from_secs(1);

/// Told that the plugins are in place, or why they can't be.
type Done = Sender<Result<(), String>>;

/// Where the next version of the plugins waits for the worker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Next(Arc<Mutex<Option<Started>>>);

/// A version that has been started.
#[derive(Debug)]
struct Started {
    pipeline: Pipeline,
    /// Who waits for it.
    waiting: Vec<Done>,
}

impl Next {
    /// Puts the next version in the place of this one, if there is one.
    pub(crate) fn replace(&self, pipeline: &mut Pipeline) -> Option<Replaced> {
        let Started { pipeline: mut next, waiting } = self.lock().take()?;
        std::mem::swap(pipeline, &mut next);
        let requests = pipeline.succeed(next);
        tracing::info!("the plugins were reloaded");
        Some(Replaced { requests, waiting })
    }

    /// In the place of one that still waits.
    fn put(&self, pipeline: Pipeline, done: Option<Done>) {
        let mut next = self.lock();
        let waiting = next.take().map(|before| before.waiting).unwrap_or_default();
        *next = Some(Started { pipeline, waiting: waiting.into_iter().chain(done).collect() });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Started>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Another version is in place.
#[must_use = "somebody may wait for it"]
pub(crate) struct Replaced {
    /// What those request that have gone.
    pub(crate) requests: Vec<ActionRequest>,
    waiting: Vec<Done>,
}

impl Replaced {
    /// Tells whoever has asked for it.
    pub(crate) fn tell(self) {
        for done in self.waiting {
            // Whoever asked may have given up.
            let _ = done.send(Ok(()));
        }
    }
}

/// Asks for a reload; the thread ends when the last one of these is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Reloader(Sender<Option<Done>>);

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
        let _ = self.0.send(None);
    }

    /// Reloads the plugins, and waits until they are in place.
    ///
    /// # Errors
    /// Why they can't be started, in words that begin with file, line and column.
    pub(crate) fn reload(&self) -> Result<(), String> {
        let ending = || "the agent is ending".to_owned();
        let (done, reloaded) = channel();
        self.0.send(Some(done)).map_err(|_| ending())?;
        reloaded.recv().map_err(|_| ending())?
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
    fn run(&self, requests: &Receiver<Option<Done>>) {
        let mut files = self.files().unwrap_or_else(|_| vec![self.path.clone()]);
        let mut loaded = stamps(&files);
        let mut before = loaded.clone();
        loop {
            let (asked, done) = match requests.recv_timeout(INTERVAL) {
                Ok(done) => (true, done),
                Err(RecvTimeoutError::Timeout) => (false, None),
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
                Ok(pipeline) => self.next.put(pipeline, done),
                Err(error) => {
                    tracing::error!("the plugins were not reloaded, those before go on: {error:#}");
                    // Whoever asked may have given up.
                    let _ = done.map(|done| done.send(Err(format!("{error:#}"))));
                }
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

    fn file(&self) -> Result<File> {
        Ok(File::read(&self.path)?)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn pipeline() -> Pipeline {
        let text = "apiVersion: serin.dev/v1alpha1\nkind: Pipeline\nspec:\n  sinks: []\n".to_owned();
        let file = File::parse(Path::new("p.yaml"), text).unwrap();
        Pipeline::load(&file, None).unwrap()
    }

    #[test]
    fn whoever_asked_is_told_once_a_version_from_then_or_later_is_in_place() {
        let (next, mut running) = (Next::default(), pipeline());
        let (done, told) = channel();
        next.put(pipeline(), Some(done));
        next.put(pipeline(), None);
        let replaced = next.replace(&mut running).unwrap();
        assert!(told.try_recv().is_err(), "told before it was shown");
        replaced.tell();
        assert_eq!(told.recv(), Ok(Ok(())));
        assert!(next.replace(&mut running).is_none());
    }
}
