//! docs/reference.md: the command line, the metrics and the fields of policies, as the code has them.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use clap_markdown::MarkdownOptions;

use crate::cli::Cli;
use crate::observe;

fn render() -> String {
    format!(
        "# Reference\n\nWritten by `SERIN_BLESS=1 cargo test --release -p serin reference` from the code; what things are \
         for is in the guides.\n\n## Command line\n\n{}\n## Metrics\n\n{}\n## Fields of policies\n\n\
         `serin policy explain FIELD` shows the same. Hooks of all sections have the fields of `spec.kprobes`, as far \
         as these make sense.\n\n{}",
        command_line(),
        metrics(),
        serin_policy::reference()
    )
}

fn command_line() -> String {
    let options =
        MarkdownOptions::new().show_footer(false).show_table_of_contents(false).title(String::new());
    let text = clap_markdown::help_markdown_custom::<Cli>(&options);
    // One level below the document's own chapters; what it makes headings within a command are none.
    let lines = text.lines().map(|line| match line.strip_prefix("###### ") {
        Some(title) => format!("{title}\n"),
        None if line.starts_with("## ") => format!("#{line}\n"),
        None => format!("{line}\n"),
    });
    let text: String = lines.skip_while(|line| !line.starts_with("###")).collect();
    text.replace("\n\n\n\n", "\n\n")
}

/// A row for each metric that Prometheus is told.
fn metrics() -> String {
    let text = observe::metrics_without_values();
    let helps = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let rows = helps.zip(kinds).map(|((name, help), (_, kind))| format!("| `{name}` | {kind} | {help} |\n"));
    format!("| metric | | |\n|---|---|---|\n{}", rows.collect::<String>())
}

#[test]
fn the_reference_says_what_the_code_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference.md");
    let rendered = render();
    if std::env::var_os("SERIN_BLESS").is_some() {
        std::fs::write(&path, &rendered).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = written.lines().zip(rendered.lines()).find(|(written, rendered)| written != rendered);
    assert!(
        written == rendered,
        "docs/reference.md is out of date, first at {differs:?}: write it again with SERIN_BLESS=1"
    );
}
