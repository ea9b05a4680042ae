//! Errors that show where in the file they are and what to write instead.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use crate::source::{Source, Span};

/// Widest piece of a source line that is shown, in characters.
const MAX_EXCERPT: usize = 120;

/// Longest piece of a value that is quoted in a message, in characters.
const MAX_QUOTE: usize = 60;

/// One thing wrong with a policy file.
///
/// Displayed like a compiler's message:
/// ```text
/// policies/a.yaml:6:11: `fd_instal` is not a system call
///   |
/// 6 |   - call: fd_instal
///   |           ^^^^^^^^^
///   = help: for a kernel function write `syscall: false`
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The policy file.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to write instead, if that is known.
    pub help: Option<String>,
    excerpt: Excerpt,
}

impl Diagnostic {
    pub(crate) fn new(source: &Source, span: Span, message: String, help: Option<String>) -> Self {
        Diagnostic {
            file: source.path().into(),
            line: span.line,
            column: span.column,
            message,
            help,
            excerpt: Excerpt::new(source.line(span.line), span),
        }
    }
}

impl Display for Diagnostic {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self { line, column, message, excerpt, .. } = self;
        let margin = " ".repeat(line.to_string().len());
        writeln!(formatter, "{}:{line}:{column}: {message}", self.file.display())?;
        writeln!(formatter, "{margin} |")?;
        writeln!(formatter, "{line} | {}", excerpt.text)?;
        write!(formatter, "{margin} | {}{}", " ".repeat(excerpt.indent), "^".repeat(excerpt.length))?;
        if let Some(help) = &self.help {
            write!(formatter, "\n{margin} = help: {help}")?;
        }
        Ok(())
    }
}

/// The piece of the source line that is shown, fit for a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Excerpt {
    text: String,
    /// Characters before the caret.
    indent: usize,
    /// Number of carets.
    length: usize,
}

impl Excerpt {
    fn new(line: &str, span: Span) -> Self {
        let column = (span.column as usize).saturating_sub(1);
        let skipped =
            if line.chars().count() > MAX_EXCERPT { column.saturating_sub(MAX_EXCERPT / 2) } else { 0 };
        let text: String = line.chars().skip(skipped).take(MAX_EXCERPT).map(printable).collect();
        let indent = column - skipped;
        let room = text.chars().count().saturating_sub(indent).max(1);
        Excerpt { text: text.trim_end().into(), indent, length: (span.length as usize).clamp(1, room) }
    }
}

/// Policy text must not move the cursor, colour the terminal or reorder the line.
fn printable(character: char) -> char {
    match character {
        '\t' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        other if other.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

/// A value from the file for use in a message: in backticks, shortened, control characters escaped.
pub(crate) fn quote(value: &str) -> String {
    let mut quoted: String = value
        .chars()
        .take(MAX_QUOTE)
        .flat_map(|character| {
            let escape = printable(character) == char::REPLACEMENT_CHARACTER || character.is_control();
            let escaped = escape.then(|| character.escape_default());
            escaped.into_iter().flatten().chain((!escape).then_some(character))
        })
        .collect();
    if value.chars().nth(MAX_QUOTE).is_some() {
        quoted.push('…');
    }
    format!("`{quoted}`")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn rendered(text: &str, line: u32, column: u32, length: u32) -> String {
        let source = Source::new(Path::new("p.yaml"), text);
        Diagnostic::new(&source, Span { line, column, length }, "wrong".into(), Some("write x".into()))
            .to_string()
    }

    #[test]
    fn the_caret_stands_under_the_place() {
        let expected = "p.yaml:2:4: wrong\n  |\n2 | \u{fffd}b bad\n  |    ^^^\n  = help: write x";
        assert_eq!(rendered("a\n\u{1b}b bad\n", 2, 4, 9), expected);
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let shown = rendered(&text, 1, 501, 1);
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[2].chars().count(), "1 | ".len() + MAX_EXCERPT);
        assert_eq!(lines[2].find('X'), lines[3].find('^'));
    }

    #[test]
    fn quoted_values_are_short_and_harmless() {
        assert_eq!(quote("a\u{1b}[2J\0"), "`a\\u{1b}[2J\\u{0}`");
        assert_eq!(quote(&"x".repeat(100)), format!("`{}…`", "x".repeat(60)));
    }
}
