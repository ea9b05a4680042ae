//! Components: from a file to something that can be instantiated.

use std::io::Read;
use std::path::Path;

use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Precompiled};

use crate::bindings::{PluginPre, serin::plugin::log};
use crate::cache::Cache;
use crate::error::Reason;
use crate::grants::Grants;
use crate::sandbox::Sandbox;
use crate::{MAX_COMPONENT, WIT_VERSION};

/// Reads and compiles a component, and links it with what is granted to it.
pub(crate) fn prepare(
    engine: &Engine,
    path: &Path,
    cache: Option<&Cache>,
    grants: &Grants,
) -> Result<PluginPre<Sandbox>, Reason> {
    let bytes = read(path)?;
    check_format(&bytes)?;
    let component = match cache {
        Some(cache) => cache.component(engine, &bytes),
        None => Component::new(engine, &bytes),
    };
    let component = component.map_err(Reason::Compile)?;
    check_imports(engine, &component, grants)?;
    check_exports(engine, &component)?;

    let mut linker = Linker::new(engine);
    if grants.log {
        log::add_to_linker::<_, HasSelf<Sandbox>>(&mut linker, |sandbox| sandbox).map_err(Reason::Types)?;
    }
    let instance = linker.instantiate_pre(&component).map_err(Reason::Types)?;
    PluginPre::new(instance).map_err(Reason::Types)
}

fn read(path: &Path) -> Result<Vec<u8>, Reason> {
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
fn split_name(name: &str) -> (&str, &str, &str) {
    let (path, version) = name.split_once('@').unwrap_or((name, ""));
    let (package, interface) = path.split_once('/').unwrap_or((path, ""));
    (package, interface, version)
}

/// Within `0.x` the second number tells what is compatible.
fn is_compatible(version: &str) -> bool {
    let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
    minor(version) == minor(WIT_VERSION)
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
        match interface {
            "types" => {}
            "log" if grants.log => {}
            "log" => return Err(Reason::Ungranted { interface: name.to_owned(), grant: "log: true" }),
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
