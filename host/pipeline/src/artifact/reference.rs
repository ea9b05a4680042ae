//! What artifacts are called.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;

/// An artifact in a registry: `oci://REGISTRY/REPOSITORY`, with `:TAG`, `@sha256:…`, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Host, with its port if it has one.
    pub registry: String,
    /// The repository there.
    pub repository: String,
    /// The tag; it may be another artifact's tomorrow.
    pub tag: Option<String>,
    /// The digest of the manifest.
    pub digest: Option<Digest>,
}

/// What a reference begins with.
pub const SCHEME: &str = "oci://";

impl FromStr for Reference {
    type Err = String;

    /// The grammar: <https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pulling-manifests>.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not an artifact in a registry: write `oci://REGISTRY/REPOSITORY:TAG` or \
                 `oci://REGISTRY/REPOSITORY@sha256:…`"
            )
        };
        let rest = text.strip_prefix(SCHEME).ok_or_else(wrong)?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (rest, None),
        };
        let (registry, path) = rest.split_once('/').ok_or_else(wrong)?;
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag.to_owned())),
            None => (path, None),
        };
        let host =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
        let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let part = |part: &str| {
            let ends = |byte: Option<&u8>| {
                byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            };
            let bytes = part.as_bytes();
            let lower = bytes.iter().all(|byte| word(*byte) && !byte.is_ascii_uppercase());
            ends(bytes.first()) && ends(bytes.last()) && lower
        };
        let fine = !registry.is_empty()
            && registry.bytes().all(host)
            && repository.len() <= 255
            && repository.split('/').all(part)
            && tag.as_ref().is_none_or(|tag| (1..=128).contains(&tag.len()) && tag.bytes().all(word));
        if !fine {
            return Err(wrong());
        }
        Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), tag, digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.registry, self.repository)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::Reference;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn references_are_read_as_they_are_written() {
        let pinned = format!("oci://ghcr.io/a/b-c/d_e@{DIGEST}");
        let both = format!("oci://[::1]:5000/x:v1.2@{DIGEST}");
        for text in ["oci://127.0.0.1:5000/team/watch:1.0", "oci://a.example/x", &pinned, &both] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), *text);
        }
        for text in [
            "ghcr.io/a/b",
            "oci://ghcr.io",
            "oci:///a",
            "oci://ghcr.io/",
            "oci://ghcr.io/A",
            "oci://ghcr.io/../a",
            "oci://ghcr.io/a//b",
            "oci://ghcr.io/a:",
            "oci://ghcr.io/a:b/c",
            "oci://user@ghcr.io/a",
            "oci://ghcr.io/a?x",
            "oci://ghcr.io/a@sha256:12",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
