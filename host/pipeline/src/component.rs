//! Components: from a file to something that can be instantiated.

use std::io::Read;
use std::path::Path;

use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Precompiled};

use crate::bindings::PluginPre;
use crate::bindings::serin::plugin::{clock, file, hash, kv, log, random, redact};
use crate::cache::Cache;
use crate::digest::Digest;
use crate::error::Reason;
use crate::grants::Grants;
use crate::sandbox::Sandbox;
use crate::signature::{self, Trust};
use crate::{MAX_COMPONENT, WIT_VERSION};

/// What an entry and the file around it demand of a component.
pub(crate) struct Demands<'a> {
    pub(crate) digest: Option<Digest>,
    pub(crate) trust: Option<&'a Trust>,
    pub(crate) grants: &'a Grants,
}

/// Reads a component, checks whose it is, compiles it, and links it with what is granted to it.
pub(crate) fn prepare(
    engine: &Engine,
    path: &Path,
    cache: Option<&Cache>,
    demands: &Demands<'_>,
) -> Result<(PluginPre<Sandbox>, Digest), Reason> {
    let bytes = read(path)?;
    let found = Digest::of(&bytes);
    if let Some(pinned) = demands.digest.filter(|pinned| *pinned != found) {
        return Err(Reason::Digest { pinned, found });
    }
    if let Some(trust) = demands.trust {
        signature::verify(path, &found, &trust.keys)?;
    }
    let component = compile(engine, &bytes, cache)?;
    Ok((link(engine, &component, demands.grants)?, found))
}

/// Compiles a component, or takes it from the cache.
pub(crate) fn compile(engine: &Engine, bytes: &[u8], cache: Option<&Cache>) -> Result<Component, Reason> {
    check_format(bytes)?;
    let component = match cache {
        Some(cache) => cache.component(engine, bytes),
        None => Component::new(engine, bytes),
    };
    component.map_err(Reason::Compile)
}

/// Links a component with what is granted to it.
pub(crate) fn link(
    engine: &Engine,
    component: &Component,
    grants: &Grants,
) -> Result<PluginPre<Sandbox>, Reason> {
    check_imports(engine, component, grants)?;
    check_exports(engine, component)?;
    let mut linker = Linker::new(engine);
    macro_rules! offer {
        ($($interface:ident),+) => {
            $(if grants.offer(stringify!($interface)) {
                $interface::add_to_linker::<_, HasSelf<Sandbox>>(&mut linker, |sandbox| sandbox)
                    .map_err(Reason::Types)?;
            })+
        };
    }
    offer!(log, clock, random, kv, file, hash, redact);
    let instance = linker.instantiate_pre(component).map_err(Reason::Types)?;
    PluginPre::new(instance).map_err(Reason::Types)
}

/// Reads a component's file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Reason> {
    let file = std::fs::File::open(path).map_err(Reason::Read)?;
    let mut bytes = Vec::new();
    file.take(MAX_COMPONENT + 1).read_to_end(&mut bytes).map_err(Reason::Read)?;
    if bytes.len() as u64 > MAX_COMPONENT {
        return Err(Reason::TooLarge);
    }
    Ok(bytes)
}

/// The preamble tells a component from a core module.
/// <https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>
fn check_format(bytes: &[u8]) -> Result<(), Reason> {
    match bytes {
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', ..] => Err(Reason::CoreModule),
        _ if matches!(
            Engine::detect_precompiled(bytes),
            Some(Precompiled::Component | Precompiled::Module)
        ) =>
        {
            Err(Reason::Precompiled)
        }
        _ => Err(Reason::NotWasm),
    }
}

/// An interface's name: package, interface, version.
pub(crate) fn split_name(name: &str) -> (&str, &str, &str) {
    let (path, version) = name.split_once('@').unwrap_or((name, ""));
    let (package, interface) = path.split_once('/').unwrap_or((path, ""));
    (package, interface, version)
}

/// Within `0.x` the second number tells what is compatible.
fn is_compatible(version: &str) -> bool {
    let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
    minor(version) == minor(WIT_VERSION)
}

/// What an entry writes below `grants` so that this interface is linked.
pub(crate) fn grant_for(interface: &str) -> Option<&'static str> {
    match interface {
        "log" => Some("log: true"),
        "clock" => Some("clock: true"),
        "random" => Some("random: true"),
        "kv" => Some("kv: {}"),
        "file" => Some("file: [/path/of/a/file]"),
        "hash" => Some("hash: {}"),
        "redact" => Some("redact: true"),
        _ => None,
    }
}

fn check_imports(engine: &Engine, component: &Component, grants: &Grants) -> Result<(), Reason> {
    for (name, _) in component.component_type().imports(engine) {
        let (package, interface, version) = split_name(name);
        if package != "serin:plugin" {
            return Err(Reason::UnknownImport { interface: name.to_owned() });
        }
        if !is_compatible(version) {
            return Err(Reason::Version { found: version.to_owned() });
        }
        match (interface, grant_for(interface)) {
            ("types", _) => {}
            (_, Some(_)) if grants.offer(interface) => {}
            (_, Some(grant)) => return Err(Reason::Ungranted { interface: name.to_owned(), grant }),
            _ => return Err(Reason::UnknownImport { interface: name.to_owned() }),
        }
    }
    Ok(())
}

fn check_exports(engine: &Engine, component: &Component) -> Result<(), Reason> {
    let component_type = component.component_type();
    let exports: Vec<&str> = component_type.exports(engine).map(|(name, _)| name).collect();
    let frames = exports
        .iter()
        .map(|name| split_name(name))
        .find(|(package, interface, _)| (*package, *interface) == ("serin:plugin", "frames"));
    match frames {
        Some((_, _, version)) if is_compatible(version) => Ok(()),
        Some((_, _, version)) => Err(Reason::Version { found: version.to_owned() }),
        None => Err(Reason::World { exports: exports.join(", ") }),
    }
}
