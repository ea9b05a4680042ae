//! Where a component is.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer};
use serin_config::scalar;

use crate::artifact::{Reference, SCHEME};

/// Where the component of an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentSource {
    /// In a file; a relative path starts from the pipeline file's folder.
    Path(PathBuf),
    /// In an artifact of a registry, named by its digest, of which this host keeps a copy.
    Artifact(Box<Reference>),
}

impl fmt::Display for ComponentSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Artifact(reference) => reference.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for ComponentSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, |text| match text {
            "" => Err("an empty path: write the path of a .wasm file".to_owned()),
            _ if text.starts_with(SCHEME) => {
                let reference: Reference = text.parse()?;
                match reference.digest {
                    Some(_) => Ok(ComponentSource::Artifact(Box::new(reference))),
                    None => Err(format!(
                        "`{text}` may be another one tomorrow: write the digest too, which `serin plugin pull` prints"
                    )),
                }
            }
            _ if text.contains("://") => {
                Err(format!("`{text}`: write a path, or an artifact like `oci://…@sha256:…`"))
            }
            _ => Ok(ComponentSource::Path(PathBuf::from(text))),
        })
    }
}
