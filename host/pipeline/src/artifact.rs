//! Components in registries, and those of them that are kept on this host.
//!
//! An artifact is a manifest that names a configuration and one layer, which is the component, as the tools for
//! WebAssembly lay it out: <https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>. All three are told by
//! their SHA-256, so what is kept can be checked, whoever kept it.

mod reference;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::reference::{Reference, SCHEME};
use crate::MAX_COMPONENT;
use crate::digest::Digest;

/// Media type of a manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of the configuration of a component.
pub const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
/// Media type of a component.
pub const LAYER_TYPE: &str = "application/wasm";
/// The annotation that holds a component's signatures, as `serin plugin sign` writes them.
pub const SIGNATURES: &str = "dev.serin.signatures";
/// Bytes of a manifest.
pub const MAX_MANIFEST: usize = 1 << 20;

/// A manifest: <https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md>. What else may stand in one is of no
/// concern here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u32,
    /// [`MANIFEST_TYPE`].
    #[serde(default)]
    pub media_type: String,
    /// What describes the component.
    pub config: Descriptor,
    /// The component.
    pub layers: Vec<Descriptor>,
    /// Further facts.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub annotations: std::collections::BTreeMap<String, String>,
}

/// A part of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// `sha256:…`
    pub digest: String,
    /// Bytes.
    pub size: u64,
}

/// Why an artifact is not usable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// It was never pulled here.
    #[error("it is not kept in {}: run `serin plugin pull --store {} {reference}`", .store.display(), .store.display())]
    Missing {
        /// Where it should be.
        store: PathBuf,
        /// What to pull.
        reference: Box<Reference>,
    },
    /// It can't be read.
    #[error("{} cannot be read: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store can't be written.
    #[error("{} cannot be written: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What is there is something else.
    #[error("the digest of {what} is {found} instead of {expected}: it was changed")]
    Changed {
        /// What.
        what: &'static str,
        /// What it should be.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// It holds no component.
    #[error("not an artifact of a WebAssembly component: {0}")]
    NoComponent(String),
}

impl Manifest {
    /// Reads a manifest of a component, which has this digest.
    ///
    /// # Errors
    /// If it has another, or is of something else.
    pub fn read(bytes: &[u8], digest: &Digest) -> Result<Self, ArtifactError> {
        let found = Digest::of(bytes);
        if found != *digest {
            return Err(ArtifactError::Changed { what: "the manifest", expected: *digest, found });
        }
        let manifest: Self = serde_json::from_slice(bytes)
            .map_err(|error| ArtifactError::NoComponent(format!("its manifest: {error}")))?;
        manifest.component()?;
        Ok(manifest)
    }

    /// The component: its digest and how many bytes it has.
    ///
    /// # Errors
    /// If there is none.
    pub fn component(&self) -> Result<(Digest, u64), ArtifactError> {
        let no = |why: String| Err(ArtifactError::NoComponent(why));
        if self.config.media_type != CONFIG_TYPE {
            return no(format!("its configuration is `{}`, not `{CONFIG_TYPE}`", self.config.media_type));
        }
        let [layer] = self.layers.as_slice() else {
            return no(format!("{} layers, not one", self.layers.len()));
        };
        if layer.media_type != LAYER_TYPE {
            return no(format!("its layer is `{}`, not `{LAYER_TYPE}`", layer.media_type));
        }
        if layer.size > MAX_COMPONENT {
            return no(format!("larger than {} MiB", MAX_COMPONENT >> 20));
        }
        let digest = layer.digest.parse().map_err(ArtifactError::NoComponent)?;
        Ok((digest, layer.size))
    }
}

/// A folder of artifacts: every part is a file that is called by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store(PathBuf);

impl Store {
    /// The store of a host, if a pipeline names no other.
    pub const DEFAULT: &str = "/var/lib/serin/plugins";

    /// Uses a folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Where a part is, or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.0.join(digest.to_string().replace(':', "-")).with_extension("blob")
    }

    /// The component of an artifact that is kept here: its file, which whoever reads it has to check, and its digest.
    ///
    /// # Errors
    /// If it is not kept, or not what it should be.
    pub fn component(&self, reference: &Reference) -> Result<(PathBuf, Digest), ArtifactError> {
        let missing =
            || ArtifactError::Missing { store: self.0.clone(), reference: Box::new(reference.clone()) };
        let digest = reference.digest.ok_or_else(missing)?;
        let path = self.path(&digest);
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(missing()),
            read => read.map_err(|source| ArtifactError::Read { path, source })?,
        };
        let (component, _) = Manifest::read(&bytes, &digest)?.component()?;
        let path = self.path(&component);
        if path.is_file() { Ok((path, component)) } else { Err(missing()) }
    }

    /// Keeps a part, from one moment to the next.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn keep(&self, bytes: &[u8]) -> Result<PathBuf, ArtifactError> {
        let path = self.path(&Digest::of(bytes));
        self.write(&path, bytes)?;
        Ok(path)
    }

    /// Puts a file into the store, in place of one that is there.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), ArtifactError> {
        let partial = self.0.join(format!("partial-{}", std::process::id()));
        let written = std::fs::create_dir_all(&self.0)
            .and_then(|()| std::fs::write(&partial, bytes))
            .and_then(|()| std::fs::rename(&partial, path));
        written.map_err(|source| ArtifactError::Write { path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn manifest(layer: &[u8], layer_type: &str, config_type: &str) -> Vec<u8> {
        let part = |media_type: &str, bytes: &[u8]| Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes).to_string(),
            size: bytes.len() as u64,
        };
        let manifest = Manifest {
            schema_version: 2,
            media_type: MANIFEST_TYPE.to_owned(),
            config: part(config_type, b"{}"),
            layers: vec![part(layer_type, layer)],
            annotations: Default::default(),
        };
        serde_json::to_vec(&manifest).unwrap()
    }

    #[test]
    fn what_is_kept_is_found_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("store"));
        let bytes = manifest(b"wasm", LAYER_TYPE, CONFIG_TYPE);
        let reference: Reference = format!("oci://a.example/x@{}", Digest::of(&bytes)).parse().unwrap();
        let missing =
            |store: &Store| matches!(store.component(&reference), Err(ArtifactError::Missing { .. }));
        assert!(missing(&store));
        let kept = store.keep(&bytes).unwrap();
        assert!(missing(&store), "a manifest without its layer");
        let layer = store.keep(b"wasm").unwrap();
        assert_eq!(store.component(&reference).unwrap(), (layer, Digest::of(b"wasm")));
        std::fs::write(kept, manifest(b"other", LAYER_TYPE, CONFIG_TYPE)).unwrap();
        let error = store.component(&reference).unwrap_err().to_string();
        assert!(error.contains("the digest of the manifest is"), "{error}");
        let tag: Reference = "oci://a.example/x:1".parse().unwrap();
        assert!(store.component(&tag).is_err(), "a tag names nothing that is kept");
    }

    #[test]
    fn images_of_containers_are_no_components() {
        for (layer, config, message) in [
            ("application/vnd.oci.image.layer.v1.tar+gzip", CONFIG_TYPE, "its layer is"),
            (LAYER_TYPE, "application/vnd.oci.image.config.v1+json", "its configuration is"),
        ] {
            let bytes = manifest(b"x", layer, config);
            let error = Manifest::read(&bytes, &Digest::of(&bytes)).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        let error = Manifest::read(b"{}", &Digest::of(b"{}")).unwrap_err().to_string();
        assert!(error.contains("its manifest: missing field"), "{error}");
    }
}
