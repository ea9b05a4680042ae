//! The pipeline file.

mod entry;

use std::path::{Path, PathBuf};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serin_config::scalar;

pub(crate) use self::entry::digest;
pub use self::entry::{Limits, OnFailure, OnOverload, PluginEntry};
use crate::artifact::{ArtifactError, Store};
use crate::digest::Digest;
use crate::locate::{Location, Step, locate};
use crate::signature::{Trust, signature_file};
use crate::source::ComponentSource;
use crate::{MAX_CONFIG, MAX_FILE, MAX_PLUGINS};

/// A pipeline file: `S` is a sink's configuration, `C` the canary engine's, `T` that of traces.
#[derive(Debug, Clone)]
pub struct PipelineFile<S, C, T = IgnoredAny> {
    path: PathBuf,
    text: String,
    /// What it says.
    pub spec: Spec<S, C, T>,
}

/// `spec`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Spec<S, C, T> {
    /// The plugins, in the order in which events pass them.
    #[serde(default = "Vec::new")]
    pub plugins: Vec<PluginEntry>,
    /// The folder of artifacts that were pulled from registries; a relative path starts from the pipeline file's folder.
    #[serde(default = "default_store")]
    pub store: PathBuf,
    /// What components must be signed by; nothing if left out.
    #[serde(default)]
    pub trust: Option<Trust>,
    /// Where events go.
    #[serde(default = "Vec::new")]
    pub sinks: Vec<S>,
    /// The canary engine.
    #[serde(default = "none")]
    pub canary: Option<C>,
    /// Traces of how batches pass the pipeline; none if left out.
    #[serde(default = "none")]
    pub traces: Option<T>,
}

fn default_store() -> PathBuf {
    PathBuf::from(Store::DEFAULT)
}

fn none<T>() -> Option<T> {
    None
}

/// What is wrong with a pipeline file, and where.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", place(.path, *.location))]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// Where in it, if known.
    pub location: Option<Location>,
    /// What is wrong and what to write instead.
    pub message: String,
}

pub(crate) fn place(path: &Path, location: Option<Location>) -> String {
    match location {
        Some(Location { line, column }) => format!("{}:{line}:{column}", path.display()),
        None => path.display().to_string(),
    }
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    bound = "S: Deserialize<'de>, C: Deserialize<'de>, T: Deserialize<'de>"
)]
struct Document<S, C, T> {
    #[serde(rename = "apiVersion", deserialize_with = "api_version")]
    _api_version: (),
    #[serde(rename = "kind", deserialize_with = "kind")]
    _kind: (),
    spec: Spec<S, C, T>,
}

impl<S: DeserializeOwned, C: DeserializeOwned, T: DeserializeOwned> PipelineFile<S, C, T> {
    /// Reads a pipeline file.
    ///
    /// # Errors
    /// If it can't be read, is larger than 1 MiB, or doesn't say what a pipeline file says.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let error = |message| ConfigError { path: path.to_owned(), location: None, message };
        let size =
            std::fs::metadata(path).map_err(|source| error(format!("cannot be read: {source}")))?.len();
        if size > MAX_FILE {
            return Err(error(format!("has {size} bytes; a pipeline file has at most {MAX_FILE}")));
        }
        let text =
            std::fs::read_to_string(path).map_err(|source| error(format!("cannot be read: {source}")))?;
        Self::parse(path, text)
    }

    /// Reads a pipeline file's text; `path` is for messages and for relative paths in it.
    ///
    /// # Errors
    /// If it doesn't say what a pipeline file says.
    pub fn parse(path: &Path, text: String) -> Result<Self, ConfigError> {
        let document: Document<S, C, T> = serde_yaml::from_str(&text).map_err(|error| ConfigError {
            path: path.to_owned(),
            location: error.location().map(Location::from),
            message: without_location(&error),
        })?;
        let file = Self { path: path.to_owned(), text, spec: document.spec };
        file.check()?;
        Ok(file)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let plugins = &self.spec.plugins;
        if plugins.len() > MAX_PLUGINS {
            let message = format!("{} plugins; a pipeline has at most {MAX_PLUGINS}", plugins.len());
            return Err(self.error(&[Step::Key("spec"), Step::Key("plugins")], message));
        }
        for (index, plugin) in plugins.iter().enumerate() {
            let name = &plugin.name;
            if plugins.iter().take(index).any(|other| other.name == *name) {
                let message = format!("there is a plugin `{name}` already: each needs a name of its own");
                return Err(self.plugin_error(index, "name", message));
            }
            plugin.events.check().map_err(|message| self.plugin_error(index, "events", message))?;
            if let Some(hash) = plugin.grants.hash
                && hash.wait >= plugin.limits.time
            {
                let (wait, time) = (hash.wait, plugin.limits.time);
                let message = format!(
                    "a call may wait {wait:?} for digests, but has {time:?} in all: lower `wait` or raise `time`"
                );
                return Err(self.plugin_error(index, "limits", message));
            }
            if plugin.config_file.is_some() && !plugin.config.is_null() {
                let message = "both `config` and `configFile`: write one of them".to_owned();
                return Err(self.plugin_error(index, "configFile", message));
            }
            self.check_rollout(index, plugin)?;
        }
        if self.spec.trust.as_ref().is_some_and(|trust| trust.keys.is_empty()) {
            let message =
                "`keys` is empty, so no component would be trusted: write one, or leave `trust` out";
            return Err(self.error(&[Step::Key("spec"), Step::Key("trust")], message.to_owned()));
        }
        Ok(())
    }

    fn check_rollout(&self, index: usize, plugin: &PluginEntry) -> Result<(), ConfigError> {
        let Some(rollout) = &plugin.rollout else { return Ok(()) };
        if rollout.config.is_some() && rollout.config_file.is_some() {
            let message = "both `config` and `configFile` of the new version: write one of them".to_owned();
            return Err(self.plugin_error(index, "rollout", message));
        }
        let old = PluginEntry { rollout: None, ..plugin.clone() };
        if rollout.apply(plugin) == old {
            let message = "the new version is the old one: name another component, or another configuration";
            return Err(self.plugin_error(index, "rollout", message.to_owned()));
        }
        Ok(())
    }
}

