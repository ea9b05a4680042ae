//! Holds the uprobes and USDT probes of a policy against the programs and libraries that they name.

use std::collections::HashMap;
use std::path::Path;

use serin_btf::Btf;

use crate::hook::HookPlaces;
use crate::resolve;
use crate::source::Span;
use crate::suggest::nearest;
use crate::{
    ActionPlan, ArgumentKind, ArgumentSource, Diagnostic, HookPlan, Policy, ProbeArgument, ProgramOverride,
    ProgramPlace, Target, Uprobe, Usdt,
};

/// Why a place cannot be hooked in a program.
#[derive(Debug)]
pub enum PlaceError {
    /// The file cannot be read, or is no program; why.
    Program(String),
    /// It has no such place; with the names of its functions.
    NotThere(Vec<String>),
    /// It has none of its digests; those that it has.
    Digests(String),
}

impl Policy {
    /// Checks that programs have the places that uprobes name there, and the probes that `usdts` do, with the types of what
    /// `resolve` names.
    ///
    /// `find_probe` tells how each argument is passed, at each place that a probe has; of a probe that is not there, it gives
    /// the names of others as `provider:name`. `verify` tells whether the file of a uprobe has one of its digests; of one that
    /// may be left out and has none, nothing else is checked.
    #[must_use]
    pub fn check_programs(
        &self,
        find: impl Fn(&Path, &ProgramPlace) -> Result<u64, PlaceError>,
        find_probe: impl Fn(&Usdt) -> Result<Vec<Vec<ProbeArgument>>, PlaceError>,
        verify: impl Fn(&Uprobe) -> Result<(), PlaceError>,
    ) -> Vec<Diagnostic> {
        let mut errors = vec![];
        let mut verified = HashMap::new();
        for (hook, places) in self.plan().hooks.iter().zip(&self.hooks) {
            if let Target::Usdt(probe) = &hook.target {
                let found = find_probe(probe);
                match wrong_with(hook, probe, found, places) {
                    None => errors.extend(self.check_types(hook, places, probe.types.as_deref())),
                    Some((span, message, help)) => {
                        errors.push(Diagnostic::new(&self.source, span, message, help));
                    }
                }
            }
            let Target::Uprobe(probe) = &hook.target else { continue };
            let path = &probe.path;
            match verified.entry((path, &probe.digests)).or_insert_with(|| verify(probe)) {
                Err(PlaceError::Digests(_)) if probe.ignore_digests => continue,
                Err(PlaceError::Digests(has)) => {
                    let error = self.digest_error(places, path, has);
                    // Once for all places of an entry.
                    errors.extend(Some(error).filter(|error| !errors.contains(error)));
                    continue;
                }
                // That it cannot be read, finding its places tells.
                _ => {}
            }
            let all = std::iter::once(&probe.place).chain(other_places(hook));
            let missing = all.filter_map(|place| match find(Path::new(path), place) {
                Ok(_) => None,
                Err(PlaceError::Program(reason)) => Some((format!("cannot hook `{path}`: {reason}"), None)),
                Err(PlaceError::NotThere(functions)) => Some(not_there(path, place, &functions)),
                Err(PlaceError::Digests(has)) => Some((no_digest(path, &has), None)),
            });
            let missing: Vec<_> = missing.collect();
            if missing.is_empty() {
                errors.extend(self.check_types(hook, places, probe.types.as_deref()));
            }
            let diagnostic = |(message, help)| Diagnostic::new(&self.source, places.call, message, help);
            errors.extend(missing.into_iter().take(1).map(diagnostic));
        }
        errors
    }

    /// The error that the file of a hook has none of its digests, but these; shown where they stand. `hook` is the position in
    /// [`PolicyPlan::hooks`](crate::PolicyPlan::hooks); `None` if it is not there, or is no uprobe.
    #[must_use]
    pub fn digests_error(&self, hook: usize, has: &str) -> Option<Diagnostic> {
        let Target::Uprobe(probe) = &self.plan().hooks.get(hook)?.target else { return None };
        Some(self.digest_error(self.hooks.get(hook)?, &probe.path, has))
    }

