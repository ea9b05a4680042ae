//! Reads `selectors`: what must hold, and what is done then.

mod argument;

pub(crate) use self::argument::slot_of;
use self::argument::{read_argument, read_data, read_returned};
use crate::action;
use crate::binary;
use crate::fields::{Field, Fields, is_default};
use crate::hook::Context;
use crate::identity;
use crate::report::Report;
use crate::return_action;
use crate::schema::{
    MATCH_ACTIONS, MATCH_BINARIES, MATCH_PARENT_BINARIES, MATCH_PIDS, PID_OPERATORS, SELECTOR,
};
use crate::scope;
use crate::stack;
use crate::{ActionPlan, PidFilter, SelectorPlan};

/// Reads a hook's selectors. Without any, the hook matches always and posts.
pub(crate) fn read_all(
    hook: &Fields<'_>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Vec<SelectorPlan>> {
    let Some(selectors) = hook.get("selectors") else {
        return Some(vec![SelectorPlan { actions: vec![ActionPlan::Post], ..SelectorPlan::default() }]);
    };
    read_each(selectors, report, |item, report| read(item, context, report))
}

fn read(item: Field<'_>, context: &Context<'_>, report: &mut Report<'_>) -> Option<SelectorPlan> {
    let fields = Fields::read(item.node, &SELECTOR, report)?;
    let pids = read_filters(&fields, "matchPIDs", report, read_pids);
    let binaries = read_filters(&fields, "matchBinaries", report, |item, report| {
        binary::read(item, &MATCH_BINARIES, report)
    });
    let parent_binaries = read_filters(&fields, "matchParentBinaries", report, |item, report| {
        binary::read(item, &MATCH_PARENT_BINARIES, report)
    });
    let identity = identity::read(&fields, report);
    let workloads = fields.get("matchWorkloads").filter(|field| !is_default(field.node));
    let workloads = workloads.map_or(Some(None), |field| scope::read_workloads(field, report));
    let arguments =
        read_filters(&fields, "matchArgs", report, |item, report| read_argument(item, context, report));
    let data = read_filters(&fields, "matchData", report, |item, report| read_data(item, context, report));
    let returned =
        read_filters(&fields, "matchReturnArgs", report, |item, report| read_returned(item, context, report));
    let actions = read_filters(&fields, "matchActions", report, |item, report| {
        action::read(item, &MATCH_ACTIONS, context, report)
    });
    let return_actions = fields.get("matchReturnActions").filter(|list| !is_default(list.node));
    let return_actions =
        return_actions.map_or(Some(vec![]), |list| return_action::read_all(list, context, report));
    let label = fields.get("label").map_or(Some(""), |label| label.optional_string(report));
    let actions = actions?;
    if let Some(list) = fields.get("matchActions")
        && !action::check_all(list, &actions, report)
    {
        return None;
    }
    let rate_limit = actions.iter().find_map(|action| action.rate_limit);
    let stacks = stack::all(&actions);
    let hash = actions.iter().find_map(|action| action.hash);
    let mut actions: Vec<_> = actions.into_iter().map(|action| action.plan).collect();
    if actions.is_empty() {
        actions.push(ActionPlan::Post);
    }
    let return_actions = return_actions?;
    if let Some(list) = fields.get("matchReturnActions") {
        return_action::check_with(list, &actions, &return_actions, report)?;
    }
    Some(SelectorPlan {
        label: label?.into(),
        scopes: workloads?.into_iter().collect(),
        pids: pids?,
        binaries: binaries?,
        parent_binaries: parent_binaries?,
        identity: identity?,
        arguments: arguments?.into_iter().chain(data?).collect(),
        returned: returned?,
        actions,
        return_actions,
        rate_limit,
        stacks,
        hash,
    })
}

fn read_filters<T>(
    selector: &Fields<'_>,
    name: &'static str,
    report: &mut Report<'_>,
    read: impl FnMut(Field<'_>, &mut Report<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    selector.get(name).map_or(Some(vec![]), |list| read_each(list, report, read))
}

/// Reads every item of a list; `None` if one was refused.
pub(crate) fn read_each<T>(
    list: Field<'_>,
    report: &mut Report<'_>,
    mut read: impl FnMut(Field<'_>, &mut Report<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let read: Vec<Option<T>> = list.items(report)?.map(|item| read(item, report)).collect();
    read.into_iter().collect()
}

fn read_pids(item: Field<'_>, report: &mut Report<'_>) -> Option<PidFilter> {
    let fields = Fields::read(item.node, &MATCH_PIDS, report)?;
    let membership = fields.require("operator", report).and_then(|field| field.word(&PID_OPERATORS, report));
    let values = fields.require("values", report)?;
    let values =
        read_each(values, report, |item, report| item.integer("a whole number", 0..=u32::MAX, report));
    let mut flag = |name| fields.get(name).map_or(Some(false), |field| field.boolean(report));
    let (follow_forks, in_namespace) = (flag("followForks"), flag("isNamespacePID"));
    Some(PidFilter {
        membership: membership?,
        values: values?,
        follow_forks: follow_forks?,
        in_namespace: in_namespace?,
    })
}
