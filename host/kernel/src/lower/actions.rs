//! What a selector does, as the programs read it.

use serin_abi::config::{
    ACTION_CLEAN_UP, ACTION_COPY, ACTION_FOLLOW, ACTION_HASH, ACTION_KERNEL_STACK, ACTION_NOTIFY,
    ACTION_OVERRIDE, ACTION_POST, ACTION_REMEMBER, ACTION_SET, ACTION_SIGKILL, ACTION_SIGNAL, ACTION_TRACK,
    ACTION_UNFOLLOW, ACTION_UNTRACK, ACTION_USER_STACK, HASHED_FILE, HASHED_PROGRAM, RATE_GLOBAL,
    RATE_PROCESS, RATE_THREAD, RATE_UNLIMITED, ReturnActions, Selector,
};
use serin_policy::{ActionPlan, HashedFile, HookPlan, RateScope, SelectorPlan, SocketAction, Stacks};

use crate::identity;

/// A selector, but for its filters.
pub(super) fn selector(plan: &SelectorPlan) -> Selector {
    let SelectorPlan { actions, rate_limit, .. } = plan;
    let (descriptor, name) = descriptors(actions);
    let set = actions.iter().find_map(set).unwrap_or((0, 0));
    let notification = actions.iter().find_map(notification).unwrap_or((0, 0));
    Selector {
        first_filter: 0,
        filter_count: 0,
        actions: bits(actions)
            | stack_bits(plan.stacks)
            | (ACTION_HASH * u32::from(plan.hash.is_some()))
            | (ACTION_REMEMBER * u32::from(identity::changes(plan))),
        error: actions.iter().find_map(override_error).unwrap_or(0),
        signal: actions.iter().find_map(signal).unwrap_or(0),
        descriptor,
        name,
        socket: actions.iter().find_map(socket).unwrap_or(0),
        notify_error: notification.0,
        notify_signal: notification.1,
        set_operand: set.0,
        set_value: set.1,
        assignments: 0,
        rate_scope: rate_limit.map_or(RATE_UNLIMITED, |limit| scope(limit.scope)),
        rate_period: rate_limit.map_or(0, |limit| limit.period),
    }
}

/// What a selector does once the call has returned.
pub(super) fn on_return(plan: &SelectorPlan) -> ReturnActions {
    let actions = &plan.return_actions;
    ReturnActions { actions: bits(actions), signal: actions.iter().find_map(signal).unwrap_or(0) }
}

/// The stacks that a selector's events carry.
pub(super) fn stack_bits(stacks: Stacks) -> u32 {
    (ACTION_KERNEL_STACK * u32::from(stacks.kernel)) | (ACTION_USER_STACK * u32::from(stacks.user))
}

fn scope(scope: RateScope) -> u32 {
    match scope {
        RateScope::Thread => RATE_THREAD,
        RateScope::Process => RATE_PROCESS,
        RateScope::Global => RATE_GLOBAL,
    }
}

/// Whether any selector overrides.
pub(crate) fn overrides(plan: &HookPlan) -> bool {
    plan.selectors
        .iter()
        .flat_map(|selector| &selector.actions)
        .any(|action| matches!(action, ActionPlan::Override(_) | ActionPlan::OverrideInProgram(_)))
}

/// Every selector posts, as the canaries ride on the event, unless an action is `NoPost`.
fn bits(actions: &[ActionPlan]) -> u32 {
    let bits = actions.iter().map(action_bit).fold(ACTION_POST, |all, bit| all | bit);
    if actions.contains(&ActionPlan::NoPost) { bits & !ACTION_POST } else { bits }
}

fn action_bit(action: &ActionPlan) -> u32 {
    match action {
        ActionPlan::Post | ActionPlan::NoPost | ActionPlan::GetUrl(_) | ActionPlan::DnsLookup(_) => 0,
        ActionPlan::Signal(_) => ACTION_SIGNAL,
        ActionPlan::Sigkill => ACTION_SIGKILL,
        ActionPlan::Override(_) | ActionPlan::OverrideInProgram(_) => ACTION_OVERRIDE,
        ActionPlan::NotifyEnforcer { .. } => ACTION_NOTIFY,
        ActionPlan::CleanUpNotification => ACTION_CLEAN_UP,
        ActionPlan::Set { .. } => ACTION_SET,
        ActionPlan::FollowDescriptor { .. } => ACTION_FOLLOW,
        ActionPlan::UnfollowDescriptor { .. } => ACTION_UNFOLLOW,
        ActionPlan::CopyDescriptor { .. } => ACTION_COPY,
        ActionPlan::Socket { action, .. } => socket_action(*action),
    }
}

pub(super) fn socket_action(action: SocketAction) -> u32 {
    match action {
        SocketAction::Track => ACTION_TRACK,
        SocketAction::Untrack => ACTION_UNTRACK,
    }
}

/// The argument whose owner an action is about.
fn socket(action: &ActionPlan) -> Option<u32> {
    match action {
        ActionPlan::Socket { socket, .. } => Some(*socket as u32),
        _ => None,
    }
}

/// What of the hook's first parameter is hashed; 0 if nothing is.
pub(super) fn hashed(plan: &HookPlan) -> u32 {
    match plan.selectors.iter().find_map(|selector| selector.hash) {
        None => 0,
        Some(HashedFile::Itself) => HASHED_FILE,
        Some(HashedFile::OfProgram) => HASHED_PROGRAM,
    }
}

/// Whether a hook has sockets tracked.
pub(crate) fn tracks(hook: &HookPlan) -> bool {
    let mut actions = hook.selectors.iter().flat_map(|selector| &selector.actions);
    hook.return_action == Some(SocketAction::Track)
        || actions.any(|action| action_bit(action) == ACTION_TRACK)
}

/// The arguments that an action on the names of descriptors takes.
fn descriptors(actions: &[ActionPlan]) -> (u32, u32) {
    let taken = |action: &ActionPlan| match *action {
        ActionPlan::FollowDescriptor { descriptor, name } => Some((descriptor, name)),
        ActionPlan::CopyDescriptor { from, to } => Some((from, to)),
        ActionPlan::UnfollowDescriptor { descriptor } => Some((descriptor, 0)),
        _ => None,
    };
    actions.iter().find_map(taken).map_or((0, 0), |(first, second)| (first as u32, second as u32))
}

/// Whether a selector has descriptors followed, so that the others may meet their names.
pub(crate) fn follows(selector: &SelectorPlan) -> bool {
    selector.actions.iter().any(|action| action_bit(action) == ACTION_FOLLOW)
}

fn signal(action: &ActionPlan) -> Option<u32> {
    match action {
        ActionPlan::Signal(signal) => Some(*signal),
        _ => None,
    }
}

/// The error and the signal that an enforcer is notified of.
pub(crate) fn notification(action: &ActionPlan) -> Option<(i32, u32)> {
    match action {
        ActionPlan::NotifyEnforcer { error, signal } => Some((*error, *signal)),
        _ => None,
    }
}

/// The argument that is set, and to what.
fn set(action: &ActionPlan) -> Option<(u32, u32)> {
    match action {
        ActionPlan::Set { argument, value } => Some((u32::from(*argument), *value)),
        _ => None,
    }
}

fn override_error(action: &ActionPlan) -> Option<i32> {
    match action {
        ActionPlan::Override(error) => Some(*error),
        _ => None,
    }
}
