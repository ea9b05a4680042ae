//! `serin plugin bench`: what an event costs.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::fs::MemfdFlags;
use serin_event::Event;
use serin_pipeline::{MAX_BATCH, Pipeline};

use super::project::{self, File};
use crate::trace::{self, Item};

/// The component that does nothing.
const EMPTY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/empty.wasm"));

const ROUNDS: usize = 101;

/// What one pipeline took.
struct Measured {
    /// Nanoseconds an event, from when the events are there to when the effects are: medians.
    whole: f64,
    /// Of these, in the calls of each plugin.
    plugins: Vec<(String, f64)>,
}

/// Measures the plugins of a pipeline.
pub(crate) fn run(folder: &Path, events: Option<&Path>) -> Result<()> {
    let file = project::pipeline_file(folder)?;
    let events = batch(folder, events)?;
    let nothing = measure(project::start(&file_with(&file, "")?, None)?, &events);
    let empty = empty_pipeline(&file)?.map(|pipeline| measure(pipeline, &events));
    let own = measure(project::start(&file, None)?, &events);

    println!("ns/event, medians of {ROUNDS} rounds with a batch of {}\n", events.len());
    println!("{:<32} {:>9} {:>12}", "", "whole", "in the call");
    row("no plugin", nothing.whole, None);
    match &empty {
        Some(empty) => row("the empty plugin", empty.whole, empty.plugins.first().map(|(_, time)| *time)),
        None => println!("the empty plugin: left out, this serin was built without it"),
    }
    row("this pipeline", own.whole, None);
    for (name, time) in &own.plugins {
        println!("{:<32} {:>9} {:>12.0}", format!("  {name}"), "", time);
    }
    Ok(())
}

fn row(what: &str, whole: f64, call: Option<f64>) {
    let call = call.map(|time| format!("{time:.0}")).unwrap_or_default();
    println!("{what:<32} {whole:>9.0} {call:>12}");
}

/// A full batch: the events over and over.
fn batch(folder: &Path, events: Option<&Path>) -> Result<Vec<Event>> {
    let files = match events {
        Some(file) => vec![file.to_owned()],
        None => project::fixtures(folder)?.iter().map(|fixture| fixture.join("events.jsonl")).collect(),
    };
    let mut found = Vec::new();
    for file in files {
        found.extend(trace::read(&file)?.into_iter().filter_map(|line| match line.item {
            Item::Event(event) => Some(*event),
            Item::Tick(_) => None,
        }));
    }
    ensure!(!found.is_empty(), "there is no event to measure with: name a file with --events");
    let count = found.len().max(MAX_BATCH);
    Ok(found.iter().cycle().take(count).cloned().collect())
}

fn measure(mut pipeline: Pipeline, events: &[Event]) -> Measured {
    let mut rounds: Vec<Duration> = Vec::new();
    for _ in 0..ROUNDS {
        let mut batch = events.to_vec();
        let started = Instant::now();
        pipeline.process(&mut batch);
        rounds.push(started.elapsed());
    }
    rounds.sort();
    let nanoseconds = |time: Duration, events: f64| time.as_secs_f64() * 1e9 / events;
    let median = rounds.get(ROUNDS / 2).copied().unwrap_or_default();
    let plugins = pipeline
        .counters()
        .map(|(name, counters)| (name.to_string(), nanoseconds(counters.time, counters.events.max(1) as f64)))
        .collect();
    Measured { whole: nanoseconds(median, events.len() as f64), plugins }
}

/// A pipeline of the empty plugin; none if this serin has it not.
fn empty_pipeline(file: &File) -> Result<Option<Pipeline>> {
    if EMPTY.is_empty() {
        return Ok(None);
    }
    let memory = rustix::fs::memfd_create("empty.wasm", MemfdFlags::CLOEXEC)
        .context("cannot make a file in memory")?;
    let mut component = std::fs::File::from(memory);
    component.write_all(EMPTY)?;
    let entry = format!("\n    - name: empty\n      component: /proc/self/fd/{}", component.as_raw_fd());
    project::start(&file_with(file, &entry)?, None).map(Some)
}

/// A pipeline file that has these entries of `plugins` and nothing else.
fn file_with(file: &File, plugins: &str) -> Result<File> {
    let plugins = if plugins.is_empty() { " []" } else { plugins };
    let text = format!("apiVersion: serin.dev/v1alpha1\nkind: Pipeline\nspec:\n  plugins:{plugins}\n");
    Ok(File::parse(file.path(), text)?)
}
