//! Reads `resolve` and `btfType`, and holds them against types: what an argument is that lies behind a parameter.

use std::ops::Range;

use serin_btf::{Btf, Element, Root, TypeKind, Walk, WalkError, WalkReason};

use crate::check::{NO_TYPE, is_character, mismatch};
use crate::diagnostic::quote;
use crate::fields::{Field, Fields, is_default};
use crate::report::Report;
use crate::source::Span;
use crate::suggest::nearest;
use crate::{ArgumentKind, ArgumentPlan, ArgumentSource, HookPlan, MAX_RESOLVE, Resolve, Target};

/// Where the parts of a `resolve` stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResolvePlaces {
    path: Span,
    elements: Vec<Span>,
    structure: Option<Span>,
    module: Option<Span>,
}

impl ResolvePlaces {
    /// Where `resolve` stands.
    pub(crate) fn path(&self) -> Span {
        self.path
    }

    /// Where `btfTypeModule` stands.
    pub(crate) fn module(&self) -> Option<Span> {
        self.module
    }
}

/// Reads both fields of an argument; `Some(None)` if it has none.
pub(crate) fn read(
    argument: &Fields<'_>,
    report: &mut Report<'_>,
) -> Option<Option<(Resolve, ResolvePlaces)>> {
    let given = |name| argument.get(name).filter(|field: &Field<'_>| !is_default(field.node));
    // Tetragon does not mind the case of letters.
    let structure = given("btfType").or(given("BTFType"));
    let module = given("btfTypeModule");
    if let Some(module) = module.filter(|_| structure.is_none()) {
        let message = "`btfTypeModule` says whose structure `btfType` is, and there is none";
        report.error_with_help(module.span(), message, "add `btfType: …`, or leave `btfTypeModule` out");
        return None;
    }
    let Some(field) = given("resolve") else {
        if let Some(structure) = structure {
            let message = "`btfType` says what `resolve` starts from, and there is none";
            report.error_with_help(structure.span(), message, "add `resolve: …`, or leave `btfType` out");
            return None;
        }
        return Some(None);
    };
    let (path, elements) = read_path(field, report)?;
    let name = structure.map_or(Some(None), |field| field.string(report).map(Some))?;
    let module_name = module.map_or(Some(None), |field| read_module(field, report).map(Some))?;
    let (structure, module) = (structure.map(|at| at.span()), module.map(|at| at.span()));
    let places = ResolvePlaces { path: field.span(), elements, structure, module };
    let (structure, module) = (name.map(String::from), module_name.map(String::from));
    Some(Some((Resolve { path, structure, module }, places)))
}

/// Reads the path from the current task.
pub(crate) fn read_in_task(field: Field<'_>, report: &mut Report<'_>) -> Option<(Resolve, ResolvePlaces)> {
    let (path, elements) = read_path(field, report)?;
    let places = ResolvePlaces { path: field.span(), elements, structure: None, module: None };
    Some((Resolve { path, structure: None, module: None }, places))
}

/// The name of a module, which is that of a file.
fn read_module<'n>(field: Field<'n>, report: &mut Report<'_>) -> Option<&'n str> {
    let name = field.string(report)?;
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    if !name.chars().all(is_allowed) || name == "vmlinux" {
        let message = format!("{} is not the name of a module", quote(name));
        report.error_with_help(field.span(), message, "`lsmod` lists those that are loaded");
        return None;
    }
    Some(name)
}

fn read_path(field: Field<'_>, report: &mut Report<'_>) -> Option<(Vec<Element>, Vec<Span>)> {
    let text = field.string(report)?;
    let elements = match parse(text) {
        Ok(elements) => elements,
        Err(wrong) => {
            let message = format!("{} is not a path of fields", quote(text));
            report.error_with_help(
                part(field.span(), text, &wrong),
                message,
                "write `a.b[3].c`: fields with dots between them, and numbers of elements in brackets",
            );
            return None;
        }
    };
    if let Some((_, first)) = elements.get(MAX_RESOLVE) {
        let message = format!("a path has at most {MAX_RESOLVE} elements, not {}", elements.len());
        report.error(part(field.span(), text, first), message);
        return None;
    }
    let span = field.span();
    Some(elements.into_iter().map(|(element, range)| (element, part(span, text, &range))).unzip())
}

/// The elements of a path, each with its place in the text; or what in it is none.
fn parse(text: &str) -> Result<Vec<(Element, Range<usize>)>, Range<usize>> {
    let mut elements = vec![];
    let mut at = 0;
    while at < text.len() || elements.is_empty() {
        let rest = &text[at..];
        let (element, length) =
            if rest.starts_with('[') { index(rest) } else { name(rest, at > 0) }.ok_or(at..text.len())?;
        // Not the dot before it.
        let dot = usize::from(rest.starts_with('.'));
        elements.push((element, at + dot..at + length));
        at += length;
    }
    Ok(elements)
}

/// `[3]`
fn index(rest: &str) -> Option<(Element, usize)> {
    let (number, _) = rest.strip_prefix('[')?.split_once(']')?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let index = is_number.then(|| number.parse().ok())??;
    Some((Element::Index(index), number.len() + 2))
}

/// `field`, or behind another element `.field`
fn name(rest: &str, follows: bool) -> Option<(Element, usize)> {
    let text = if follows { rest.strip_prefix('.')? } else { rest };
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let length = text.find(|character| !is_part(character)).unwrap_or(text.len());
    let name = &text[..length];
    let starts = name.starts_with(|first: char| !first.is_ascii_digit());
    starts.then(|| (Element::Field(name.into()), rest.len() - text.len() + length))
}

/// Where a part of a path stands in the file, which is given in bytes.
fn part(span: Span, text: &str, range: &Range<usize>) -> Span {
    let start = text[..range.start].chars().count();
    span.part(text, &(start..start + text[range.clone()].chars().count()))
}

impl HookPlan {
    /// Where an argument's `resolve` leads by the types of the kernel or, for a hook in a program, of that; `None` if it
    /// has none.
    ///
    /// # Errors
    /// If it leads nowhere.
    #[must_use]
    pub fn walk(&self, argument: &ArgumentPlan, types: &Btf) -> Option<Result<Walk, WalkError>> {
        let Resolve { path, structure, .. } = argument.resolve.as_ref()?;
        let index = usize::from(argument.index);
        let function = match &self.target {
            Target::Function(name) => name.clone(),
            Target::Syscall { name, .. } => format!("__do_sys_{name}"),
            Target::Lsm(name) => format!("bpf_lsm_{name}"),
            // No function's parameters.
            _ => String::new(),
        };
        let root = match (structure, &self.target) {
            _ if argument.source == ArgumentSource::CurrentTask => Root::Pointer("task_struct"),
            (Some(structure), _) => Root::Pointer(structure),
            (None, Target::RawTracepoint(event)) => Root::Tracepoint(&event.name, index),
            (None, _) => Root::Parameter(&function, index),
        };
        Some(types.walk(root, path))
    }
}

/// What is wrong with an argument's `resolve`, or with its type for what that leads to: where, what, and what to write
/// instead.
pub(crate) fn check(
    hook: &HookPlan,
    argument: &ArgumentPlan,
    places: &ResolvePlaces,
    kind: Span,
    types: &Btf,
) -> Result<(), (Span, String, Option<String>)> {
    let Some(walk) = hook.walk(argument, types) else { return Ok(()) };
    let walk = walk.map_err(|error| explain(hook, argument, places, error, types))?;
    match misfit(argument.kind, &walk.kind) {
        None => Ok(()),
        Some(help) => {
            let message = format!("what `resolve` leads to is {}", crate::check::describe(&walk.kind));
            Err((kind, message, Some(help.into())))
        }
    }
}

fn explain(
    hook: &HookPlan,
    argument: &ArgumentPlan,
    places: &ResolvePlaces,
    error: WalkError,
    types: &Btf,
) -> (Span, String, Option<String>) {
    let WalkError { element: Some(element), reason } = error else {
        return no_root(hook, argument, places, types);
    };
    let span = places.elements.get(element).copied().unwrap_or(places.path);
    let resolve = argument.resolve.as_ref();
    let name =
        resolve.and_then(|resolve| resolve.path.get(element)).map_or(
            String::new(),
            |element| match element {
                Element::Field(name) => name.clone(),
                Element::Index(index) => format!("[{index}]"),
            },
        );
    match reason {
        WalkReason::NoField { structure, fields } => {
            let help = nearest(&name, fields.iter().map(String::as_str)).map_or_else(
                || format!("its fields are {}", listed(&fields)),
                |near| format!("did you mean `{near}`?"),
            );
            (span, format!("`{structure}` has no field `{name}`"), Some(help))
        }
        reason => (span, format!("`{name}` cannot be reached: {reason}"), None),
    }
}

/// The first names of a list.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    shown.join(", ") + if names.len() > SHOWN { ", …" } else { "" }
}

