//! `serin plugin bench`: what an event costs.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::fs::MemfdFlags;
use serin_event::Event;
use serin_pipeline::{Counters, MAX_BATCH, Pipeline};

use super::project::{self, File};
use crate::trace::{self, Item};

/// The component that does nothing.
const EMPTY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/empty.wasm"));

const ROUNDS: usize = 101;
/// Instances of each plugin that are started.
const STARTS: usize = 21;

/// What one pipeline took.
struct Measured {
    /// Nanoseconds an event, from when the events are there to when the effects are: medians.
    whole: f64,
    plugins: Vec<Plugin>,
}

/// What one plugin of it took.
struct Plugin {
    name: String,
    /// Nanoseconds an event in its calls.
    call: f64,
    /// The most bytes of linear memory.
    memory: usize,
    /// From nothing to an instance that takes events: the median.
    start: Duration,
}

/// Measures the plugins of a pipeline.
pub(crate) fn run(folder: &Path, events: Option<&Path>) -> Result<()> {
    let file = project::pipeline_file(folder)?;
    let events = batch(folder, events)?;
    let nothing = measure(project::start(&file_with(&file, "")?, None)?, &events)?;
    let empty = empty_pipeline(&file)?.map(|pipeline| measure(pipeline, &events)).transpose()?;
    let own = measure(project::start(&file, None)?, &events)?;

    println!("ns/event, medians of {ROUNDS} rounds with a batch of {}\n", events.len());
    println!(
        "{:<32} {:>9} {:>12} {:>12} {:>13} {:>12}",
        "", "whole", "in the call", "memory, KiB", "to start, µs", "starts a s"
    );
    row("no plugin", Some(nothing.whole), None);
    match &empty {
        Some(empty) => row("the empty plugin", Some(empty.whole), empty.plugins.first()),
        None => println!("the empty plugin: left out, this serin was built without it"),
    }
    row("this pipeline", Some(own.whole), None);
    for plugin in &own.plugins {
        row(&format!("  {}", plugin.name), None, Some(plugin));
    }
    Ok(())
}

fn row(what: &str, whole: Option<f64>, plugin: Option<&Plugin>) {
    let whole = whole.map(|time| format!("{time:.0}")).unwrap_or_default();
    print!("{what:<32} {whole:>9}");
    if let Some(Plugin { call, memory, start, .. }) = plugin {
        let (micros, starts) = (start.as_secs_f64() * 1e6, 1.0 / start.as_secs_f64());
        print!(" {call:>12.0} {:>12} {micros:>13.0} {starts:>12.0}", memory / 1024);
    }
    println!();
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
            Item::Tick(_) | Item::Flush => None,
        }));
    }
    ensure!(!found.is_empty(), "there is no event to measure with: name a file with --events");
    let count = found.len().max(MAX_BATCH);
    Ok(found.iter().cycle().take(count).cloned().collect())
}

fn measure(mut pipeline: Pipeline, events: &[Event]) -> Result<Measured> {
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
    let starts = starts(&pipeline)?;
    let plugin = |((name, counters), start): ((&Arc<str>, &Counters), Duration)| Plugin {
        name: name.to_string(),
        call: nanoseconds(counters.time, counters.events.max(1) as f64),
        memory: counters.memory,
        start,
    };
    let plugins = pipeline.counters().zip(starts).map(plugin).collect();
    Ok(Measured { whole: nanoseconds(median, events.len() as f64), plugins })
}

/// How long an instance of each plugin takes to start: medians.
fn starts(pipeline: &Pipeline) -> Result<Vec<Duration>> {
    let mut of_plugins: Vec<Vec<Duration>> = Vec::new();
    for _ in 0..STARTS {
        let started = pipeline.start_others()?;
        of_plugins.resize_with(started.len(), Vec::new);
        of_plugins.iter_mut().zip(started).for_each(|(times, (_, time))| times.push(time));
    }
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times.get(STARTS / 2).copied().unwrap_or_default()
    };
    Ok(of_plugins.into_iter().map(median).collect())
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
