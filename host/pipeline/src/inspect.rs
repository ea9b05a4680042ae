//! What a component is, found out without a pipeline.

use std::path::Path;

use crate::component::{self, split_name};
use crate::config::Limits;
use crate::digest::Digest;
use crate::engine::Runtime;
use crate::error::{InspectError, Reason};
use crate::file::FileGrant;
use crate::grants::Grants;
use crate::hash::HashGrant;
use crate::instance::Instance;
use crate::kv::KvGrant;
use crate::printable::printable;
use crate::sandbox::Sandbox;
use crate::subscription::EventFilter;

/// What a component is.
#[derive(Debug)]
pub struct Inspection {
    /// The interfaces that it exports.
    pub exports: Vec<String>,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// What its entry must grant so that it can be linked, as it is written below `grants`. What actions it will
    /// ask for nobody can know.
    pub grants: Vec<&'static str>,
    /// Bytes of the component.
    pub size: usize,
    /// Its digest.
    pub digest: Digest,
    /// What it says about itself, or why it doesn't.
    pub info: Result<About, String>,
}

/// What a plugin says about itself.
#[derive(Debug)]
pub struct About {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The frame schema that it was built with.
    pub schema: u32,
    /// The events that it subscribes to.
    pub subscription: EventFilter,
}

impl Inspection {
    /// Looks at a component; to ask it about itself, starts it in a sandbox with this configuration, as JSON.
    ///
    /// # Errors
    /// If it can't be read, or is no component.
    pub fn of(path: &Path, config: &str) -> Result<Self, InspectError> {
        let error = |reason| InspectError { path: path.to_owned(), reason: Box::new(reason) };
        let runtime = Runtime::new().map_err(|source| error(Reason::Compile(source)))?;
        let bytes = component::read(path).map_err(error)?;
        let compiled = component::compile(&runtime.engine, &bytes, None).map_err(error)?;
        let names = |all: Vec<&str>| all.into_iter().map(str::to_owned).collect();
        let component_type = compiled.component_type();
        let imports = component_type.imports(&runtime.engine).map(|(name, _)| name);
        // Types alone let it do nothing.
        let imports: Vec<&str> =
            imports.filter(|name| !matches!(split_name(name), ("serin:plugin", "types", _))).collect();
        let grants = imports.iter().filter_map(|name| grant(name)).collect();
        Ok(Self {
            exports: names(component_type.exports(&runtime.engine).map(|(name, _)| name).collect()),
            imports: names(imports),
            grants,
            size: bytes.len(),
            digest: Digest::of(&bytes),
            info: about(&runtime, &compiled, config).map_err(|reason| reason.to_string()),
        })
    }
}

/// What has to be granted for an import.
fn grant(import: &str) -> Option<&'static str> {
    match split_name(import) {
        ("serin:plugin", interface, _) => component::grant_for(interface),
        _ => None,
    }
}

fn about(
    runtime: &Runtime,
    compiled: &wasmtime::component::Component,
    config: &str,
) -> Result<About, Reason> {
    // Enough that it can be linked, and nothing to be read.
    let grants = Grants {
        log: true,
        clock: true,
        random: true,
        kv: Some(KvGrant::default()),
        file: vec![FileGrant::empty()],
        hash: Some(HashGrant::default()),
        redact: true,
        ..Grants::default()
    };
    let component = component::link(&runtime.engine, compiled, &grants)?;
    let _running = runtime.run();
    let mut instance =
        Instance::new(&runtime.engine, &component, Sandbox::new("inspected", &grants, Limits::default()))?;
    let info = instance.init(config)?.map_err(|message| Reason::Configuration(printable(&message)))?;
    Ok(About {
        name: printable(&info.name),
        version: printable(&info.version),
        schema: info.schema,
        subscription: EventFilter::of(&info.subscription)?,
    })
}
