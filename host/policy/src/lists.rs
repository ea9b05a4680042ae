//! Reads `spec.lists`: names that several hooks share.

use std::collections::HashMap;

use crate::fields::{Field, Fields};
use crate::hook;
use crate::report::Report;
use crate::schema::{LIST, LIST_TYPES, ListType};
use crate::source::Span;
use crate::{ArgumentKind, COMPAT_BIT, Target, selector, syscall};

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
    let generated = kind == ListType::GeneratedSyscalls;
    let mut targets = if generated {
        if let Some(values) = fields.get("values") {
            let message = "a list that is generated has no values of its own";
            report.error_with_help(values.span(), message, "leave `values` out, or write `type: syscalls`");
            return None;
        }
        syscall::all().collect()
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
