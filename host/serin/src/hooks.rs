//! What is known of loaded hooks beside the kernel: for their events, and for the canaries they fire.

use std::collections::HashMap;
use std::sync::Arc;

use serin_event::action::{Action, ActionRequest, Method, Source};
use serin_event::{Place, Probe, ProgramPlace};
use serin_policy::{ActionPlan, HookPlan, SelectorPlan, SocketAction, Target, Uprobe, Usdt};
use serin_process::HookInfo;

/// What events of this hook carry.
pub(crate) fn info(policy: &Arc<str>, function: &str, plan: &HookPlan) -> HookInfo {
    HookInfo {
        place: match &plan.target {
            Target::Function(_) | Target::Syscall { .. } | Target::CompatSyscall { .. } => Place::Function,
            // Its events are of no hook.
            Target::Loader => Place::Function,
            Target::Lsm(_) => Place::Lsm,
            Target::Tracepoint(_) | Target::RawTracepoint(_) => Place::Tracepoint,
            Target::Uprobe(probe) => Place::Program(place(probe).into()),
            Target::Usdt(Usdt { path, provider, name, .. }) => {
                let (path, provider, name) = (path.clone(), provider.clone(), name.clone());
                Place::Probe(Probe { path, provider, name }.into())
            }
        },
        function_name: function.into(),
        policy_name: Arc::clone(policy),
        message: plan.message.as_str().into(),
        tags: plan.tags.clone().into(),
        labels: plan.arguments.iter().map(|argument| argument.label.as_str().into()).collect(),
        data: plan.data(),
        return_label: plan.returns.as_ref().map_or("", |returned| &returned.label).into(),
        actions: plan.selectors.iter().map(|selector| names(&selector.actions)).collect(),
        return_actions: plan.selectors.iter().map(|selector| names(&selector.return_actions)).collect(),
    }
}

fn place(probe: &Uprobe) -> ProgramPlace {
    let (symbol, offset) = match &probe.place {
        serin_policy::ProgramPlace::Symbol { .. } => (probe.place.to_string(), 0),
        serin_policy::ProgramPlace::Offset(number) | serin_policy::ProgramPlace::Address(number) => {
            (String::new(), *number)
        }
    };
    ProgramPlace { path: probe.path.clone(), symbol, offset, counter: probe.counter }
}

/// Names of Tetragon's `KprobeAction`.
fn names(actions: &[ActionPlan]) -> Arc<[&'static str]> {
    let name = |action: &ActionPlan| match action {
        ActionPlan::Post => "KPROBE_ACTION_POST",
        ActionPlan::NoPost => "KPROBE_ACTION_NOPOST",
        ActionPlan::Signal(_) => "KPROBE_ACTION_SIGNAL",
        ActionPlan::Sigkill => "KPROBE_ACTION_SIGKILL",
        ActionPlan::Override(_) | ActionPlan::OverrideInProgram(_) => "KPROBE_ACTION_OVERRIDE",
        ActionPlan::NotifyEnforcer { .. } => "KPROBE_ACTION_NOTIFYENFORCER",
        ActionPlan::CleanUpNotification => "KPROBE_ACTION_CLEANUPENFORCERNOTIFICATION",
        ActionPlan::Set { .. } => "KPROBE_ACTION_SET",
        ActionPlan::GetUrl(_) => "KPROBE_ACTION_GETURL",
        ActionPlan::DnsLookup(_) => "KPROBE_ACTION_DNSLOOKUP",
        ActionPlan::FollowDescriptor { .. } => "KPROBE_ACTION_FOLLOWFD",
        ActionPlan::UnfollowDescriptor { .. } => "KPROBE_ACTION_UNFOLLOWFD",
        ActionPlan::CopyDescriptor { .. } => "KPROBE_ACTION_COPYFD",
        ActionPlan::Socket { action: SocketAction::Track, .. } => "KPROBE_ACTION_TRACKSOCK",
        ActionPlan::Socket { action: SocketAction::Untrack, .. } => "KPROBE_ACTION_UNTRACKSOCK",
    };
    actions.iter().map(name).collect()
}

/// The canaries that policies fire, by hook id and selector.
#[derive(Debug, Default)]
pub(crate) struct Canaries(HashMap<u32, Vec<Vec<Canary>>>);

#[derive(Debug, Clone)]
struct Canary {
    source: Source,
    action: Action,
}

impl Canaries {
    /// Adds those of a hook.
    pub(crate) fn add(&mut self, hook: u32, policy: &str, plan: &HookPlan) {
        let canaries = |selector: &SelectorPlan| -> Vec<Canary> {
            let source = Source::Policy(policy.to_owned());
            let actions = selector.actions.iter().chain(&selector.return_actions);
            actions.filter_map(outward).map(|action| Canary { source: source.clone(), action }).collect()
        };
        let by_selector: Vec<_> = plan.selectors.iter().map(canaries).collect();
        if by_selector.iter().any(|canaries| !canaries.is_empty()) {
            self.0.insert(hook, by_selector);
        }
    }