    fn digest_error(&self, places: &HookPlaces, path: &str, has: &str) -> Diagnostic {
        let help = "if this is the file that is meant, add one of its digests; if the hook may be left out, add \
                    `ignore: {digestVerificationFailure: true}`";
        let span = places.digests.unwrap_or(places.call);
        Diagnostic::new(&self.source, span, no_digest(path, has), Some(help.into()))
    }

    /// Holds the arguments that lie behind others against the program's types.
    fn check_types(&self, hook: &HookPlan, places: &HookPlaces, types: Option<&str>) -> Vec<Diagnostic> {
        let error = |(span, message, help)| Diagnostic::new(&self.source, span, message, help);
        let arguments = hook.arguments.iter().zip(&places.arguments);
        let resolved: Vec<_> = arguments
            .filter(|(argument, _)| argument.source == ArgumentSource::Parameter)
            .filter_map(|(argument, places)| Some((argument, places.resolve.as_ref()?, places.kind)))
            .collect();
        let Some((_, first, _)) = resolved.first() else { return vec![] };
        let (Some(path), Some(span)) = (types, places.types) else {
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

/// The places that `Override` sends programs to.
fn other_places(hook: &HookPlan) -> impl Iterator<Item = &ProgramPlace> {
    let actions = hook.selectors.iter().flat_map(|selector| &selector.actions);
    actions.filter_map(|action| match action {
        ActionPlan::OverrideInProgram(ProgramOverride::Place(place)) => Some(place),
        _ => None,
    })
}

/// What is wrong with a hook on a probe, if anything is, and where.
fn wrong_with(
    hook: &HookPlan,
    probe: &Usdt,
    found: Result<Vec<Vec<ProbeArgument>>, PlaceError>,
    places: &HookPlaces,
) -> Option<(Span, String, Option<String>)> {
    let Usdt { path, provider, name, .. } = probe;
    let sites = match found {
        Ok(sites) => sites,
        Err(PlaceError::Program(reason) | PlaceError::Digests(reason)) => {
            return Some((places.call, format!("cannot hook `{path}`: {reason}"), None));
        }
        Err(PlaceError::NotThere(names)) => {
            let wanted = format!("{provider}:{name}");
            let help = nearest(&wanted, names.iter().map(String::as_str)).map_or_else(
                || format!("`readelf --notes {path}` lists its probes"),
                |near| format!("did you mean `{near}`?"),
            );
            return Some((places.call, format!("`{path}` has no probe `{wanted}`"), Some(help)));
        }
    };
    for arguments in &sites {
        for (argument, place) in hook.arguments.iter().zip(&places.arguments) {
            let size = match argument.kind {
                ArgumentKind::Bytes { size } | ArgumentKind::Segments { size } => Some(size),
                _ => None,
            };
            for index in [Some(argument.index), size].into_iter().flatten() {
                match arguments.get(usize::from(index)) {
                    Some(ProbeArgument::Unreadable(text)) => {
                        let message = format!(
                            "argument {index} of `{provider}:{name}` is passed as `{text}`, which cannot be read"
                        );
                        return Some((place.index, message, Some("leave it out".into())));
                    }
                    Some(_) => {}
                    None => return Some((place.index, too_few(probe, arguments.len(), index), None)),
                }
            }
        }
        for action in hook.selectors.iter().flat_map(|selector| &selector.actions) {
            let ActionPlan::Set { argument, .. } = action else { continue };
            match arguments.get(usize::from(*argument)) {
                Some(ProbeArgument::Writable) => {}
                Some(_) => {
                    let message = format!(
                        "`Set` is not possible: argument {argument} of `{provider}:{name}` is not four bytes in memory"
                    );
                    return Some((
                        places.call,
                        message,
                        Some("`readelf --notes` shows how arguments are passed".into()),
                    ));
                }
                None => return Some((places.call, too_few(probe, arguments.len(), *argument), None)),
            }
        }
    }
    None
}

fn too_few(Usdt { provider, name, .. }: &Usdt, count: usize, index: u8) -> String {
    format!("`{provider}:{name}` has {count} arguments, so there is no argument {index}")
}

fn no_digest(path: &str, has: &str) -> String {
    format!("`{path}` has none of the digests that it must have; its own are {has}")
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