fn no_root(
    hook: &HookPlan,
    argument: &ArgumentPlan,
    places: &ResolvePlaces,
    types: &Btf,
) -> (Span, String, Option<String>) {
    let structure = argument.resolve.as_ref().and_then(|resolve| resolve.structure.as_ref());
    let (Some(structure), Some(span)) = (structure, places.structure) else {
        let message = format!("the types do not tell what argument {} of this hook is", argument.index);
        let help = "add `btfType: …`, the name of the structure that it points to";
        return (places.path, message, Some(help.into()));
    };
    let module = argument.resolve.as_ref().and_then(|resolve| resolve.module.as_ref());
    let whose = if module.is_some() {
        "neither the module nor this kernel has a"
    } else if matches!(hook.target, Target::Uprobe(_) | Target::Usdt(_)) {
        "the program has no"
    } else {
        "this kernel has no"
    };
    let help = nearest(structure, types.structures()).map(|near| format!("did you mean `{near}`?"));
    (span, format!("{whose} structure {}", quote(structure)), help)
}

/// What to write instead if a type does not read what a path leads to.
fn misfit(kind: ArgumentKind, end: &TypeKind) -> Option<&'static str> {
    use ArgumentKind::{Bytes, ReturnedBytes, String};
    match end {
        TypeKind::Array { element, .. } if is_character(element) => {
            let reads = matches!(kind, String | Bytes { .. } | ReturnedBytes);
            (!reads).then_some("write `string`")
        }
        TypeKind::Array { .. } => Some("add the number of an element to `resolve`: `[0]`"),
        TypeKind::Other(name) if name == "void" => Some(NO_TYPE),
        TypeKind::Other(_) if kind.is_integer() && !kind.is_capability_set() => {
            Some("add one of its fields to `resolve`")
        }
        // Where a structure lies is what a pointer to it would hold.
        TypeKind::Other(name) => mismatch(kind, &TypeKind::Pointer { target: name.clone() }),
        end => mismatch(kind, end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_fields_and_elements() {
        let field = |name: &str| Element::Field(name.into());
        for (text, expected) in [
            ("a", Ok(vec![(field("a"), 0..1)])),
            (
                "a.b_2[30].c",
                Ok(vec![
                    (field("a"), 0..1),
                    (field("b_2"), 2..5),
                    (Element::Index(30), 5..9),
                    (field("c"), 10..11),
                ]),
            ),
            ("[0][1]", Ok(vec![(Element::Index(0), 0..3), (Element::Index(1), 3..6)])),
            ("", Err(0..0)),
            (".a", Err(0..2)),
            ("a.", Err(1..2)),
            ("a..b", Err(1..4)),
            ("a.[0]", Err(1..5)),
            ("a[", Err(1..2)),
            ("a[]", Err(1..3)),
            ("a[-1]", Err(1..5)),
            ("a[4294967296]", Err(1..13)),
            ("a]b", Err(1..3)),
            ("a[0]b", Err(4..5)),
            ("a b", Err(1..3)),
            ("2a", Err(0..2)),
            ("ä", Err(0..2)),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