impl<S, C, T> PipelineFile<S, C, T> {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every file that this one names for its plugins, and this one itself.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.path.clone()];
        let next = self.spec.plugins.iter().filter_map(PluginEntry::next);
        for entry in self.spec.plugins.iter().cloned().chain(next) {
            let component = match &entry.component {
                ComponentSource::Path(path) => self.folder().join(path),
                ComponentSource::Artifact(reference) => {
                    files.extend(reference.digest.map(|digest| self.store().path(&digest)));
                    // If it is not there yet, it comes with the manifest.
                    let Ok((path, _)) = self.store().component(reference) else { continue };
                    path
                }
            };
            if self.spec.trust.is_some() {
                files.push(signature_file(&component));
            }
            files.push(component);
            files.extend(entry.config_file.as_ref().map(|file| self.folder().join(file)));
        }
        files
    }

    /// Where artifacts are kept.
    pub fn store(&self) -> Store {
        Store::new(self.folder().join(&self.spec.store))
    }

    /// The file of an entry's component, and the digest that it must have if it is of an artifact.
    ///
    /// # Errors
    /// If the artifact is not kept here, or no component's.
    pub fn component(&self, entry: &PluginEntry) -> Result<(PathBuf, Option<Digest>), ArtifactError> {
        match &entry.component {
            ComponentSource::Path(path) => Ok((self.folder().join(path), None)),
            ComponentSource::Artifact(reference) => {
                let (path, digest) = self.store().component(reference)?;
                Ok((path, Some(digest)))
            }
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Where a field of a plugin's entry stands.
    pub(crate) fn locate(&self, plugin: usize, field: &str) -> Option<Location> {
        let entry = [Step::Key("spec"), Step::Key("plugins"), Step::Index(plugin), Step::Key(field)];
        let (entry_alone, _) = entry.split_at(3);
        locate(&self.text, &entry).or_else(|| locate(&self.text, entry_alone))
    }

    /// An error at a field of a sink's entry.
    pub fn sink_error(&self, sink: usize, field: &str, message: String) -> ConfigError {
        self.error(&[Step::Key("spec"), Step::Key("sinks"), Step::Index(sink), Step::Key(field)], message)
    }

    fn plugin_error(&self, plugin: usize, field: &str, message: String) -> ConfigError {
        ConfigError { path: self.path.clone(), location: self.locate(plugin, field), message }
    }

    fn error(&self, at: &[Step<'_>], message: String) -> ConfigError {
        ConfigError { path: self.path.clone(), location: locate(&self.text, at), message }
    }
}

/// The YAML reader's message without the position, which stands before it here.
fn without_location(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let Some(at) = error.location() else { return text };
    let suffix = format!(" at line {} column {}", at.line(), at.column());
    text.replacen(&suffix, "", 1)
}

fn api_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    scalar(deserializer, |text| literal(text, "serin.dev/v1alpha1"))
}

fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    scalar(deserializer, |text| literal(text, "Pipeline"))
}

fn literal(text: &str, expected: &str) -> Result<(), String> {
    if text == expected { Ok(()) } else { Err(format!("`{text}` is not known: write `{expected}`")) }
}

/// A plugin's configuration as JSON, from a YAML file.
pub(crate) fn read_config(path: &Path) -> Result<serde_json::Value, ConfigError> {
    let error = |message| ConfigError { path: path.to_owned(), location: None, message };
    let size = std::fs::metadata(path).map_err(|source| error(format!("cannot be read: {source}")))?.len();
    if size > MAX_CONFIG {
        return Err(error(format!("has {size} bytes; a configuration has at most {MAX_CONFIG}")));
    }
    let text = std::fs::read_to_string(path).map_err(|source| error(format!("cannot be read: {source}")))?;
    serde_yaml::from_str(&text).map_err(|source| ConfigError {
        path: path.to_owned(),
        location: source.location().map(Location::from),
        message: without_location(&source),
    })
}
