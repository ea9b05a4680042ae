//! Recorded events: JSON lines as `serin run` prints them.
//!
//! One more kind of line, for fixtures: `{"tick":"1760000000000000000"}`
//! tells the plugins the time, in nanoseconds since the Unix epoch. Lines
//! that are empty or begin with `#` are left out.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serin_event::{Event, json};

/// A line of a trace.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// From 1.
    pub number: usize,
    pub item: Item,
}

#[derive(Debug, Clone)]
pub(crate) enum Item {
    Event(Box<Event>),
    /// Nanoseconds since the Unix epoch.
    Tick(u64),
}

/// Reads a file; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<Line>> {
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?)
    };
    let mut lines = Vec::new();
    for (index, text) in BufReader::new(source).lines().enumerate() {
        let number = index + 1;
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        let item = item(&text).map_err(|error| anyhow!("{}:{number}: {error}", path.display()))?;
        lines.push(Line { number, item });
    }
    Ok(lines)
}

fn item(text: &str) -> Result<Item> {
    let tick = text.trim().strip_prefix(r#"{"tick":"#).and_then(|rest| rest.strip_suffix('}'));
    match tick {
        Some(time) => {
            let time = time.trim().trim_matches('"');
            let time = time
                .parse()
                .map_err(|_| anyhow!("tick: `{time}` is not a time in nanoseconds since the Unix epoch"))?;
            Ok(Item::Tick(time))
        }
        None => Ok(Item::Event(Box::new(json::read(text)?))),
    }
}
