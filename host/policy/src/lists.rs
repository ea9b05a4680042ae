//! Reads `spec.lists`: names that several hooks share.

use std::collections::HashMap;

use regex::RegexBuilder;

use crate::diagnostic::quote;
use crate::fields::{Field, Fields, is_default};
use crate::hook;
use crate::kernel::{Functions, GIVE_TRACEFS};
use crate::report::Report;
use crate::schema::{LIST, LIST_TYPES, ListType};
use crate::source::Span;
use crate::{ArgumentKind, COMPAT_BIT, MAX_GENERATED, Target, selector, syscall};

/// A list, by its name.
pub(crate) type Lists = HashMap<String, List>;

/// What a list holds, each once.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) targets: Vec<Target>,
    /// Members that a kernel lacks are left out.
    pub(crate) generated: bool,
}

/// Reads all lists.
pub(crate) fn read_all(lists: Field<'_>, report: &mut Report<'_>) -> Option<Lists> {
    let mut all = Lists::new();
    let read = selector::read_each(lists, report, |item, report| {
        let (name, list) = read(item, report)?;
        if all.insert(name.clone(), list).is_some() {
            report.error_with_help(
                item.span(),
                format!("there is already a list `{name}`"),
                "give each its own name",
            );
            return None;
        }
        Some(())
    });
    read.map(|_| all)
}

fn read(item: Field<'_>, report: &mut Report<'_>) -> Option<(String, List)> {
    let fields = Fields::read(item.node, &LIST, report)?;
    let name = fields.require("name", report).and_then(|name| name.string(report));
    let kind = fields.get("type").map_or(Some(ListType::Functions), |kind| kind.word(&LIST_TYPES, report))?;
    fields.get("validated").map_or(Some(true), |field| field.boolean(report))?;
    let generated = matches!(kind, ListType::GeneratedSyscalls | ListType::GeneratedFunctions);
    if let Some(values) = fields.get("values").filter(|values| generated && !is_default(values.node)) {
        let message = "a list that is generated has no values of its own";
        report.error_with_help(values.span(), message, "leave `values` out, or write `type: syscalls`");
        return None;
    }
    let pattern = fields.get("pattern").filter(|pattern| !is_default(pattern.node));
    if let Some(pattern) = pattern.filter(|_| kind != ListType::GeneratedFunctions) {
        let message = "`pattern` belongs to the type `generated_ftrace`";
        report.error_with_help(pattern.span(), message, "leave it out");
        return None;
    }
    let mut targets = if kind == ListType::GeneratedSyscalls {
        syscall::all().collect()
    } else if kind == ListType::GeneratedFunctions {
        let pattern = match pattern {
            Some(pattern) => pattern,
            None => fields.require("pattern", report)?,
        };
        matching(pattern, report)?
    } else {
        let values = fields.require("values", report)?;
        selector::read_each(values, report, |value, report| {
            let name = value.string(report)?;
            match kind {
                ListType::Functions => hook::read_function(name, value.span(), report),
                _ => hook::read_syscall(name, value.span(), report),
            }
        })?
    };
    let mut seen = std::collections::HashSet::new();
    targets.retain(|target| seen.insert(target.clone()));
    Some((name?.into(), List { targets, generated }))
}

/// Bytes that a pattern may take when it is compiled.
const PATTERN_SIZE: usize = 1 << 20;

/// The functions of the kernel whose names a regular expression matches anywhere.
fn matching(pattern: Field<'_>, report: &mut Report<'_>) -> Option<Vec<Target>> {
    let text = pattern.string(report)?;
    let regex = match RegexBuilder::new(text).size_limit(PATTERN_SIZE).build() {
        Ok(regex) => regex,
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let message = format!("{} is not a regular expression: {reason}", quote(text));
            report.error_with_help(pattern.span(), message, "write it like `^vfs_(read|write)$`");
            return None;
        }
    };
    let Functions { names, guessed } = match report.kernel().functions() {
        Ok(functions) => functions,
        Err(error) => {
            let message = format!("what functions the kernel has is not known: {error}");
            report.error_with_help(pattern.span(), message, "write their names: `values: [\"…\"]`");
            return None;
        }
    };
    let targets: Vec<_> =
        names.iter().filter(|name| regex.is_match(name)).filter_map(|name| target(name)).collect();
    let number = targets.len();
    if let Some((message, help)) = wrong_number(number, text, guessed) {
        report.error_with_help(pattern.span(), message, help);
        return None;
    }
    if guessed {
        let message = format!("{number} functions match by the BTF, and not by what that kernel can trace");
        report.untold(pattern.span(), message, GIVE_TRACEFS);
    }
    Some(targets)
}

/// What is wrong with a pattern that this many functions match, and what to do.
fn wrong_number(number: usize, pattern: &str, guessed: bool) -> Option<(String, String)> {
    let (pattern, whose) = (quote(pattern), if guessed { "the BTF" } else { "this kernel" });
    if number == 0 {
        let listed = "/sys/kernel/tracing/available_filter_functions lists them";
        let help = if guessed { GIVE_TRACEFS } else { listed };
        return Some((format!("no function of {whose} matches {pattern}"), help.into()));
    }
    let or = if guessed { format!(", or {GIVE_TRACEFS}") } else { String::new() };
    let message = format!("{pattern} matches {number} functions; at most {MAX_GENERATED} are hooked");
    (number > MAX_GENERATED).then(|| (message, format!("write a pattern that matches less{or}")))
}

/// Where a function is hooked: that of a system call, as one. What the kernel has in place of functions that are gone is none.
fn target(name: &str) -> Option<Target> {
    if name.starts_with("__ftrace_invalid_address") {
        return None;
    }
    if syscall::is_entry(name) { syscall::find(name).ok() } else { Some(Target::Function(name.into())) }
}

/// The numbers of a list's system calls, as an argument of this type has them.
pub(crate) fn numbers(
    name: &str,
    span: Span,
    kind: ArgumentKind,
    lists: &Lists,
    report: &mut Report<'_>,
) -> Option<Vec<i128>> {
    let list = hook::find_list(name, span, lists, report)?;
    let number = |target: &Target| match target {
        Target::Syscall { number, .. } => Ok((*number).into()),
        Target::CompatSyscall { number, .. } if kind == ArgumentKind::Syscall => {
            Ok((COMPAT_BIT | number).into())
        }
        Target::CompatSyscall { name, .. } => Err((
            format!("`{name}` of 32-bit programs has a number that is another call's of 64-bit programs"),
            "read the argument as `syscall64`, which tells them apart",
        )),
        _ => Err((
            format!("the list `{name}` holds functions, which have no numbers"),
            "write `type: syscalls` there",
        )),
    };
    match list.targets.iter().map(number).collect() {
        Ok(numbers) => Some(numbers),
        Err((message, help)) => {
            report.error_with_help(span, message, help);
            None
        }
    }
}
