//! `serin plugin test`: events in, verdicts out.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use serin_pipeline::Cache;

use super::judge::{self, Judgement};
use super::project;
use crate::trace;

/// Runs every fixture.
///
/// # Errors
/// If one fails, or there is none.
pub(crate) fn test(folder: &Path, bless: bool) -> Result<()> {
    let fixtures = project::fixtures(folder)?;
    if fixtures.is_empty() {
        bail!("{} has no fixture: make a folder in it, with events.jsonl", folder.join("fixtures").display());
    }
    // A component that brings an interpreter takes seconds to compile, and each fixture starts it twice.
    let compiled = tempfile::tempdir().context("no place for compiled plugins")?;
    let cache = Cache::open(&compiled.path().join("cache"))?;
    let mut failed = 0;
    for fixture in &fixtures {
        let name = fixture.file_name().unwrap_or_default().display();
        match run(folder, fixture, &cache, bless) {
            Ok(()) => println!("test {name} ... ok"),
            Err(error) => {
                failed += 1;
                println!("test {name} ... FAILED\n{error:#}");
            }
        }
    }
    println!("\n{} passed, {failed} failed", fixtures.len() - failed);
    ensure!(failed == 0, "{failed} of {} fixtures failed", fixtures.len());
    Ok(())
}

/// A fixture may bring a pipeline file of its own; by default it is the plugin's.
fn run(folder: &Path, fixture: &Path, cache: &Cache, bless: bool) -> Result<()> {
    let own = fixture.join("pipeline.yaml");
    let file = project::pipeline_file(if own.is_file() { &own } else { folder })?;
    let lines = trace::read(&fixture.join("events.jsonl"))?;
    let judgement = judge::judge(&mut project::start(&file, Some(cache))?, &lines);
    judge::check_batched(&mut project::start(&file, Some(cache))?, &lines, &judgement)?;
    compare(&fixture.join("expected.jsonl"), &judgement, bless)
}

fn compare(path: &Path, judgement: &Judgement, bless: bool) -> Result<()> {
    if bless {
        let text: String = judgement.verdicts.iter().map(|verdict| format!("{verdict}\n")).collect();
        return std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()));
    }
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {}: `--bless` writes it", path.display()))?;
    let mut expected = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let value: Value = serde_json::from_str(line)
            .with_context(|| format!("{}:{}: not JSON", path.display(), index + 1))?;
        expected.push(value);
    }
    if expected == judgement.verdicts {
        return Ok(());
    }
    bail!("{}", difference(&expected, &judgement.verdicts))
}

/// Lines that are on one side only.
fn difference(expected: &[Value], found: &[Value]) -> String {
    let mut text = String::new();
    let missing = expected.iter().filter(|verdict| !found.contains(verdict)).map(|verdict| ('-', verdict));
    let surplus = found.iter().filter(|verdict| !expected.contains(verdict)).map(|verdict| ('+', verdict));
    for (sign, verdict) in missing.chain(surplus) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {sign} {verdict}");
    }
    if text.is_empty() {
        return "  the same verdicts, but in another order or number".to_owned();
    }
    format!("{text}  (- expected, + found; if what was found is right: --bless)")
}
