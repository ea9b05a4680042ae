//! The SDKs of the languages whose compilers don't fetch one themselves: this serin carries them, so that a plugin is
//! built with the SDK of the serin that builds it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::language::Language;

macro_rules! files {
    ($folder:literal: $($file:literal),+) => {
        &[$(($file, include_str!(concat!("../../../../plugins/", $folder, "/", $file)))),+]
    };
}

const C: &[(&str, &str)] = files!(
    "sdk-c": "serin.h", "frame.h", "views.h", "config.h", "config.c", "outcome.h", "outcome.c", "plugin.c", "host.c",
    "stdio.c", "serin_wit.h", "serin_wit.c"
);

const GO: &[(&str, &str)] = files!(
    "sdk-go": "go.mod", "serin.go", "frame.go", "views.go", "outcome.go", "lower.go", "internal/abi/memory.go", "log/log.go",
    "clock/clock.go", "random/random.go", "kv/kv.go", "file/file.go", "hash/hash.go", "redact/redact.go"
);

const JAVASCRIPT: &[(&str, &str)] = files!(
    "sdk-javascript": "serin.js", "frame.js", "views.js", "outcome.js", "log.js", "clock.js", "random.js", "kv.js", "file.js",
    "hash.js", "redact.js"
);

const PYTHON: &[(&str, &str)] = files!(
    "sdk-python": "component.py", "serin/__init__.py", "serin/frame.py", "serin/views.py", "serin/outcome.py",
    "serin/log.py", "serin/clock.py", "serin/random.py", "serin/kv.py", "serin/file.py", "serin/hash.py", "serin/redact.py"
);

/// Writes the SDK into `build/sdk` of a plugin's folder, in place of the one that is there; gives that.
pub(crate) fn write(language: Language, folder: &Path) -> Result<PathBuf> {
    let sdk = folder.join("build/sdk");
    if sdk.exists() {
        std::fs::remove_dir_all(&sdk).with_context(|| format!("cannot remove {}", sdk.display()))?;
    }
    for (name, text) in files(language) {
        let file = sdk.join(name);
        let place = file.parent().unwrap_or(&sdk);
        std::fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(sdk)
}

/// None for Rust, whose SDK is a crate.
fn files(language: Language) -> &'static [(&'static str, &'static str)] {
    match language {
        Language::Rust => &[],
        Language::C => C,
        Language::Go => GO,
        Language::Js => JAVASCRIPT,
        Language::Python => PYTHON,
    }
}
