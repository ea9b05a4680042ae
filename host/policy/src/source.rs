//! The text of a policy file, and places in it.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// A place in a file: line and column from 1, length in characters, all on one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) length: u32,
}

impl Span {
    /// Where a part of a value's text stands, which is given in characters. All of it, if the file writes it in another way
    /// than it reads.
    pub(crate) fn part(self, text: &str, range: &Range<usize>) -> Span {
        let quotes = match (self.length as usize).checked_sub(text.chars().count()) {
            Some(0) => 0,
            Some(2) => 1,
            _ => return self,
        };
        let column = self.column + quotes + range.start as u32;
        Span { line: self.line, column, length: range.len().max(1) as u32 }
    }
}

/// A policy file's path and text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    path: PathBuf,
    text: String,
    /// Byte offset in `text` where each line starts.
    lines: Vec<usize>,
}

impl Source {
    pub(crate) fn new(path: &Path, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
        let lines = line_starts(&text);
        Source { path: path.into(), text, lines }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// A line, counted from 1, without its line break; empty if there is no such line.
    pub(crate) fn line(&self, number: u32) -> &str {
        let index = (number as usize).saturating_sub(1);
        let Some(&start) = self.lines.get(index) else { return "" };
        let end = self.lines.get(index + 1).copied().unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or("").trim_end_matches(['\r', '\n'])
    }
}

/// YAML breaks lines at LF, CR LF and CR.
fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let breaks = |&(at, byte): &(usize, &u8)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    std::iter::once(0).chain(bytes.iter().enumerate().filter(breaks).map(|(at, _)| at + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_text_stand_behind_its_quotes() {
        let span = |column, length| Span { line: 3, column, length };
        for (whole, expected) in [
            (span(10, 5), span(12, 1)),
            (span(10, 7), span(13, 1)),
            // Written with escapes, or on several lines.
            (span(10, 9), span(10, 9)),
            (span(10, 3), span(10, 3)),
        ] {
            assert_eq!(whole.part("a.b.c", &(2..3)), expected);
        }
    }

    #[test]
    fn lines_end_at_every_kind_of_break() {
        let source = Source::new(Path::new("p.yaml"), "\u{feff}a\nb\r\nc\rd");
        let lines: Vec<_> = (0..6).map(|number| source.line(number)).collect();
        assert_eq!(lines, ["a", "a", "b", "c", "d", ""]);
    }
}
