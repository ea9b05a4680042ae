//! Reads `matchActions`.

use url::Url;

use crate::descriptor;
use crate::diagnostic::quote;
use crate::enforcer;
use crate::fields::{Field, Fields, Shape, is_default};
use crate::hook::Context;
use crate::rate;
use crate::report::Report;
use crate::schema::{ACTIONS, ActionName};
use crate::{ActionPlan, HashedFile, MAX_URL, RateLimit, SocketAction, Stacks, Target};
use crate::{hash, override_in_program, socket, stack, usdt};

/// The errors a function can be made to return: the kernel's `MAX_ERRNO`.
pub(crate) const ERRORS: std::ops::RangeInclusive<i32> = -4095..=-1;

/// Limits of RFC 1035, section 2.3.4, without the final dot.
const MAX_DOMAIN: usize = 253;
const MAX_LABEL: usize = 63;

/// Parameters of actions, and the actions each belongs to.
const PARAMETERS: [(&str, &[ActionName]); 18] = [
    ("argError", &[ActionName::Override, ActionName::NotifyEnforcer]),
    ("argFd", &[ActionName::FollowFD, ActionName::UnfollowFD, ActionName::CopyFD]),
    ("argFqdn", &[ActionName::DnsLookup]),
    ("argIndex", &[ActionName::Set]),
    ("argName", &[ActionName::FollowFD, ActionName::CopyFD]),
    ("argNewAddr", &[ActionName::Override]),
    ("argNewOffset", &[ActionName::Override]),
    ("argNewSymbol", &[ActionName::Override]),
    ("argRegs", &[ActionName::Override]),
    ("argSig", &[ActionName::Signal, ActionName::NotifyEnforcer]),
    ("argSock", &[ActionName::TrackSock, ActionName::UntrackSock]),
    ("argUrl", &[ActionName::GetUrl]),
    ("argValue", &[ActionName::Set]),
    ("imaHash", &[ActionName::Post]),
    ("kernelStackTrace", &[ActionName::Post]),
    ("rateLimit", &[ActionName::Post]),
    ("rateLimitScope", &[ActionName::Post]),
    ("userStackTrace", &[ActionName::Post]),
];

/// Signals have numbers up to `_NSIG`.
pub(crate) const SIGNALS: std::ops::RangeInclusive<u32> = 1..=64;

/// An action, and what it says of how events are posted.
pub(crate) struct Action {
    pub(crate) plan: ActionPlan,
    pub(crate) rate_limit: Option<RateLimit>,
    pub(crate) stacks: Stacks,
    pub(crate) hash: Option<HashedFile>,
}

/// Reads one action of a list with the fields of `shape`.
pub(crate) fn read(
    item: Field<'_>,
    shape: &'static Shape,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Action> {
    let later = item.node.field("action").filter(|node| ACTIONS.later.iter().any(|word| node.is_text(word)));
    if let Some(node) = later {
        // The parameters of an action that is not supported are not supported either: one error is enough.
        Field { path: shape.path, name: "action", in_list: false, node }.word(&ACTIONS, report);
        return None;
    }
    let fields = Fields::read(item.node, shape, report)?;
    let field = fields.require("action", report)?;
    let action = field.word(&ACTIONS, report)?;
    refuse_foreign_parameters(&fields, action, report);
    let rate_limit = if action == ActionName::Post { rate::read(&fields, report) } else { Some(None) };
    let stacks = if action == ActionName::Post {
        stack::read(&fields, context, report)
    } else {
        Some(Stacks::default())
    };
    let hash = if action == ActionName::Post { hash::read(&fields, context, report) } else { Some(None) };
    let plan = read_plan(field, action, &fields, context, report);
    Some(Action { plan: plan?, rate_limit: rate_limit?, stacks: stacks?, hash: hash? })
}

fn read_plan(
    field: Field<'_>,
    action: ActionName,
    fields: &Fields<'_>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<ActionPlan> {
    match action {
        ActionName::Post => Some(ActionPlan::Post),
        ActionName::NoPost => Some(ActionPlan::NoPost),
        ActionName::Sigkill => Some(ActionPlan::Sigkill),
        ActionName::Signal => fields
            .require("argSig", report)?
            .integer("the number of a signal", SIGNALS, report)
            .map(ActionPlan::Signal),
        ActionName::Override if matches!(context.targets.first(), Some(Target::Uprobe(_))) => {
            override_in_program::read(field, fields, context, report)
        }
        ActionName::Override => {
            check_override(field, fields, context, report);
            fields
                .require("argError", report)?
                .integer("a negated error number", ERRORS, report)
                .map(ActionPlan::Override)
        }
        ActionName::FollowFD | ActionName::UnfollowFD | ActionName::CopyFD => {
            descriptor::read(action, fields, context, report)
        }
        ActionName::TrackSock => socket::read(SocketAction::Track, fields, context, report),
        ActionName::UntrackSock => socket::read(SocketAction::Untrack, fields, context, report),
        ActionName::NotifyEnforcer => enforcer::read_notification(field, fields, context, report),
        ActionName::Set => usdt::read_set(field, fields, context, report),
        ActionName::CleanupEnforcerNotification => {
            enforcer::check_place(field, context, report).map(|()| ActionPlan::CleanUpNotification)
        }
        ActionName::DnsLookup => read_domain(fields.require("argFqdn", report)?, report),
        ActionName::GetUrl => read_url(fields.require("argUrl", report)?, report),
    }
}