    /// Adds all of these.
    pub(crate) fn extend(&mut self, others: Canaries) {
        self.0.extend(others.0);
    }

    /// Forgets those of a hook.
    pub(crate) fn remove(&mut self, hook: u32) {
        self.0.remove(&hook);
    }

    /// The requests that a hit makes.
    pub(crate) fn requests(
        &self,
        hook: u32,
        selector: u32,
        exec_id: &str,
    ) -> impl Iterator<Item = ActionRequest> {
        let by_selector = self.0.get(&hook);
        let canaries = by_selector.and_then(|selectors| selectors.get(selector as usize));
        canaries.into_iter().flatten().map(|canary| ActionRequest {
            source: canary.source.clone(),
            action: canary.action.clone(),
            exec_id: exec_id.to_owned(),
        })
    }
}

/// The action that reaches out of the host, if it is one that does.
fn outward(action: &ActionPlan) -> Option<Action> {
    match action {
        ActionPlan::GetUrl(url) => Some(Action::Http {
            method: Method::Get,
            url: url.clone(),
            headers: Vec::new(),
            body: Vec::new(),
        }),
        ActionPlan::DnsLookup(name) => Some(Action::Dns { name: name.clone(), record: None }),
        ActionPlan::Post
        | ActionPlan::NoPost
        | ActionPlan::Signal(_)
        | ActionPlan::Sigkill
        | ActionPlan::Override(_)
        | ActionPlan::OverrideInProgram(_)
        | ActionPlan::NotifyEnforcer { .. }
        | ActionPlan::CleanUpNotification
        | ActionPlan::Set { .. }
        | ActionPlan::FollowDescriptor { .. }
        | ActionPlan::UnfollowDescriptor { .. }
        | ActionPlan::CopyDescriptor { .. }
        | ActionPlan::Socket { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use serin_policy::{ArgumentKind, ArgumentPlan, SelectorPlan};

    use super::*;

    fn plan() -> HookPlan {
        let selector = |actions| SelectorPlan { actions, ..SelectorPlan::default() };
        HookPlan {
            target: Target::Function("fd_install".into()),
            arguments: vec![ArgumentPlan {
                index: 1,
                kind: ArgumentKind::File,
                label: "file".into(),
                source: serin_policy::ArgumentSource::Parameter,
                resolve: None,
            }],
            returns: None,
            return_action: None,
            selectors: vec![
                selector(vec![ActionPlan::Post]),
                selector(vec![
                    ActionPlan::DnsLookup("a.test".into()),
                    ActionPlan::GetUrl("http://b.test/".into()),
                    ActionPlan::Sigkill,
                ]),
            ],
            message: "m".into(),
            tags: vec!["t".into()],
            ignore_not_found: false,
            position: (1, 1),
        }
    }

    #[test]
    fn every_outward_action_of_the_matching_selector_is_requested() {
        let mut canaries = Canaries::default();
        canaries.add(7, "bait", &plan());
        let get =
            Action::Http { method: Method::Get, url: "http://b.test/".into(), headers: vec![], body: vec![] };
        for (hook, selector, expected) in [
            (7, 0, vec![]),
            (7, 1, vec![Action::Dns { name: "a.test".into(), record: None }, get]),
            (7, 2, vec![]),
            (8, 1, vec![]),
        ] {
            let requests: Vec<_> = canaries.requests(hook, selector, "id").collect();
            let is_ours = |request: &ActionRequest| {
                request.source == Source::Policy("bait".into()) && request.exec_id == "id"
            };
            assert!(requests.iter().all(is_ours), "{requests:?}");
            let actions: Vec<_> = requests.into_iter().map(|request| request.action).collect();
            assert_eq!(actions, expected, "hook {hook}, selector {selector}");
        }
    }

    #[test]
    fn events_carry_what_the_policy_says() {
        let info = info(&"bait".into(), "fd_install", &plan());
        assert_eq!((&*info.policy_name, &*info.function_name, &*info.message), ("bait", "fd_install", "m"));
        assert_eq!((&*info.tags, &*info.labels), (&["t".to_owned()][..], &["file".into()][..]));
        let actions: Vec<_> = info.actions.iter().map(|actions| actions.to_vec()).collect();
        let second = vec!["KPROBE_ACTION_DNSLOOKUP", "KPROBE_ACTION_GETURL", "KPROBE_ACTION_SIGKILL"];
        assert_eq!(actions, [vec!["KPROBE_ACTION_POST"], second]);
    }
}
