//! Reads `TrackSock`, `UntrackSock` and `returnArgAction`, which are about whose a socket is.

use crate::fields::Fields;
use crate::hook::Context;
use crate::report::Report;
use crate::schema::RETURN_ACTIONS;
use crate::selector::slot_of;
use crate::{ActionPlan, ArgumentKind, SocketAction};

/// Reads one of the two actions, on the socket that `argSock` names.
pub(crate) fn read(
    action: SocketAction,
    fields: &Fields<'_>,
    context: &Context,
    report: &mut Report<'_>,
) -> Option<ActionPlan> {
    let field = fields.get("argSock");
    let span = field.map_or(fields.span(), |field| field.span());
    let (socket, kind) = slot_of(field, span, context, report)?;
    if !is_socket(kind) {
        let message = "this argument is no socket, whose owner could be remembered";
        report.error_with_help(span, message, "name an argument that is read as `sock` or `socket`");
        return None;
    }
    Some(ActionPlan::Socket { action, socket })
}

/// Reads what a hook does with the socket that is returned; `returns` is the type of what is.
pub(crate) fn read_returned(
    hook: &Fields<'_>,
    returns: Option<Option<ArgumentKind>>,
    report: &mut Report<'_>,
) -> Option<Option<SocketAction>> {
    let Some(field) = hook.get("returnArgAction") else { return Some(None) };
    let action = field.word(&RETURN_ACTIONS, report)?;
    let message = match returns {
        Some(Some(kind)) if is_socket(kind) => return Some(Some(action)),
        // What is wrong with the type has been told.
        Some(None) => return None,
        Some(Some(_)) => "what this function returns is not read as a socket",
        None => "the hook does not wait for the function's return",
    };
    report.error_with_help(
        field.span(),
        message,
        "write `return: true` and `returnArg: {index: 0, type: sock}`",
    );
    None
}

/// Whether it is read as a socket.
pub(crate) fn is_socket(kind: ArgumentKind) -> bool {
    matches!(kind, ArgumentKind::Sock | ArgumentKind::Socket)
}
