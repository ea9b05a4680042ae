//! Reads `return` and `returnArg`: whether a hook waits for the function's return, and how that is read.

use crate::fields::{Field, Fields};
use crate::report::Report;
use crate::schema::{RETURN_ARGUMENT, TYPES, TypeName};
use crate::socket;
use crate::source::Span;
use crate::{ArgumentKind, ArgumentPlan, ArgumentSource, Target};

/// System calls that do not come back to who made them.
const NEVER_RETURN: [&str; 2] = ["exit", "exit_group"];

/// What is returned and where its type stands; `None` if the hook does not wait for the return, `Some(None)` if
/// anything was refused.
pub(crate) fn read(
    hook: &Fields<'_>,
    targets: &[Target],
    report: &mut Report<'_>,
) -> Option<Option<(ArgumentPlan, Span)>> {
    let argument = hook.get("returnArg").map(|field| read_argument(field, report));
    let wanted = hook.get("return")?;
    match wanted.boolean(report) {
        Some(false) => return None,
        Some(true) => {}
        None => return Some(None),
    }
    if let Some(Target::Syscall { name, .. } | Target::CompatSyscall { name, .. }) =
        targets.iter().find(|target| never(target))
    {
        let message = format!("`{name}` does not return");
        report.error_with_help(wanted.span(), message, "leave `return` out");
        return Some(None);
    }
    let Some(argument) = argument else {
        let message = "`return: true` does not say what is returned";
        report.error_with_help(
            wanted.span(),
            message,
            "add `returnArg: {index: 0, type: int}`, or another type of integer",
        );
        return Some(None);
    };
    Some(argument)
}

/// Whether it is a system call that does not return.
pub(crate) fn never(target: &Target) -> bool {
    let (Target::Syscall { name, .. } | Target::CompatSyscall { name, .. }) = target else { return false };
    NEVER_RETURN.contains(&name.as_str())
}

fn read_argument(field: Field<'_>, report: &mut Report<'_>) -> Option<(ArgumentPlan, Span)> {
    let fields = Fields::read(field.node, &RETURN_ARGUMENT, report)?;
    let index = fields.get("index").map_or(Some(0), |index| index.integer("a whole number", 0..=0, report));
    let kind_field = fields.require("type", report)?;
    let kind = kind_field.word(&TYPES, report)?;
    let label = fields.get("label").map_or(Some(""), |label| label.optional_string(report))?;
    let kind = match kind {
        TypeName::Of(kind) if is_integer(kind) || socket::is_socket(kind) => Some(kind),
        _ => None,
    };
    let Some(kind) = kind else {
        let message = "what a function returns can only be read as an integer or a socket";
        report.error_with_help(
            kind_field.span(),
            message,
            "write `int`, `uint64` or another type of integer, `sock` or `socket`",
        );
        return None;
    };
    Some((
        ArgumentPlan {
            index: index?,
            kind,
            label: label.into(),
            source: ArgumentSource::Parameter,
            resolve: None,
        },
        kind_field.span(),
    ))
}

fn is_integer(kind: ArgumentKind) -> bool {
    use ArgumentKind::{Int, Int8, Int16, Long, Size, Uint, Uint8, Uint16};
    matches!(kind, Int8 | Int16 | Int | Long | Uint8 | Uint16 | Uint | Size)
}
