//! Reads `FollowFD`, `UnfollowFD` and `CopyFD`, which are about the names of descriptors.

use crate::fields::Fields;
use crate::hook::{Context, Known};
use crate::report::Report;
use crate::schema::ActionName;
use crate::{ActionPlan, ArgumentKind};

/// Reads one of the three actions.
pub(crate) fn read(
    action: ActionName,
    fields: &Fields<'_>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<ActionPlan> {
    let mut descriptor = |name| argument(name, fields, context, Wanted::Descriptor, report);
    match action {
        ActionName::FollowFD => {
            let descriptor = descriptor("argFd");
            let name = argument("argName", fields, context, Wanted::Name, report);
            Some(ActionPlan::FollowDescriptor { descriptor: descriptor?, name: name? })
        }
        ActionName::CopyFD => {
            let (from, to) = (descriptor("argFd"), descriptor("argName"));
            Some(ActionPlan::CopyDescriptor { from: from?, to: to? })
        }
        _ => Some(ActionPlan::UnfollowDescriptor { descriptor: descriptor("argFd")? }),
    }
}

/// Whether an action is one of the three.
pub(crate) fn is_about(action: &ActionPlan) -> bool {
    use ActionPlan::{CopyDescriptor, FollowDescriptor, UnfollowDescriptor};
    matches!(action, FollowDescriptor { .. } | UnfollowDescriptor { .. } | CopyDescriptor { .. })
}

/// What an argument must be.
#[derive(Clone, Copy)]
enum Wanted {
    Descriptor,
    Name,
}

impl Wanted {
    fn accepts(self, kind: ArgumentKind) -> bool {
        use ArgumentKind::{Descriptor, Int, Long, Size, Uint};
        match self {
            Wanted::Descriptor => matches!(kind, Descriptor | Int | Uint | Long | Size),
            Wanted::Name => kind.is_text() && kind != Descriptor,
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Wanted::Descriptor => "a descriptor: read it as `int` or `fd`",
            Wanted::Name => "a name: read it as `file`, `path` or `string`",
        }
    }
}

/// The argument whose parameter number a field gives, 0 if it is left out: its slot.
fn argument(
    name: &'static str,
    fields: &Fields<'_>,
    context: &Context<'_>,
    wanted: Wanted,
    report: &mut Report<'_>,
) -> Option<usize> {
    let field = fields.get(name);
    let index = field.map_or(Some(0), |field| field.integer("a whole number", 0..=u32::MAX, report))?;
    let arguments = context.arguments.as_ref()?;
    let span = field.map_or(fields.span(), |field| field.span());
    let found = arguments.iter().enumerate().find(|(_, known)| u32::from(known.index) == index);
    let Some((slot, Known { kind, .. })) = found else {
        let message = format!("no entry of `args` reads parameter {index}, which `{name}` names");
        report.error_with_help(span, message, format!("add `- index: {index}` with its type to `args`"));
        return None;
    };
    if !wanted.accepts(*kind) {
        let message = format!("parameter {index}, which `{name}` names, is not {}", wanted.describe());
        report.error(span, message);
        return None;
    }
    Some(slot)
}
