//! Certificates that are replaced while clients are served.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tonic::transport::Server as Transport;

use crate::listen::{Remote, ServeError};
use crate::transport;

/// How often the files are looked at.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// What tells one version of a file from another; nothing if it is not there.
type Stamp = Option<(SystemTime, u64)>;

/// Looks after the files that certificates come from.
pub(crate) struct Renewal {
    remote: Remote,
    /// The files as they were loaded, and as they were when last looked at.
    loaded: Vec<Stamp>,
    before: Vec<Stamp>,
}

impl Renewal {
    /// For files that have just been loaded.
    pub(crate) fn new(remote: Remote) -> Self {
        let now = stamps(&remote);
        Self { remote, loaded: now.clone(), before: now }
    }

    /// What to serve new connections with, if the files have changed and rest since, or if `asked`. Files that are no
    /// good are told about, and change nothing.
    pub(crate) fn next(&mut self, asked: bool) -> Option<Transport> {
        let now = stamps(&self.remote);
        let rests = now == self.before;
        self.before.clone_from(&now);
        if !asked && (now == self.loaded || !rests) {
            return None;
        }
        self.loaded = now;
        match transport::secured(&self.remote) {
            Ok(transport) => {
                tracing::info!("the API's certificates were reloaded");
                Some(transport)
            }
            Err(error) => {
                tracing::error!(
                    "the API's certificates were not reloaded, those before go on: {}",
                    causes(&error)
                );
                None
            }
        }
    }
}

fn causes(error: &ServeError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn stamps(remote: &Remote) -> Vec<Stamp> {
    let files = &remote.certificates;
    let stamp = |file: &PathBuf| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    [&files.certificate, &files.key, &files.authorities].map(stamp).into()
}
