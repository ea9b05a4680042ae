//! What is known of containers beside their ids: a directory with a file for each, which whoever starts them writes.
//!
//! `DIR/<64 hexadecimal digits>.json` holds the fields of [`File`]. A container whose file is there before its cgroup is
//! made is in its scopes before its first process runs; what comes later is taken in within a second.

use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde::Deserialize;
use serin_event::Pod;
use serin_policy::Description;
use serin_process::Pods;

use crate::live::LivePolicies;

/// How often the directory is looked at; why not by inotify, the reloader of plugins says.
const INTERVAL: Duration = Duration::from_secs(1);

/// Longest file, in bytes: labels and annotations of a pod have at most 256 KiB.
const MAX_FILE: u64 = 1 << 20;

/// What a file says of its container. What is missing is not known.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    /// Its name in its pod.
    name: Option<String>,
    /// The repository of its image, without tag: `docker.io/library/nginx`.
    repo: Option<String>,
    /// Its pod's namespace.
    namespace: String,
    /// Its pod's name.
    pod: String,
    /// Its pod's labels.
    labels: BTreeMap<String, String>,
}

/// What the files say, by the ids of containers.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// For the scopes of policies.
    pub(crate) descriptions: HashMap<String, Description>,
    /// For events.
    pub(crate) pods: Pods,
}

/// The directory.
#[derive(Debug, Clone)]
pub(crate) struct Containers(PathBuf);

/// What tells one version of the files from another.
type Stamps = BTreeMap<PathBuf, Option<(SystemTime, u64)>>;

impl Containers {
    pub(crate) fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// Reads all files. Files that are wrong are said and left out.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(crate) fn read(&self) -> Result<Known> {
        let mut found = Known::default();
        for path in self.stamps()?.into_keys() {
            match describe(&path) {
                Ok(Some((id, file))) => found.add(id, file),
                // Removed since the directory was read.
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!("{}: {error:#}; this container is not described", path.display())
                }
            }
        }
        Ok(found)
    }

    /// Starts a thread that takes in what changes, for as long as the policies are there.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn watch(self, policies: &Arc<LivePolicies>) -> Result<()> {
        let policies = Arc::downgrade(policies);
        let thread = std::thread::Builder::new().name("serin-containers".into());
        thread.spawn(move || self.follow(&policies)).context("cannot start a thread")?;
        Ok(())
    }

    fn follow(&self, policies: &Weak<LivePolicies>) {
        // Read anew once: files may have come since the start read them.
        let mut before = None;
        loop {
            let now = self.stamps().ok();
            if now.is_some() && now != before {
                let Ok(known) = self.read() else { continue };
                let Some(policies) = policies.upgrade() else { return };
                if !policies.describe_containers(known) {
                    return;
                }
                before = now;
            }
            std::thread::sleep(INTERVAL);
            if policies.strong_count() == 0 {
                return;
            }
        }
    }

    fn stamps(&self) -> Result<Stamps> {
        let entries = std::fs::read_dir(&self.0);
        let entries = entries.with_context(|| format!("cannot read {}", self.0.display()))?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        let stamp = |path: &Path| {
            let metadata = path.metadata().ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        Ok(paths.map(|path| (path.clone(), stamp(&path))).collect())
    }
}

impl Known {
    fn add(&mut self, id: String, file: File) {
        let File { name, repo, namespace, pod, labels } = file;
        let known = Pod {
            namespace: namespace.clone(),
            name: pod,
            container_id: id.clone(),
            container_name: name.clone().unwrap_or_default(),
            image: repo.clone().unwrap_or_default(),
            labels: labels.clone(),
        };
        self.pods.insert(id.clone(), known.into());
        self.descriptions.insert(id, Description { name, repo, namespace, labels });
    }
}

/// The container of a file, and what the file says of it; `None` if there is no such file.
fn describe(path: &Path) -> Result<Option<(String, File)>> {
    let id = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    anyhow::ensure!(is_id, "the file's name is not a container's id of 64 hexadecimal digits");
    let length = match path.metadata() {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    anyhow::ensure!(length <= MAX_FILE, "the file has {length} bytes; at most {MAX_FILE} are read");
    Ok(Some((id.to_owned(), serde_json::from_slice(&std::fs::read(path)?)?)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn files_describe_containers_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let id = "5e1f".repeat(16);
        write(
            &format!("{id}.json"),
            r#"{"name": "main", "namespace": "shop", "pod": "web-7", "labels": {"app": "web"}}"#,
        );
        write(&format!("{}.json", "6e1f".repeat(16)), r#"{"image": "nginx"}"#);
        write("readme.json", "{}");
        write("readme.txt", "");
        let found = Containers::new(folder.path()).read().unwrap();
        assert_eq!(found.descriptions.keys().collect::<Vec<_>>(), [&id]);
        let known = &found.descriptions[&id];
        assert_eq!((known.name.as_deref(), known.repo.as_deref()), (Some("main"), None));
        assert_eq!((known.namespace.as_str(), known.labels["app"].as_str()), ("shop", "web"));
        let pod = &found.pods[&id];
        assert_eq!(
            (pod.name.as_str(), pod.namespace.as_str(), pod.container_name.as_str()),
            ("web-7", "shop", "main")
        );
        assert_eq!((&pod.container_id, &pod.labels), (&id, &known.labels));
        assert!(Containers::new(&folder.path().join("none")).read().is_err());
    }
}
