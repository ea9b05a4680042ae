//! Reads policy files and directories.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::source::{Source, Span};
use crate::{Diagnostic, Error, Errors, MAX_FILE_SIZE, Policy, TargetKernel};

/// Loads policies for the running kernel from files and directories.
///
/// Of a directory, the files that end in `.yaml` or `.yml` are read, in the
/// order of their names; hidden files and subdirectories are left out. A
/// directory without policies is no error.
///
/// # Errors
/// Everything that is wrong in any of the files, that two policies have the
/// same name, or that a file cannot be read.
pub fn load<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<Policy>, Errors> {
    load_for(paths, TargetKernel::Running)
}

/// Loads policies as [`load`], for a kernel that need not be the one that runs here.
///
/// # Errors
/// As [`load`].
pub fn load_for<P: AsRef<Path>>(paths: &[P], kernel: TargetKernel<'_>) -> Result<Vec<Policy>, Errors> {
    let mut policies = vec![];
    let mut errors = vec![];
    for path in paths {
        match files(path.as_ref()) {
            Ok(files) => files.iter().for_each(|file| match load_file(file, kernel) {
                Ok(loaded) => policies.extend(loaded),
                Err(Errors(found)) => errors.extend(found),
            }),
            Err(error) => errors.push(error),
        }
    }
    errors.extend(duplicates(&policies));
    if errors.is_empty() { Ok(policies) } else { Err(Errors(errors)) }
}

/// The texts of the files that [`load`] reads, with their paths.
///
/// # Errors
/// That a file cannot be read.
pub fn read_files<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<(PathBuf, String)>, Errors> {
    let mut texts = vec![];
    let mut errors = vec![];
    for path in paths {
        match files(path.as_ref()) {
            Ok(files) => files.into_iter().for_each(|file| match read_text(&file) {
                Ok(text) => texts.push((file, text)),
                Err(error) => errors.push(error),
            }),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(texts) } else { Err(Errors(errors)) }
}

/// Reads policies of texts, which are named by paths.
///
/// # Errors
/// As [`load`].
pub fn parse_files(texts: &[(PathBuf, String)]) -> Result<Vec<Policy>, Errors> {
    let mut policies = vec![];
    let mut errors = vec![];
    for (file, text) in texts {
        match Policy::parse(text, file) {
            Ok(parsed) => policies.extend(parsed),
            Err(Errors(found)) => errors.extend(found),
        }
    }
    errors.extend(duplicates(&policies));
    if errors.is_empty() { Ok(policies) } else { Err(Errors(errors)) }
}

/// The policy files that a path stands for.
fn files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Read { path: path.into(), source };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.into()]);
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(failed)?;
    let mut files: Vec<_> = entries
        .iter()
        .map(fs::DirEntry::path)
        .filter(|path| is_policy_file(path) && !path.is_dir())
        .collect();
    files.sort();
    Ok(files)
}

fn is_policy_file(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

fn load_file(path: &Path, kernel: TargetKernel<'_>) -> Result<Vec<Policy>, Errors> {
    Policy::parse_for(&read_text(path)?, path, kernel)
}

fn read_text(path: &Path) -> Result<String, Error> {
    let text = String::from_utf8(read_file(path)?);
    text.map_err(|error| not_utf8(path, error.as_bytes(), error.utf8_error().valid_up_to()))
}

fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read { path: path.into(), source };
    // Opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Error::NotAFile { path: path.into() });
    }
    let mut bytes = vec![];
    File::open(path)
        .map_err(failed)?
        .take(MAX_FILE_SIZE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > MAX_FILE_SIZE {
        return Err(Error::TooLarge { path: path.into() });
    }
    Ok(bytes)
}

fn not_utf8(path: &Path, bytes: &[u8], valid: usize) -> Error {
    let before = String::from_utf8_lossy(bytes.get(..valid).unwrap_or_default());
    let source = Source::new(path, &String::from_utf8_lossy(bytes));
    let last_line = before.rsplit('\n').next().unwrap_or_default();
    let line = u32::try_from(before.matches('\n').count() + 1).unwrap_or(u32::MAX);
    let column = u32::try_from(last_line.chars().count() + 1).unwrap_or(u32::MAX);
    let help = Some("save the file as UTF-8".to_owned());
    Diagnostic::new(&source, Span { line, column, length: 1 }, "this is not UTF-8".to_owned(), help).into()
}

fn duplicates(policies: &[Policy]) -> Vec<Error> {
    let mut first: HashMap<&str, &Policy> = HashMap::new();
    let mut errors = vec![];
    for policy in policies {
        let earlier = *first.entry(&policy.plan().name).or_insert(policy);
        if !std::ptr::eq(earlier, policy) {
            errors.push(policy.duplicate_of(earlier).into());
        }
    }
    errors
}
