//! Reads `spec.loader`: whether files are told of that processes map to execute them.

use crate::fields::{Fields, is_default};
use crate::hook::HookPlaces;
use crate::report::Report;
use crate::{ActionPlan, HookPlan, SelectorPlan, Target};

/// The fields of `spec` that say whose calls a policy is about.
const SCOPES: [&str; 3] = ["podSelector", "containerSelector", "hostSelector"];

/// Whether it is there and not `false`.
pub(crate) fn is_asked_for(fields: &Fields<'_>) -> bool {
    fields.get("loader").is_some_and(|field| !is_default(field.node))
}

/// The hook that it stands for, if it is `true`; `None` if it was refused.
///
/// The kernel tells of mapped files by process id, without a cgroup that scopes could be held against; Tetragon refuses
/// them as well.
pub(crate) fn read(
    fields: &Fields<'_>,
    is_namespaced: bool,
    report: &mut Report<'_>,
) -> Option<Option<(HookPlan, HookPlaces)>> {
    let Some(field) = fields.get("loader") else { return Some(None) };
    if !field.boolean(report)? {
        return Some(None);
    }
    let span = field.span();
    let scoped = SCOPES.iter().any(|name| fields.get(name).is_some_and(|field| !is_default(field.node)));
    if scoped || is_namespaced {
        let help =
            "write `loader: true` in a `TracingPolicy` of its own, and filter its events by their process";
        report.error_with_help(span, "`loader` tells of all processes, and cannot be about some", help);
        return None;
    }
    let plan = HookPlan {
        target: Target::Loader,
        arguments: Vec::new(),
        returns: None,
        return_action: None,
        selectors: vec![SelectorPlan { actions: vec![ActionPlan::Post], ..SelectorPlan::default() }],
        message: String::new(),
        tags: Vec::new(),
        ignore_not_found: false,
        position: (span.line, span.column),
    };
    let places = HookPlaces {
        call: span,
        arguments: Vec::new(),
        types: None,
        digests: None,
        returns: None,
        generated: false,
    };
    Some(Some((plan, places)))
}