/// Refuses actions that cannot be taken together.
pub(crate) fn check_all(list: Field<'_>, actions: &[Action], report: &mut Report<'_>) -> bool {
    if actions.iter().filter(|action| action.rate_limit.is_some()).count() > 1 {
        report.error_with_help(list.span(), "a selector can have one `rateLimit`", "keep one of them");
        return false;
    }
    let hashes = actions.iter().any(|action| action.hash.is_some());
    if hashes && actions.iter().any(|action| matches!(action.plan, ActionPlan::Override(_))) {
        let message = "a file is hashed once the hook has let it pass, which `Override` does not";
        report.error_with_help(list.span(), message, "leave `imaHash` or `Override` out");
        return false;
    }
    let actions = actions.iter().map(|action| &action.plan);
    let no_post = actions.clone().any(|action| *action == ActionPlan::NoPost);
    let canary = |action: &ActionPlan| matches!(action, ActionPlan::GetUrl(_) | ActionPlan::DnsLookup(_));
    if no_post && actions.clone().any(canary) {
        let message = "`GetUrl` and `DnsLookup` are fired by the event, which `NoPost` suppresses";
        report.error_with_help(list.span(), message, "leave `NoPost` out, or drop the event in the pipeline");
        return false;
    }
    if actions.clone().filter(|action| descriptor::is_about(action)).count() > 1 {
        let message = "a selector can have one of `FollowFD`, `UnfollowFD` and `CopyFD`";
        report.error_with_help(list.span(), message, "keep one of them");
        return false;
    }
    if actions.clone().filter(|action| matches!(action, ActionPlan::Socket { .. })).count() > 1 {
        let message = "a selector can have one of `TrackSock` and `UntrackSock`";
        report.error_with_help(list.span(), message, "keep one of them");
        return false;
    }
    if actions.clone().filter(|action| enforcer::is_about(action)).count() > 1 {
        let message = "a selector can have one of `NotifyEnforcer` and `CleanupEnforcerNotification`";
        report.error_with_help(list.span(), message, "keep one of them");
        return false;
    }
    if actions.clone().filter(|action| matches!(action, ActionPlan::Set { .. })).count() > 1 {
        report.error_with_help(list.span(), "a selector can have one `Set`", "keep one of them");
        return false;
    }
    if actions.clone().filter(|action| matches!(action, ActionPlan::OverrideInProgram(_))).count() > 1 {
        report.error_with_help(list.span(), "a selector can have one `Override`", "keep one of them");
        return false;
    }
    if actions.filter(|action| matches!(action, ActionPlan::Signal(_))).count() > 1 {
        report.error_with_help(list.span(), "a selector can send one `Signal`", "keep one of them");
        return false;
    }
    true
}

fn refuse_foreign_parameters(fields: &Fields<'_>, action: ActionName, report: &mut Report<'_>) {
    for (name, owners) in PARAMETERS.into_iter().filter(|(_, owners)| !owners.contains(&action)) {
        let Some(field) = fields.get(name).filter(|field| !is_default(field.node)) else { continue };
        let owners: Vec<_> = owners.iter().map(|owner| format!("`{owner:?}`")).collect();
        let (actions, owners) = (if owners.len() > 1 { "actions" } else { "action" }, owners.join(", "));
        report
            .error(field.span(), format!("`{name}` belongs to the {actions} {owners}, not to `{action:?}`"));
    }
}

