//! `serin plugin new`: a plugin that builds, and whose tests pass.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::language::Language;
use super::sdk;

/// What a new plugin is made of: names of files, and what is in them.
type Files = &'static [(&'static str, &'static str)];

/// Files of a plugin in Rust; `@NAME@`, `@CRATE@` and `@SDK@` in them are replaced.
const RUST: Files = &[
    ("Cargo.toml", include_str!("templates/rust/Cargo.toml.in")),
    ("src/lib.rs", include_str!("templates/rust/lib.rs.in")),
    ("pipeline.yaml", include_str!("templates/rust/pipeline.yaml.in")),
    ("README.md", include_str!("templates/rust/README.md.in")),
    (".gitignore", "/target\n*.wasm\n"),
];

macro_rules! example {
    ($folder:literal: $($file:literal),+) => {
        &[$(($file, include_str!(concat!("../../../../plugins/examples/", $folder, "/", $file)))),+]
    };
}

/// In the other languages the example is the template.
const C: Files = example!("c": "plugin.c", "pipeline.yaml", "README.md", "compile_flags.txt", ".gitignore");

const GO: Files = example!("go": "plugin.go", "go.mod", "pipeline.yaml", "README.md", ".gitignore");

const JAVASCRIPT: Files = example!("javascript": "plugin.js", "pipeline.yaml", "README.md", ".gitignore");

const PYTHON: Files = example!("python": "plugin.py", "pipeline.yaml", "README.md", ".gitignore");

/// What they all do with the same events.
const FIXTURE: Files = example!("fixtures": "from-tmp/events.jsonl", "from-tmp/expected.jsonl");

/// The examples' name, which that of the new plugin replaces.
const EXAMPLE: &str = "exec-watch";

/// Makes the folder.
pub(crate) fn new(path: &Path, language: Language, sdk: Option<&Path>) -> Result<()> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    check_name(name)?;
    ensure!(!path.exists(), "{} exists already", path.display());
    let sdk = match language {
        Language::Rust => write_rust(path, name, sdk)?,
        Language::C => write_example(path, name, language, C)?,
        Language::Go => write_example(path, name, language, GO)?,
        Language::Js => write_example(path, name, language, JAVASCRIPT)?,
        Language::Python => write_example(path, name, language, PYTHON)?,
    };
    for (file, text) in FIXTURE {
        write(&path.join("fixtures").join(file), &text.replace(EXAMPLE, name))?;
    }
    let shown = path.display();
    println!(
        "{shown} is ready. Next:\n\n  serin plugin build {shown}\n  serin plugin test {shown}\n  \
         serin run --pipeline {shown}/pipeline.yaml\n\nThe SDK is {}.",
        sdk.display()
    );
    Ok(())
}

/// A crate that depends on the SDK's, which is found or given; gives that.
fn write_rust(path: &Path, name: &str, sdk: Option<&Path>) -> Result<PathBuf> {
    let sdk = find_sdk(sdk)?;
    for (file, template) in RUST {
        let text = template
            .replace("@NAME@", name)
            .replace("@CRATE@", &name.replace('-', "_"))
            .replace("@SDK@", &sdk.display().to_string());
        write(&path.join(file), &text)?;
    }
    Ok(sdk)
}

/// The example under another name, with the SDK that this serin carries; gives that.
fn write_example(path: &Path, name: &str, language: Language, files: Files) -> Result<PathBuf> {
    for (file, text) in files {
        write(&path.join(file), &text.replace(EXAMPLE, name))?;
    }
    sdk::write(language, path)
}

/// What a crate and a pipeline's entry can both be called.
fn check_name(name: &str) -> Result<()> {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    ensure!(
        begins && name.len() <= 64 && name.bytes().all(valid),
        "`{name}` is not a plugin's name: write at most 64 of a-z, 0-9 and -, a letter first"
    );
    Ok(())
}

/// The folder of the SDK's crate, with all links resolved.
fn find_sdk(given: Option<&Path>) -> Result<PathBuf> {
    let canonical =
        |path: &Path| path.canonicalize().with_context(|| format!("no SDK at {}", path.display()));
    if let Some(path) = given {
        let path = canonical(path)?;
        ensure!(is_sdk(&path), "{} is not the SDK: name plugins/sdk of a checkout of serin", path.display());
        return Ok(path);
    }
    let starts = [std::env::current_exe(), std::env::current_dir()];
    for start in starts.into_iter().flatten() {
        let found = start.ancestors().map(|folder| folder.join("plugins/sdk")).find(|sdk| is_sdk(sdk));
        if let Some(sdk) = found {
            return canonical(&sdk);
        }
    }
    bail!("neither this serin nor this folder is in a checkout of serin: name its plugins/sdk with --sdk")
}

fn is_sdk(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("Cargo.toml"))
        .is_ok_and(|text| text.contains("name = \"serin-plugin\""))
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn names() {
        for (name, fine) in [
            ("a", true),
            ("setuid-watch2", true),
            ("", false),
            ("2a", false),
            ("-a", false),
            ("A", false),
            ("a_b", false),
        ] {
            assert_eq!(check_name(name).is_ok(), fine, "{name}");
        }
    }
}
