//! What the API says of a policy.

use serin_api::AgentError;
use serin_api::proto::{
    self, HookState, HookStatus, TracingPolicyActionCounters, TracingPolicyState, TracingPolicyStats,
    TracingPolicyStatus,
};
use serin_kernel::{HookCount, Kernel, LoadedHook};

use super::{Entry, add};

/// The status of a policy.
pub(super) fn status(
    kernel: &Kernel,
    counts: &[(u32, HookCount)],
    entry: &Entry,
) -> Result<TracingPolicyStatus, AgentError> {
    let hooks = entry.hooks.as_deref().unwrap_or_default();
    let ids: Vec<_> = hooks.iter().map(|hook| hook.id).collect();
    let memory = kernel.memory(&ids).map_err(|error| AgentError::Refused(error.to_string()))?;
    let of = |hook: &LoadedHook| counts.iter().find(|(id, _)| *id == hook.id).map(|(_, count)| *count);
    let hook_counts: Vec<_> = hooks.iter().map(|hook| of(hook).unwrap_or_default()).collect();
    let all = hook_counts.iter().fold(entry.counted, |sum, count| add(sum, *count));
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
                ..TracingPolicyActionCounters::default()
            }),
        }),
        hook_statuses: hook_statuses(entry),
        hook_counts: hook_counts.into_iter().map(count).collect(),
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

/// One for each hook of an enabled policy, those left out as their function is missing among them.
fn hook_statuses(entry: &Entry) -> Vec<HookStatus> {
    let Some(hooks) = &entry.hooks else { return Vec::new() };
    let status = |index: usize| {
        let hook = hooks.iter().find(|hook| hook.index == index);
        let (state, hook_description) = match hook {
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
    (0..entry.policy.plan().hooks.len()).map(status).collect()
}

/// `__x64_sys_symlinkat by fentry and fexit, overridden by deny by LSM (path_symlink)`
fn description(hook: &LoadedHook) -> String {
    let enforcement = hook.enforcement.as_ref().map(|way| format!(", overridden by {way}"));
    let returns = hook.returns.map(|backend| format!(" and {backend}")).unwrap_or_default();
    format!("{} by {}{returns}{}", hook.function, hook.backend, enforcement.unwrap_or_default())
}

fn count(count: HookCount) -> proto::HookCount {
    let HookCount { hits, posted, lost, unreadable, unenforced, unposted, limited } = count;
    proto::HookCount { hits, posted, lost, unposted, unreadable, unenforced, limited }
}
