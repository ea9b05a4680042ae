//! A plugin's folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serin_canary::CanaryConfig;
use serin_export::{SinkConfig, TracesConfig};
use serin_pipeline::{Cache, ComponentSource, Grants, HostId, Loader, Pipeline, PipelineFile, PluginEntry};

/// A pipeline file as the agent reads it.
pub(crate) type File = PipelineFile<SinkConfig, CanaryConfig, TracesConfig>;

/// The pipeline file of a plugin's folder; or `path` itself, if it is a file.
pub(crate) fn pipeline_file(path: &Path) -> Result<File> {
    let path = if path.is_file() { path.to_owned() } else { path.join("pipeline.yaml") };
    Ok(File::read(&path)?)
}

/// The plugins of a pipeline file, compiled and started for events that were recorded; what is compiled is kept in `cache`,
/// if there is one.
pub(crate) fn start(file: &File, cache: Option<&Cache>) -> Result<Pipeline> {
    Ok(Loader::new(HostId::of_this_host())?.for_recorded_events().load(file, cache)?)
}

/// The first plugin of the pipeline, which is the folder's own.
fn own_entry(folder: &Path) -> Result<PluginEntry> {
    pipeline_file(folder)?.spec.plugins.into_iter().next().context("pipeline.yaml names no plugin")
}

/// Where the folder's plugin has its component.
pub(crate) fn component(folder: &Path) -> Result<PathBuf> {
    match own_entry(folder)?.component {
        ComponentSource::Path(path) => Ok(folder.join(path)),
        ComponentSource::Artifact(reference) => {
            bail!("pipeline.yaml names {reference}, which is built elsewhere: name a .wasm file first")
        }
    }
}

/// What the folder's plugin may do.
pub(crate) fn grants(folder: &Path) -> Result<Grants> {
    Ok(own_entry(folder)?.grants)
}

/// The folders of the fixtures, in the order of their names.
pub(crate) fn fixtures(folder: &Path) -> Result<Vec<PathBuf>> {
    let all = folder.join("fixtures");
    let entries = std::fs::read_dir(&all).with_context(|| format!("cannot read {}", all.display()))?;
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}
