//! Reads `binaryDigests`: what the file of a program must be, to be hooked.

use std::fmt;

use crate::diagnostic::quote;
use crate::fields::Field;
use crate::report::Report;
use crate::suggest::nearest;

/// Most bytes of a build ID; linkers write 8 to 20 unless they are told which.
const MAX_BUILD_ID: usize = 64;

/// A digest of a program's file. Displayed as policies write it: `sha256:9f86…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Digest {
    /// What it is made by.
    pub algorithm: DigestAlgorithm,
    /// What comes out.
    pub bytes: Vec<u8>,
}

/// How a file is told from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DigestAlgorithm {
    /// SHA-1 of its content.
    Sha1,
    /// SHA-256 of its content.
    Sha256,
    /// SHA-384 of its content.
    Sha384,
    /// SHA-512 of its content.
    Sha512,
    /// The build ID that its linker has written into it, which whoever can write the file can forge.
    BuildId,
}

use DigestAlgorithm::{BuildId, Sha1, Sha256, Sha384, Sha512};

const ALGORITHMS: [DigestAlgorithm; 5] = [Sha1, Sha256, Sha384, Sha512, BuildId];

impl DigestAlgorithm {
    /// As policies write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Sha1 => "sha1",
            Sha256 => "sha256",
            Sha384 => "sha384",
            Sha512 => "sha512",
            BuildId => "build-id",
        }
    }

    /// Bytes of its digests; `None` if they vary.
    fn size(self) -> Option<usize> {
        match self {
            Sha1 => Some(20),
            Sha256 => Some(32),
            Sha384 => Some(48),
            Sha512 => Some(64),
            BuildId => None,
        }
    }

    /// What prints the digest of a file.
    fn tool(self) -> String {
        match self {
            BuildId => "`readelf --notes FILE` prints it".into(),
            _ => format!("`{}sum FILE` prints it", self.name()),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.algorithm.name())?;
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads an entry of `binaryDigests`: `sha256:…`. The case of letters does not matter.
pub(crate) fn read(item: Field<'_>, report: &mut Report<'_>) -> Option<Digest> {
    let text = item.string(report)?;
    match parse(text.trim()) {
        Ok(digest) => Some(digest),
        Err((message, help)) => {
            report.error_with_help(item.span(), message, help);
            None
        }
    }
}

/// The digest, or what is wrong and what to write.
fn parse(text: &str) -> Result<Digest, (String, String)> {
    let Some((name, digits)) = text.split_once(':') else {
        let help = "write `ALGORITHM:DIGITS`, such as `sha256:` and what `sha256sum FILE` prints";
        return Err((format!("{} is not a digest", quote(text)), help.into()));
    };
    let (name, digits) = (name.trim().to_ascii_lowercase(), digits.trim());
    let Some(algorithm) = ALGORITHMS.into_iter().find(|algorithm| algorithm.name() == name) else {
        return Err((format!("{} is not an algorithm of digests", quote(&name)), meant(&name)));
    };
    let bytes = hexadecimal(digits)
        .ok_or_else(|| (format!("{} is not a hexadecimal number", quote(digits)), algorithm.tool()))?;
    let wrong = match algorithm.size() {
        Some(size) if bytes.len() * 2 != digits.len() || bytes.len() != size => {
            Some(format!("{} hexadecimal digits", size * 2))
        }
        None if bytes.len() * 2 != digits.len() || !(1..=MAX_BUILD_ID).contains(&bytes.len()) => {
            Some(format!("an even number of hexadecimal digits, 2 to {}", MAX_BUILD_ID * 2))
        }
        _ => None,
    };
    match wrong {
        None => Ok(Digest { algorithm, bytes }),
        Some(expected) => {
            let message = format!("a digest by `{name}` has {expected}, not {}", digits.len());
            Err((message, algorithm.tool()))
        }
    }
}

fn meant(name: &str) -> String {
    let names = ALGORITHMS.map(DigestAlgorithm::name);
    nearest(name, names).map_or_else(
        || "write `sha1`, `sha256`, `sha384`, `sha512` or `build-id`".into(),
        |near| format!("did you mean `{near}`?"),
    )
}

/// The bytes of a number, but for a last digit without another; `None` if it has something else than digits.
fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<_>> = digits.chars().map(|digit| digit.to_digit(16)).collect();
    let byte = |pair: &[u32]| pair.iter().fold(0, |byte, digit| byte << 4 | *digit as u8);
    Some(digits?.chunks_exact(2).map(byte).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn digests_are_written_as_they_are_read() {
        for (text, algorithm, size) in [
            (format!("sha1:{}", "0f".repeat(20)), Sha1, 20),
            (format!("sha256:{}", "a0".repeat(32)), Sha256, 32),
            (format!("sha384:{}", "12".repeat(48)), Sha384, 48),
            (format!("sha512:{}", "ff".repeat(64)), Sha512, 64),
            ("build-id:00ff".into(), BuildId, 2),
        ] {
            let digest = parse(&text).unwrap();
            assert_eq!((digest.algorithm, digest.bytes.len()), (algorithm, size), "{text}");
            assert_eq!(digest.to_string(), text);
            let loud = text.to_ascii_uppercase().replace(':', " : ");
            assert_eq!(parse(&loud).unwrap(), digest, "{loud}");
        }
    }
}
