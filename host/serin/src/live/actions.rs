//! How often a policy's actions were taken, as the API counts them.
//!
//! An action is taken whenever its selector matches; in mode `monitor`, what enforces is counted as what was left out. Those
//! that failed are counted with their hook as well (`unenforced`).

use serin_api::proto::{TracingPolicyActionCounters, TracingPolicyMode as Mode};
use serin_kernel::{LoadedHook, SelectorCount};
use serin_policy::{ActionPlan, PolicyPlan, SelectorPlan};

use crate::counts::Counts;

/// Those of a selector.
pub(super) fn of_selector(
    selector: Option<&SelectorPlan>,
    mode: Mode,
    count: SelectorCount,
) -> TracingPolicyActionCounters {
    let mut counters = TracingPolicyActionCounters {
        post: count.hits.saturating_sub(count.unposted),
        nopost: count.unposted,
        ..TracingPolicyActionCounters::default()
    };
    let is_monitored = mode == Mode::TpModeMonitor;
    for action in selector.into_iter().flat_map(|selector| &selector.actions) {
        if let Some([taken, left_out]) = counters_of(&mut counters, action) {
            *(if is_monitored { left_out } else { taken }) += count.hits;
        }
    }
    counters
}

/// Where an action is counted that was taken, and one that was left out.
fn counters_of<'c>(
    counters: &'c mut TracingPolicyActionCounters,
    action: &ActionPlan,
) -> Option<[&'c mut u64; 2]> {
    match action {
        ActionPlan::Sigkill | ActionPlan::Signal(_) => {
            Some([&mut counters.signal, &mut counters.monitor_signal])
        }
        ActionPlan::Override(_) | ActionPlan::OverrideInProgram(_) => {
            Some([&mut counters.r#override, &mut counters.monitor_override])
        }
        ActionPlan::NotifyEnforcer { .. } => {
            Some([&mut counters.notify_enforcer, &mut counters.monitor_notify_enforcer])
        }
        ActionPlan::Set { .. } => Some([&mut counters.set, &mut counters.monitor_set]),
        _ => None,
    }
}

/// Those of a policy with these hooks.
pub(super) fn of_hooks(
    plan: &PolicyPlan,
    mode: Mode,
    hooks: &[LoadedHook],
    counts: &Counts,
) -> TracingPolicyActionCounters {
    let of_hook = |hook: &LoadedHook| {
        let selectors = plan.hooks.get(hook.index).map(|hook| hook.selectors.as_slice()).unwrap_or_default();
        let counts = counts.selectors(hook.id).iter().enumerate();
        counts.map(|(index, count)| of_selector(selectors.get(index), mode, *count)).fold(NONE, sum)
    };
    hooks.iter().map(of_hook).fold(NONE, sum)
}

/// Nothing was done.
pub(super) const NONE: TracingPolicyActionCounters = TracingPolicyActionCounters {
    post: 0,
    signal: 0,
    monitor_signal: 0,
    r#override: 0,
    monitor_override: 0,
    notify_enforcer: 0,
    monitor_notify_enforcer: 0,
    set: 0,
    monitor_set: 0,
    nopost: 0,
};

/// Both together.
pub(super) fn sum(
    one: TracingPolicyActionCounters,
    other: TracingPolicyActionCounters,
) -> TracingPolicyActionCounters {
    TracingPolicyActionCounters {
        post: one.post + other.post,
        signal: one.signal + other.signal,
        monitor_signal: one.monitor_signal + other.monitor_signal,
        r#override: one.r#override + other.r#override,
        monitor_override: one.monitor_override + other.monitor_override,
        notify_enforcer: one.notify_enforcer + other.notify_enforcer,
        monitor_notify_enforcer: one.monitor_notify_enforcer + other.monitor_notify_enforcer,
        set: one.set + other.set,
        monitor_set: one.monitor_set + other.monitor_set,
        nopost: one.nopost + other.nopost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_counted_as_taken_or_left_out() {
        let actions = vec![ActionPlan::Override(-1), ActionPlan::Sigkill, ActionPlan::Post];
        let selector = SelectorPlan { actions, ..SelectorPlan::default() };
        let count = SelectorCount { hits: 5, unposted: 2 };
        let posted = TracingPolicyActionCounters { post: 3, nopost: 2, ..NONE };
        let taken = TracingPolicyActionCounters { signal: 5, r#override: 5, ..posted };
        let left_out = TracingPolicyActionCounters { monitor_signal: 5, monitor_override: 5, ..posted };
        for (mode, expected) in [(Mode::TpModeEnforce, taken), (Mode::TpModeMonitor, left_out)] {
            assert_eq!(of_selector(Some(&selector), mode, count), expected, "{mode:?}");
        }
        assert_eq!(of_selector(None, Mode::TpModeEnforce, count), posted);
        assert_eq!(sum(taken, left_out).post, 6);
    }
}
