//! What the API says of a policy.

use serin_api::AgentError;
use serin_api::proto::{
    self, HookState, HookStatus, TracingPolicyActionCounters, TracingPolicySelectorActionCounters,
    TracingPolicyState, TracingPolicyStats, TracingPolicyStatus,
};
use serin_kernel::{HookCount, Kernel, LoadedHook, SelectorCount};
use serin_policy::{HookPlan, PolicyPlan, Target};

use super::{Entry, actions};
use crate::counts::Counts;

/// The status of a policy.
pub(super) fn status(
    kernel: &Kernel,
    counts: &Counts,
    entry: &Entry,
) -> Result<TracingPolicyStatus, AgentError> {
    let hooks = entry.hooks.as_deref().unwrap_or_default();
    let ids: Vec<_> = hooks.iter().map(|hook| hook.id).collect();
    let memory = kernel.memory(&ids);
    let all = hooks.iter().fold(entry.counted, |sum, hook| sum + counts.hook(hook.id));
    Ok(TracingPolicyStatus {
        id: entry.id,
        name: entry.policy.plan().name.clone(),
        domain: entry.domain.clone(),
        sensors: hooks.iter().map(|hook| hook.function.clone()).collect(),
        enabled: entry.hooks.is_some(),
        state: state(entry).into(),
        error: entry.error.clone(),
        mode: entry.mode.into(),
        kernel_memory_bytes: memory,
        stats: Some(TracingPolicyStats {
            action_counters: Some(TracingPolicyActionCounters {
                post: all.posted,
                nopost: all.unposted,
                ..actions::sum(entry.acted, actions::of_hooks(entry.policy.plan(), entry.mode, hooks, counts))
            }),
            selector_action_counters: hooks
                .iter()
                .flat_map(|hook| selector_actions(entry, hook, counts.selectors(hook.id)))
                .collect(),
        }),
        hook_statuses: hook_statuses(entry),
        hook_counts: hooks
            .iter()
            .map(|hook| count(counts.hook(hook.id), counts.selectors(hook.id)))
            .collect(),
        ..TracingPolicyStatus::default()
    })
}

fn state(entry: &Entry) -> TracingPolicyState {
    match &entry.hooks {
        None => TracingPolicyState::TpStateDisabled,
        Some(hooks) if hooks.len() < entry.policy.plan().hooks.len() => {
            TracingPolicyState::TpStatePartiallyEnabled
        }
        Some(_) => TracingPolicyState::TpStateEnabled,
    }
}

/// One for each hook of an enabled policy, those left out among them: as their function is missing, or their file has none
/// of its digests.
fn hook_statuses(entry: &Entry) -> Vec<HookStatus> {
    let Some(hooks) = &entry.hooks else { return Vec::new() };
    let plan = entry.policy.plan();
    let status = |index: usize| {
        let hook = hooks.iter().find(|hook| hook.index == index);
        let (state, hook_description) = match hook {
            None if is_verified(plan.hooks.get(index)) => {
                let function = plan.hooks.get(index).map(Kernel::function_of);
                (HookState::StatusDigestRejected, function.unwrap_or_default())
            }
            None => (HookState::StatusCallNotFound, String::new()),
            Some(hook) => (HookState::StatusLoaded, description(hook)),
        };
        HookStatus {
            section: String::new(),
            state: state.into(),
            hook_description,
            hook_idx: u32::try_from(index).unwrap_or(u32::MAX),
        }
    };
    (0..plan.hooks.len()).map(status).collect()
}

/// Whether a hook's file must have a digest.
fn is_verified(hook: Option<&HookPlan>) -> bool {
    hook.is_some_and(|hook| matches!(&hook.target, Target::Uprobe(probe) if !probe.digests.is_empty()))
}

/// `__x64_sys_symlinkat by fentry and fexit, overridden by deny by LSM (path_symlink)`
fn description(hook: &LoadedHook) -> String {
    let enforcement = hook.enforcement.as_ref().map(|way| format!(", overridden by {way}"));
    let returns = hook.returns.map(|backend| format!(" and {backend}")).unwrap_or_default();
    format!("{} by {}{returns}{}", hook.function, hook.backend, enforcement.unwrap_or_default())
}

/// What the policy calls the selectors of a hook.
pub(crate) fn labels<'a>(plan: &'a PolicyPlan, hook: &LoadedHook) -> Vec<&'a str> {
    let selectors = plan.hooks.get(hook.index).map(|plan| plan.selectors.as_slice()).unwrap_or_default();
    selectors.iter().map(|selector| selector.label.as_str()).collect()
}

/// A selector's `post` counts what was lost on its way as well.
fn selector_actions<'a>(
    entry: &'a Entry,
    hook: &'a LoadedHook,
    counts: &'a [SelectorCount],
) -> impl Iterator<Item = TracingPolicySelectorActionCounters> + 'a {
    let selectors = entry.policy.plan().hooks.get(hook.index).map(|plan| plan.selectors.as_slice());
    (0_u32..).zip(counts).map(move |(index, count)| {
        let selector = selectors.and_then(|selectors| selectors.get(index as usize));
        TracingPolicySelectorActionCounters {
            hook: hook.function.clone(),
            hook_index: u32::try_from(hook.index).ok(),
            selector_index: Some(index),
            selector_label: selector.map(|selector| selector.label.clone()).unwrap_or_default(),
            action_counters: Some(actions::of_selector(selector, entry.mode, *count)),
        }
    })
}

fn count(count: HookCount, selectors: &[SelectorCount]) -> proto::HookCount {
    let HookCount { hits, posted, lost, unreadable, unenforced, unposted, limited } = count;
    let selector =
        |count: &SelectorCount| proto::SelectorCount { hits: count.hits, unposted: count.unposted };
    let selectors = selectors.iter().map(selector).collect();
    proto::HookCount { hits, posted, lost, unposted, unreadable, unenforced, limited, selectors }
}
