//! Reads `matchReturnActions`: what is done when the call has returned and what it returned passes the filters.

use crate::ActionPlan;
use crate::action;
use crate::fields::Field;
use crate::hook::Context;
use crate::report::Report;
use crate::schema::MATCH_RETURN_ACTIONS;
use crate::selector::read_each;

/// Reads the list; `None` if something in it was refused.
pub(crate) fn read_all(
    list: Field<'_>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Vec<ActionPlan>> {
    if context.returns.is_none() {
        let help = "add `return: true` and `returnArg: {type: …}` to the hook";
        report.error_with_help(list.span(), "the hook does not wait for the function's return", help);
        return None;
    }
    let actions = read_each(list, report, |item, report| {
        let action = action::read(item, &MATCH_RETURN_ACTIONS, context, report)?;
        if can_be_late(&action.plan) {
            return Some(action);
        }
        let help = "write it below `matchActions`, which are taken where the call begins";
        report.error_with_help(item.span(), "this action is too late once the call has returned", help);
        None
    })?;
    if !action::check_all(list, &actions, report) {
        return None;
    }
    Some(actions.into_iter().map(|action| action.plan).collect())
}

/// Whether an action needs neither the call nor its arguments, which are gone.
fn can_be_late(action: &ActionPlan) -> bool {
    use ActionPlan::{DnsLookup, GetUrl, NoPost, Post, Sigkill, Signal};
    matches!(action, Post | NoPost | Sigkill | Signal(_) | GetUrl(_) | DnsLookup(_))
}

/// Refuses lists that do not go together.
pub(crate) fn check_with(
    list: Field<'_>,
    actions: &[ActionPlan],
    return_actions: &[ActionPlan],
    report: &mut Report<'_>,
) -> Option<()> {
    let overrides = actions
        .iter()
        .any(|action| matches!(action, ActionPlan::Override(_) | ActionPlan::OverrideInProgram(_)));
    if overrides && !return_actions.is_empty() {
        let message = "a call that `Override` refuses need not return, so nothing can be done then";
        report.error_with_help(list.span(), message, "write all of it below `matchActions`");
        return None;
    }
    let is_canary = |action: &ActionPlan| matches!(action, ActionPlan::GetUrl(_) | ActionPlan::DnsLookup(_));
    let is_silent = |actions: &[ActionPlan]| actions.contains(&ActionPlan::NoPost);
    if is_silent(actions) && return_actions.iter().any(is_canary)
        || is_silent(return_actions) && actions.iter().any(is_canary)
    {
        let message = "`GetUrl` and `DnsLookup` are fired by the event, which `NoPost` suppresses";
        report.error_with_help(list.span(), message, "leave `NoPost` out, or drop the event in the pipeline");
        return None;
    }
    Some(())
}
