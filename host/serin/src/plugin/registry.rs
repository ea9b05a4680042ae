//! `serin plugin push` and `pull`: components in registries.

mod client;

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use serin_pipeline::artifact::{
    CONFIG_TYPE, Descriptor, LAYER_TYPE, MANIFEST_TYPE, Manifest, Reference, SIGNATURES, Store,
};
use serin_pipeline::{Digest, Inspection, signature_file};

use self::client::Registry;
pub(crate) use self::client::RegistryArguments;

/// Puts a component, and its signatures if it has any, into a registry; prints what it is called there.
pub(crate) fn push(component: &Path, reference: &Reference, arguments: &RegistryArguments) -> Result<()> {
    ensure!(reference.digest.is_none(), "{reference}: a digest comes of the push: write a tag");
    let tag = reference.tag.as_deref().with_context(|| format!("{reference}: name a tag, like `:1.0`"))?;
    // What is no component is refused here, not where it is pulled.
    let inspection = Inspection::of(component, "null")?;
    let layer = std::fs::read(component).with_context(|| format!("cannot read {}", component.display()))?;
    let config = serde_json::to_vec(&config(&inspection, &layer))?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: MANIFEST_TYPE.to_owned(),
        config: part(CONFIG_TYPE, &config),
        layers: vec![part(LAYER_TYPE, &layer)],
        annotations: signatures(component)?.into_iter().map(|text| (SIGNATURES.to_owned(), text)).collect(),
    };
    let manifest = serde_json::to_vec(&manifest)?;
    let digest = Digest::of(&manifest);
    in_runtime(async {
        let mut registry = Registry::open(reference, arguments)?;
        for bytes in [config, layer] {
            registry.put_blob(&Digest::of(&bytes), bytes).await?;
        }
        registry.put_manifest(tag, manifest).await
    })
    .with_context(|| reference.to_string())?;
    println!("{}", Reference { digest: Some(digest), ..reference.clone() });
    Ok(())
}

/// Keeps a component of a registry on this host; prints what a pipeline file calls it.
pub(crate) fn pull(reference: &Reference, store: &Path, arguments: &RegistryArguments) -> Result<()> {
    let store = Store::new(store);
    let pulled = in_runtime(async {
        let mut registry = Registry::open(reference, arguments)?;
        let version = match (&reference.digest, &reference.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => bail!("name a tag or a digest"),
        };
        let manifest = registry.manifest(&version).await?;
        let digest = reference.digest.unwrap_or_else(|| Digest::of(&manifest));
        let parsed = Manifest::read(&manifest, &digest)?;
        let (component, size) = parsed.component()?;
        let layer = registry.blob(&component, size).await?;
        let path = store.keep(&layer)?;
        if let Some(signatures) = parsed.annotations.get(SIGNATURES) {
            store.write(&signature_file(&path), signatures.as_bytes())?;
        }
        // The manifest comes last: whoever finds it finds the rest.
        store.keep(&manifest)?;
        Ok(digest)
    });
    let digest = pulled.with_context(|| reference.to_string())?;
    println!("{}", Reference { digest: Some(digest), ..reference.clone() });
    Ok(())
}

fn in_runtime<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn part(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: Digest::of(bytes).to_string(),
        size: bytes.len() as u64,
    }
}

/// What describes a component: <https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>. The same component has
/// the same description, and so the same digest.
fn config(inspection: &Inspection, layer: &[u8]) -> serde_json::Value {
    json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": "wasm",
        // Of all components, whether they use WASI or not.
        "os": "wasip2",
        "layerDigests": [Digest::of(layer).to_string()],
        "component": { "exports": inspection.exports, "imports": inspection.imports, "target": null },
    })
}

/// What stands beside a component that is signed.
fn signatures(component: &Path) -> Result<Option<String>> {
    let path = signature_file(component);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}
