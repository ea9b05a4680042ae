//! Holds the uprobes of a policy against the programs and libraries that they name.

use std::path::Path;

use crate::suggest::nearest;
use crate::{Diagnostic, Policy, ProgramPlace, Target};

/// Why a place cannot be hooked in a program.
#[derive(Debug)]
pub enum PlaceError {
    /// The file cannot be read, or is no program; why.
    Program(String),
    /// It has no such place; with the names of its functions.
    NotThere(Vec<String>),
}

impl Policy {
    /// Checks that the programs that uprobes name have the places that they name there.
    #[must_use]
    pub fn check_programs(
        &self,
        find: impl Fn(&Path, &ProgramPlace) -> Result<u64, PlaceError>,
    ) -> Vec<Diagnostic> {
        let mut errors = vec![];
        for (hook, places) in self.plan().hooks.iter().zip(&self.hooks) {
            let Target::Uprobe(probe) = &hook.target else { continue };
            let path = &probe.path;
            let (message, help) = match find(Path::new(path), &probe.place) {
                Ok(_) => continue,
                Err(PlaceError::Program(reason)) => (format!("cannot hook `{path}`: {reason}"), None),
                Err(PlaceError::NotThere(functions)) => not_there(path, &probe.place, &functions),
            };
            errors.push(Diagnostic::new(&self.source, places.call, message, help));
        }
        errors
    }
}

fn not_there(path: &str, place: &ProgramPlace, functions: &[String]) -> (String, Option<String>) {
    let message = match place {
        ProgramPlace::Symbol { name, .. } => format!("`{path}` has no function `{name}`"),
        ProgramPlace::Offset(_) => format!("`{path}` has no code at the offset {place}"),
        ProgramPlace::Address(_) => format!("`{path}` has no code at the address {place}"),
    };
    let help = match place {
        ProgramPlace::Symbol { name, .. } => match nearest(name, functions.iter().map(String::as_str)) {
            Some(suggestion) => format!("did you mean `{suggestion}`?"),
            None if functions.is_empty() => {
                "its symbols have been stripped: write `offsets` or `addrs`".into()
            }
            None => format!("`nm -D --defined-only {path}` and `nm` without `-D` list its symbols"),
        },
        _ => format!("`readelf --segments --wide {path}` shows what is loaded as code (`R E`)"),
    };
    (message, Some(help))
}
