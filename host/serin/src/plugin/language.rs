//! Languages that plugins are written in.

use std::path::Path;

use anyhow::{Context, Result};

/// A language that `serin plugin` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    Rust,
    C,
    Go,
    /// JavaScript, in QuickJS.
    Js,
    /// In CPython.
    Python,
}

impl Language {
    const ALL: [Self; 5] = [Self::Rust, Self::C, Self::Go, Self::Js, Self::Python];

    /// The file that every plugin in it has.
    fn file(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::C => "plugin.c",
            Self::Go => "plugin.go",
            Self::Js => "plugin.js",
            Self::Python => "plugin.py",
        }
    }

    /// What the plugin in a folder is written in.
    ///
    /// # Errors
    /// If no file tells.
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        Self::ALL.into_iter().find(|language| folder.join(language.file()).is_file()).with_context(|| {
            let files = Self::ALL.map(Self::file).join(", ");
            format!("{} has none of {files}: what is the plugin written in?", folder.display())
        })
    }
}
