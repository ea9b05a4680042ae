//! Whether a policy enforces or only reports, and what of it is attached then.

use serin_api::AgentError;
use serin_api::proto::TracingPolicyMode as Mode;
use serin_policy::{ActionPlan, HookPlan, PolicyPlan};

/// How a policy acts as it is written.
pub(super) fn mode_of(plan: &PolicyPlan) -> Mode {
    match plan.hooks.iter().any(HookPlan::enforces) {
        true if plan.monitor => Mode::TpModeMonitor,
        true => Mode::TpModeEnforce,
        false => Mode::TpModeMonitorOnly,
    }
}

/// The mode that a client asks for.
pub(super) fn new_mode(is: Mode, wanted: Option<Mode>) -> Result<Mode, AgentError> {
    match (is, wanted) {
        (is, None) => Ok(is),
        (_, Some(Mode::TpModeUnknown | Mode::TpModeMonitorOnly)) => {
            Err(AgentError::Invalid("mode: ask for TP_MODE_ENFORCE or TP_MODE_MONITOR".into()))
        }
        (Mode::TpModeMonitorOnly, Some(Mode::TpModeEnforce)) => {
            Err(AgentError::Invalid("mode: this policy has no action that enforces".into()))
        }
        (Mode::TpModeMonitorOnly, Some(_)) => Ok(Mode::TpModeMonitorOnly),
        (_, Some(wanted)) => Ok(wanted),
    }
}

/// What to attach for a policy: without what enforces, if it is only to monitor.
pub(super) fn effective(plan: &PolicyPlan, mode: Mode) -> PolicyPlan {
    let mut plan = plan.clone();
    if mode == Mode::TpModeMonitor {
        plan.enforced.clear();
        for selector in plan.hooks.iter_mut().flat_map(|hook| &mut hook.selectors) {
            for actions in [&mut selector.actions, &mut selector.return_actions] {
                let before = actions.len();
                actions.retain(|action| !action.enforces());
                if actions.is_empty() && before > 0 {
                    actions.push(ActionPlan::Post);
                }
            }
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use serin_policy::{SelectorPlan, Target};

    use super::*;

    fn plan(actions: &[ActionPlan]) -> PolicyPlan {
        let selector = SelectorPlan { actions: actions.to_vec(), ..SelectorPlan::default() };
        let hook = HookPlan {
            target: Target::Function("fd_install".into()),
            arguments: vec![],
            returns: None,
            return_action: None,
            selectors: vec![selector],
            message: String::new(),
            tags: vec![],
            ignore_not_found: false,
            position: (1, 1),
        };
        PolicyPlan {
            name: "p".into(),
            monitor: false,
            one_by_one: false,
            nodes: Vec::new(),
            hooks: vec![hook],
            enforced: vec![],
        }
    }

    #[test]
    fn monitoring_leaves_out_what_enforces_and_nothing_else() {
        use ActionPlan::{NoPost, NotifyEnforcer, Override, Post, Sigkill};
        for (written, mode, left) in [
            (vec![Override(-1), Sigkill], Mode::TpModeEnforce, vec![Post]),
            (vec![Post, Sigkill], Mode::TpModeEnforce, vec![Post]),
            (vec![NotifyEnforcer { error: -1, signal: 0 }], Mode::TpModeEnforce, vec![Post]),
            (vec![NoPost, Sigkill], Mode::TpModeEnforce, vec![NoPost]),
            (vec![Post], Mode::TpModeMonitorOnly, vec![Post]),
        ] {
            let plan_as_written = plan(&written);
            assert_eq!(mode_of(&plan_as_written), mode, "{written:?}");
            assert_eq!(effective(&plan_as_written, Mode::TpModeMonitor), plan(&left), "{written:?}");
            assert_eq!(effective(&plan_as_written, mode), plan_as_written, "{written:?}");
        }
    }

    #[test]
    fn a_mode_that_cannot_be_is_refused() {
        use Mode::{TpModeEnforce, TpModeMonitor, TpModeMonitorOnly, TpModeUnknown};
        for (is, wanted, expected) in [
            (TpModeEnforce, TpModeMonitor, Some(TpModeMonitor)),
            (TpModeMonitor, TpModeEnforce, Some(TpModeEnforce)),
            (TpModeMonitorOnly, TpModeMonitor, Some(TpModeMonitorOnly)),
            (TpModeMonitorOnly, TpModeEnforce, None),
            (TpModeEnforce, TpModeUnknown, None),
        ] {
            assert_eq!(new_mode(is, Some(wanted)).ok(), expected, "{is:?} to {wanted:?}");
        }
    }
}
