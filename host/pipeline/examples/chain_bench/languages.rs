//! Chains of one plugin in several languages, with one worker and with two.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use serin_event::{Event, EventKind};
use serin_pipeline::{Cache, MAX_BATCH};

use crate::events::{HITS, execs};
use crate::{CHAINS, check, clean, pipeline};

const ROUNDS: usize = 101;
const FOLDER: &str = "/tmp/";

/// Measures chains of components that `serin plugin new` has begun: each is `LANGUAGE=COMPONENT`.
pub(crate) fn chains(components: &[String]) -> anyhow::Result<()> {
    println!(
        "ns per event, batches of {MAX_BATCH}, medians of {ROUNDS}; one event in {HITS} matches the rule\n"
    );
    println!("| plugins in the chain: | workers |{}", CHAINS.map(|length| format!(" {length} |")).concat());
    println!("|---|---|{}", "---|".repeat(CHAINS.len()));
    // An interpreter takes seconds to compile.
    let folder = tempfile::tempdir()?;
    let cache = Cache::open(&folder.path().join("cache"))?;
    let mut events = execs();
    let native = CHAINS.map(|length| median(&mut events, |events| (0..length).for_each(|_| native(events))));
    row("native Rust", 1, &native);
    for component in components {
        let (language, path) = component.split_once('=').context("not LANGUAGE=COMPONENT")?;
        for workers in [1, 2] {
            let mut times = Vec::new();
            for length in CHAINS {
                times.push(chain(Path::new(path), length, workers, &cache)?);
            }
            row(language, workers, &times);
        }
    }
    Ok(())
}

fn row(language: &str, workers: usize, times: &[f64]) {
    let times: String = times.iter().map(|time| format!(" {time:.0} |")).collect();
    println!("| {language} | {workers} |{times}");
}

fn chain(component: &Path, length: usize, workers: usize, cache: &Cache) -> anyhow::Result<f64> {
    let entry = |number: usize| {
        format!(
            "    - name: plugin-{number}\n      component: {}\n      workers: {workers}\n      config: {{ folders: [{FOLDER}] }}\n      \
             limits: {{ time: 1s, memory: 256MiB }}\n",
            component.display()
        )
    };
    let mut pipeline = pipeline(&(0..length).map(entry).collect::<Vec<_>>(), Some(cache))?;
    let time = median(&mut execs(), |events| _ = black_box(pipeline.process(events)));
    check(&pipeline)?;
    Ok(time)
}

/// What the plugin does.
fn native(events: &[Event]) {
    let found = events.iter().filter(|event| match (&event.kind, &event.process) {
        (EventKind::Exec, Some(process)) => process.binary.starts_with(black_box(FOLDER)),
        _ => false,
    });
    black_box(found.count());
}

fn median(events: &mut Vec<Event>, mut run: impl FnMut(&mut Vec<Event>)) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            clean(events);
            let started = Instant::now();
            run(events);
            started.elapsed().as_nanos() as f64 / MAX_BATCH as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times.get(ROUNDS / 2).copied().unwrap_or_default()
}