/// Only functions whose callers expect an error can be made to return one.
fn check_override(action: Field<'_>, fields: &Fields<'_>, context: &Context<'_>, report: &mut Report<'_>) {
    let given = |name| fields.get(name).filter(|field| !is_default(field.node));
    for field in override_in_program::ONLY_IN_PROGRAMS.into_iter().filter_map(given) {
        let message = format!("`{}` is for places in programs", field.name);
        report.error_with_help(field.span(), message, "hook one with `uprobes`");
    }
    if let Some(Target::Usdt(_)) = context.targets.first() {
        let message = "`Override` is not possible on probes of programs";
        report.error_with_help(
            action.span(),
            message,
            "hook the function with `uprobes`, or write `Sigkill`",
        );
        return;
    }
    if let Some(Target::Tracepoint(event) | Target::RawTracepoint(event)) = context.targets.first() {
        let message =
            format!("`Override` is not possible: nothing comes of what the tracepoint `{event}` returns");
        report.error_with_help(
            action.span(),
            message,
            "hook a system call with `kprobes`, or write `Sigkill`",
        );
        return;
    }
    let foreign = context.targets.iter().find_map(|target| match target {
        Target::Function(function) if !function.starts_with("security_") => Some(function),
        _ => None,
    });
    let Some(function) = foreign else { return };
    let message =
        format!("`Override` works on system calls and `security_*` functions only; `{function}` is neither");
    report.error_with_help(action.span(), message, "hook one of those, or write `Sigkill`");
}

fn read_domain(field: Field<'_>, report: &mut Report<'_>) -> Option<ActionPlan> {
    let name = field.string(report)?;
    match domain_error(name) {
        None => Some(ActionPlan::DnsLookup(name.into())),
        Some(reason) => {
            let message = format!("{} is not a domain name: {reason}", quote(name));
            report.error_with_help(field.span(), message, "write it like `abc.def.example.org`");
            None
        }
    }
}

fn domain_error(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > MAX_DOMAIN {
        return Some(format!("it has {} characters, at most {MAX_DOMAIN} are allowed", name.len()));
    }
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    name.split('.').find_map(|label| {
        if label.is_empty() {
            Some("a label between dots is empty".into())
        } else if label.len() > MAX_LABEL {
            Some(format!("a label has {} characters, at most {MAX_LABEL} are allowed", label.len()))
        } else if label.starts_with('-') || label.ends_with('-') {
            Some("a label starts or ends with a hyphen".into())
        } else {
            let wrong = label.chars().find(|&character| !is_allowed(character))?;
            Some(format!("it contains {}", quote(&wrong.to_string())))
        }
    })
}

fn read_url(field: Field<'_>, report: &mut Report<'_>) -> Option<ActionPlan> {
    let url = field.string(report)?;
    match url_error(url) {
        None => Some(ActionPlan::GetUrl(url.into())),
        Some(reason) => {
            let message = format!("{} cannot be requested: {reason}", quote(url));
            report.error_with_help(field.span(), message, "write it like `https://example.org/token`");
            None
        }
    }
}

fn url_error(text: &str) -> Option<String> {
    if text.len() > MAX_URL {
        return Some(format!("it has {} bytes, at most {MAX_URL} are allowed", text.len()));
    }
    // Url::parse silently drops some of these.
    if text.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return Some("it contains white space or control characters".into());
    }
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return Some(error.to_string()),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Some(format!("its scheme is `{}`, not http or https", url.scheme()));
    }
    let has_user = !url.username().is_empty() || url.password().is_some();
    has_user.then(|| "it contains a user name or password".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_follow_rfc_1035() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        for name in ["o3n.io", "abc.def.o3n.io.", "_dmarc.example.org", "x", &longest] {
            assert_eq!(domain_error(name), None, "{name}");
        }
        let too_long = format!("{longest}a");
        for (name, reason) in [
            (".", "a label between dots is empty"),
            ("a..b", "a label between dots is empty"),
            (".a", "a label between dots is empty"),
            ("a b.org", "it contains ` `"),
            ("münchen.de", "it contains `ü`"),
            ("-a.org", "a label starts or ends with a hyphen"),
            (&"a".repeat(64), "a label has 64 characters, at most 63 are allowed"),
            (&too_long, "it has 254 characters, at most 253 are allowed"),
        ] {
            assert_eq!(domain_error(name).as_deref(), Some(reason), "{name}");
        }
    }

    #[test]
    fn urls_are_absolute_and_carry_no_credentials() {
        for url in ["http://ebpf.io", "https://example.org:8443/a?b=c", "http://[::1]/x"] {
            assert_eq!(url_error(url), None, "{url}");
        }
        for (url, reason) in [
            ("ebpf.io", "relative URL without a base"),
            ("http://", "empty host"),
            ("ftp://example.org", "its scheme is `ftp`, not http or https"),
            ("http://me:secret@example.org", "it contains a user name or password"),
            ("http://me@example.org", "it contains a user name or password"),
            ("http://example.org/a b", "it contains white space or control characters"),
            ("http://exa\tmple.org/", "it contains white space or control characters"),
            ("http://example.org:99999/", "invalid port number"),
        ] {
            assert_eq!(url_error(url).as_deref(), Some(reason), "{url}");
        }
    }
}
