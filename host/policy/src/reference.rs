//! All fields of policies as a table, for the reference.

use std::fmt::Write as _;

use crate::describe::{paths, text, unsupported, words};

/// A table in Markdown: each field with what it says, and the words that it can hold.
#[must_use]
pub fn reference() -> String {
    let mut table = String::from("| field | |\n|---|---|\n");
    for path in paths() {
        let mut cell = text(&path).unwrap_or_default().replace('|', "\\|");
        if unsupported(&path) {
            cell += " Not supported yet: a policy may have it with its default only.";
        }
        if let Some((supported, later)) = words(&path) {
            cell += &list(" One of ", &supported);
            cell += &list(" Not supported yet: ", later);
        }
        // Writing to a string can't fail.
        let _ = writeln!(table, "| `{path}` | {} |", cell.trim());
    }
    table
}

fn list(title: &str, words: &[&str]) -> String {
    if words.is_empty() {
        return String::new();
    }
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    format!("{title}{}.", words.join(", "))
}
