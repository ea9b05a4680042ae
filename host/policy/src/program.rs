//! Holds the uprobes of a policy against the programs and libraries that they name.

use std::path::Path;

use serin_btf::Btf;

use crate::hook::HookPlaces;
use crate::resolve;
use crate::suggest::nearest;
use crate::{ArgumentSource, Diagnostic, HookPlan, Policy, ProgramPlace, Target, Uprobe};

/// Why a place cannot be hooked in a program.
#[derive(Debug)]
pub enum PlaceError {
    /// The file cannot be read, or is no program; why.
    Program(String),
    /// It has no such place; with the names of its functions.
    NotThere(Vec<String>),
}

impl Policy {
    /// Checks that the programs that uprobes name have the places that they name there, and their types what `resolve` names.
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
                Ok(_) => {
                    errors.extend(self.check_types(hook, places, probe));
                    continue;
                }
                Err(PlaceError::Program(reason)) => (format!("cannot hook `{path}`: {reason}"), None),
                Err(PlaceError::NotThere(functions)) => not_there(path, &probe.place, &functions),
            };
            errors.push(Diagnostic::new(&self.source, places.call, message, help));
        }
        errors
    }

    /// Holds the arguments that lie behind others against the program's types.
    fn check_types(&self, hook: &HookPlan, places: &HookPlaces, probe: &Uprobe) -> Vec<Diagnostic> {
        let error = |(span, message, help)| Diagnostic::new(&self.source, span, message, help);
        let arguments = hook.arguments.iter().zip(&places.arguments);
        let resolved: Vec<_> = arguments
            .filter(|(argument, _)| argument.source == ArgumentSource::Parameter)
            .filter_map(|(argument, places)| Some((argument, places.resolve.as_ref()?, places.kind)))
            .collect();
        let Some((_, first, _)) = resolved.first() else { return vec![] };
        let (Some(path), Some(span)) = (&probe.types, places.types) else {
            let message = "what lies behind an argument of a program is known by that program's types";
            let help =
                "add `btfPath: …` to the hook, a file of BTF: `pahole -J` makes one of debugging information";
            return vec![error((first.path(), message.into(), Some(help.into())))];
        };
        match Btf::of_program(Path::new(path)) {
            Err(reason) => vec![error((span, format!("cannot read types from `{path}`: {reason}"), None))],
            Ok(types) => resolved
                .into_iter()
                .filter_map(|(argument, places, kind)| {
                    resolve::check(hook, argument, places, kind, &types).err()
                })
                .map(error)
                .collect(),
        }
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
