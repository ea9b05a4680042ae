//! Traces: recorded events, and fixtures that people write.
//!
//! A trace is JSON lines, the events as `serin run` prints them. `serin record` writes a line before them that says what
//! the file is, [`Header`]; it may be missing. Fixtures have one more kind of line:
//! `{"tick":"1760000000000000000"}` tells plugins the time, in nanoseconds since the Unix epoch. Lines that are empty or
//! begin with `#` are left out.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use serin_event::{Event, json};

/// The version of the format that this serin writes and reads.
pub(crate) const VERSION: u32 = 1;

/// Bytes of a line: an event whose policy asks for as much data as there can be takes less.
const MAX_LINE: u64 = 16 << 20;

/// The first line of a trace, under the key `trace`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// The version of the format; another one is refused.
    pub version: u32,
    /// The serin that wrote it.
    pub serin: String,
    /// When it was begun, in RFC 3339.
    pub started: String,
}

/// A line that is a header.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeaderLine {
    pub trace: Header,
}

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
    /// Plugins finish; nothing comes behind it.
    Flush,
}

/// Reads a whole trace; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<Line>> {
    open(path)?.collect()
}

/// Opens a trace, to be read line by line; `-` is standard input.
pub(crate) fn open(path: &Path) -> Result<Trace> {
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(path).with_context(|| format!("cannot read {}", path.display()))?)
    };
    Ok(Trace { path: path.to_owned(), source: BufReader::new(source), number: 0, begun: false })
}

/// The lines of a trace.
pub(crate) struct Trace {
    path: PathBuf,
    source: BufReader<Box<dyn Read>>,
    /// Of the line before, from 1.
    number: usize,
    /// There was a line that said something.
    begun: bool,
}

impl Iterator for Trace {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let text = match self.text() {
                Ok(Some(text)) => text,
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            };
            if text.trim().is_empty() || text.starts_with('#') {
                continue;
            }
            let first = !std::mem::replace(&mut self.begun, true);
            let number = self.number;
            match item(&text, first) {
                Ok(Some(item)) => return Some(Ok(Line { number, item })),
                Ok(None) => {}
                Err(error) => return Some(Err(anyhow!("{}:{number}: {error:#}", self.path.display()))),
            }
        }
    }
}

impl Trace {
    /// The next line.
    fn text(&mut self) -> Result<Option<String>> {
        let mut bytes = Vec::new();
        let read = (&mut self.source).take(MAX_LINE + 1).read_until(b'\n', &mut bytes);
        if read.with_context(|| format!("cannot read {}", self.path.display()))? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let place = || format!("{}:{}", self.path.display(), self.number);
        if bytes.len() as u64 > MAX_LINE {
            bail!("{}: more than {} MiB, which no event's line has", place(), MAX_LINE >> 20);
        }
        String::from_utf8(bytes).map(Some).map_err(|_| anyhow!("{}: not UTF-8", place()))
    }
}

/// What a line says; nothing if it is a header.
fn item(text: &str, first: bool) -> Result<Option<Item>> {
    if text.trim_start().starts_with(r#"{"trace":"#) {
        return header(text, first).map(|()| None);
    }
    if text.trim() == r#"{"flush":true}"# {
        return Ok(Some(Item::Flush));
    }
    let tick = text.trim().strip_prefix(r#"{"tick":"#).and_then(|rest| rest.strip_suffix('}'));
    match tick {
        Some(time) => {
            let time = time.trim().trim_matches('"');
            let time = time
                .parse()
                .map_err(|_| anyhow!("tick: `{time}` is not a time in nanoseconds since the Unix epoch"))?;
            Ok(Some(Item::Tick(time)))
        }
        None => Ok(Some(Item::Event(Box::new(json::read(text)?)))),
    }
}

fn header(text: &str, first: bool) -> Result<()> {
    /// As much as is the same in every version.
    #[derive(Deserialize)]
    struct Versioned {
        trace: Version,
    }

    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }

    if !first {
        bail!("another trace begins here: replay one file at a time");
    }
    let Versioned { trace: Version { version } } = serde_json::from_str(text).context("trace")?;
    if version != VERSION {
        bail!("a trace of version {version}, and this serin reads version {VERSION}");
    }
    serde_json::from_str::<HeaderLine>(text).context("trace")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const EVENT: &str = r#"{"process_exec":{"process":{"pid":7}}}"#;
    const HEADER: &str = r#"{"trace":{"version":1,"serin":"0.1.0","started":"2026-01-01T00:00:00Z"}}"#;

    fn reading(text: &str) -> Result<Vec<Line>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("trace");
        std::fs::write(&path, text)?;
        read(&path).map_err(|error| anyhow!("{}", format!("{error:#}").replace(path.to_str().unwrap(), "F")))
    }

    #[test]
    fn lines_keep_their_numbers() {
        let lines = reading(&format!("# by hand\n\n{HEADER}\n{EVENT}\n{{\"tick\":\"5\"}}\n{EVENT}")).unwrap();
        let numbers: Vec<usize> = lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [4, 5, 6]);
        assert!(matches!(lines[1].item, Item::Tick(5)));
        assert_eq!(reading(EVENT).unwrap().len(), 1, "a header may be missing");
    }

    #[test]
    fn what_is_no_trace_is_refused_at_its_line() {
        for (text, message) in [
            (
                format!("{}\n", HEADER.replace("\"version\":1", "\"version\":2,\"new\":0")),
                "F:1: a trace of version 2, and this serin reads version 1",
            ),
            (format!("{EVENT}\n{HEADER}\n"), "F:2: another trace begins here: replay one file at a time"),
            (
                HEADER.replace("started", "begun"),
                "F:1: trace: unknown field `begun`, expected one of `version`, `serin`, `started` at line 1 column 45",
            ),
            (format!("{EVENT}\nx\n"), "F:2: not JSON: expected value at line 1 column 1"),
            (
                "{\"tick\":\"now\"}".to_owned(),
                "F:1: tick: `now` is not a time in nanoseconds since the Unix epoch",
            ),
            ("x".repeat(MAX_LINE as usize + 2), "F:1: more than 16 MiB, which no event's line has"),
        ] {
            assert_eq!(reading(&text).unwrap_err().to_string(), message);
        }
    }
}
