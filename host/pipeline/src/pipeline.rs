//! The chain of plugins.

use std::sync::Arc;

use serin_event::Event;
use serin_event::action::ActionRequest;

use crate::MAX_BATCH;
use crate::batch::Batch;
use crate::cache::Cache;
use crate::component::prepare;
use crate::config::{PipelineFile, PluginEntry};
use crate::counters::Counters;
use crate::engine::Runtime;
use crate::error::{LoadError, Reason};
use crate::plugin::{Passage, Plugin};

/// Plugins, started and ready.
#[derive(Debug)]
pub struct Pipeline {
    runtime: Runtime,
    plugins: Vec<Plugin>,
    batch: Batch,
    selected: Vec<usize>,
}

impl Pipeline {
    /// Compiles, links and starts the plugins of a pipeline file. Compiled code is kept in `cache`, if there is one.
    ///
    /// # Errors
    /// If a plugin can't be started: it is missing, built for something else,
    /// wants what it isn't granted, or refuses its configuration.
    pub fn load<S, C>(file: &PipelineFile<S, C>, cache: Option<&Cache>) -> Result<Self, LoadError> {
        let runtime = Runtime::new().map_err(LoadError::Engine)?;
        let mut plugins = Vec::new();
        for (index, entry) in file.spec.plugins.iter().enumerate() {
            let plugin = start(&runtime, file, entry, cache).map_err(|reason| LoadError::Plugin {
                path: file.path().to_owned(),
                location: file.locate(index, field(&reason)),
                name: entry.name.clone(),
                component: entry.component.clone(),
                reason: Box::new(reason),
            })?;
            plugins.push(plugin);
        }
        Ok(Self { runtime, plugins, batch: Batch::default(), selected: Vec::new() })
    }

    /// Passes events through the plugins: what they drop is removed, what they add is added.
    /// Gives the actions that they request and may request.
    pub fn process(&mut self, events: &mut Vec<Event>) -> Vec<ActionRequest> {
        let mut requests = Vec::new();
        if self.plugins.is_empty() || events.is_empty() {
            return requests;
        }
        let _running = self.runtime.run();
        let mut kept = vec![true; events.len()];
        for (events, kept) in events.chunks_mut(MAX_BATCH).zip(kept.chunks_mut(MAX_BATCH)) {
            self.batch.start(events.len());
            let mut passage = Passage {
                events,
                kept,
                batch: &mut self.batch,
                selected: std::mem::take(&mut self.selected),
            };
            for plugin in &mut self.plugins {
                plugin.process(&self.runtime.engine, &mut passage, &mut requests);
            }
            self.selected = passage.selected;
        }
        let mut kept = kept.into_iter();
        events.retain(|_| kept.next().unwrap_or(true));
        requests
    }

    /// Lets the plugins know the time, in nanoseconds since the Unix epoch; to be called about once a second.
    /// Gives the actions that they request and may request.
    pub fn tick(&mut self, now: u64) -> Vec<ActionRequest> {
        let _running = self.runtime.run();
        let mut requests = Vec::new();
        for plugin in &mut self.plugins {
            plugin.tick(&self.runtime.engine, now, &mut requests);
        }
        requests
    }

    /// Each plugin's name and counts, in the order of the chain.
    pub fn counters(&self) -> impl Iterator<Item = (&Arc<str>, &Counters)> {
        self.plugins.iter().map(|plugin| (&plugin.name, &plugin.counters))
    }
}

fn start<S, C>(
    runtime: &Runtime,
    file: &PipelineFile<S, C>,
    entry: &PluginEntry,
    cache: Option<&Cache>,
) -> Result<Plugin, Reason> {
    let path = file.folder().join(&entry.component);
    let component = prepare(&runtime.engine, &path, cache, &entry.grants)?;
    let _running = runtime.run();
    Plugin::start(&runtime.engine, component, entry)
}

/// The field of the entry that an error is about.
fn field(reason: &Reason) -> &'static str {
    match reason {
        Reason::Configuration(_) => "config",
        _ => "component",
    }
}
