//! What is secret.

use std::ops::Range;

use regex_lite::Regex;

/// Longest pattern, in bytes.
const LONGEST: usize = 1024;
/// Most patterns, and most options.
const MOST: usize = 256;

/// What is secret wherever it stands.
const PATTERNS: [&str; 8] = [
    // NAME=VALUE and name: value, whatever is before and behind the word in the name.
    r"(?i)(?:passw(?:or)?d|passphrase|passwd|\bpwd|secret|token|credentials?|(?:api|access|private|auth)[-_]?key)[a-z0-9_-]*[=:]\s*(.+)",
    // The password in a URL.
    r"://[^/:@\s]*:([^@/\s]+)@",
    r"(?i)\b(?:bearer|basic)\s+([a-z0-9._~+/=-]{8,})",
    r"\b((?:AKIA|ASIA)[0-9A-Z]{16})\b",
    r"\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,})",
    r"\b(xox[abeprs]-[A-Za-z0-9-]{10,})",
    // A JSON Web Token.
    r"\b(eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)",
    r"(-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*))",
];

/// What is followed by a secret.
const OPTIONS: [&str; 9] = [
    "--password",
    "--passwd",
    "--passphrase",
    "--pass",
    "--token",
    "--secret",
    "--api-key",
    "--access-token",
    "--client-secret",
];

/// Finds secrets in texts.
#[derive(Debug)]
pub(crate) struct Secrets {
    patterns: Vec<Regex>,
    options: Vec<String>,
}

impl Secrets {
    /// # Errors
    /// If a pattern is none, or there are too many.
    pub(crate) fn new(defaults: bool, own: &[String], mut options: Vec<String>) -> Result<Self, String> {
        if own.len() > MOST || options.len() > MOST {
            return Err(format!("more than {MOST} of `patterns` or `options`"));
        }
        if let Some(option) = options.iter().find(|option| option.is_empty()) {
            return Err(format!(
                "`options`: `{option}` is empty: write what the argument before the secret is"
            ));
        }
        if defaults {
            options.extend(OPTIONS.map(str::to_owned));
        }
        let known = PATTERNS.into_iter().filter(|_| defaults);
        let patterns =
            own.iter().map(String::as_str).chain(known).map(pattern).collect::<Result<Vec<_>, _>>()?;
        if patterns.is_empty() && options.is_empty() {
            return Err("with `defaults: false`, `patterns` or `options` must name what is secret".to_owned());
        }
        Ok(Self { patterns, options })
    }

    /// Where the secrets of a text are, in bytes.
    pub(crate) fn within<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        self.patterns.iter().flat_map(move |pattern| {
            let found = pattern.captures_iter(text);
            found.filter_map(|found| found.get(1).or_else(|| found.get(0)).map(|secret| secret.range()))
        })
    }

    /// Whether the next argument is a secret.
    pub(crate) fn is_before_value(&self, argument: &str) -> bool {
        self.options.iter().any(|option| option == argument)
    }
}

fn pattern(text: &str) -> Result<Regex, String> {
    if text.len() > LONGEST {
        return Err(format!("`patterns`: one has {} bytes; at most {LONGEST}", text.len()));
    }
    let regex = Regex::new(text).map_err(|error| format!("`patterns`: `{text}`: {error}"))?;
    if regex.is_match("") {
        return Err(format!("`patterns`: `{text}` matches nothing at all, too: write what must be there"));
    }
    Ok(regex)
}
