//! What a policy would have made of recorded events.
//!
//! A recording holds what was reported, not what the kernel saw: where a filter asks for something that is not in it,
//! the answer is that it can't be told, with the reason, and never a guess. What rate limits would have left out is not
//! part of the question.

mod answer;
mod argument;
mod process;

use serin_event::argument::Argument;
use serin_event::{Event, Hook};
use serin_policy::{HookPlan, SelectorPlan};

use answer::Answer;

/// What a hook would have made of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This selector would have matched, counted from 0.
    Matched(usize),
    /// None would have.
    Unmatched,
    /// It can't be told whether this selector would have matched.
    Untold {
        /// Counted from 0; those before it would not have matched.
        selector: usize,
        /// Why.
        reason: String,
    },
}

/// Holds an event, which was recorded where this hook sits, against the hook's selectors.
///
/// The recording policy must have read the same arguments in the same order: a recording does not say which of a
/// function's parameters they are.
#[must_use]
pub fn judge(plan: &HookPlan, event: &Event, hook: &Hook) -> Verdict {
    for (selector, filters) in plan.selectors.iter().enumerate() {
        match matches(plan, filters, event, hook) {
            Answer::Yes => return Verdict::Matched(selector),
            Answer::No => {}
            Answer::Untold(reason) => return Verdict::Untold { selector, reason },
        }
    }
    Verdict::Unmatched
}

fn matches(plan: &HookPlan, selector: &SelectorPlan, event: &Event, hook: &Hook) -> Answer {
    let enforcing = selector.enforces();
    let process = process::holds(selector, event);
    let arguments = arguments(plan, selector, hook, enforcing);
    let returned: Vec<&Argument> = hook.returned.iter().map(|(value, _)| value).collect();
    let results = selector.returned.iter().map(|filter| match returned.is_empty() {
        true => Answer::untold("it was recorded without what is returned"),
        false => argument::holds(filter, &returned, enforcing),
    });
    Answer::all([process, arguments].into_iter().chain(results))
}

fn arguments(plan: &HookPlan, selector: &SelectorPlan, hook: &Hook, enforcing: bool) -> Answer {
    let (recorded, read) = (hook.arguments.len() + hook.data.len(), plan.arguments.len());
    if !selector.arguments.is_empty() && recorded != read {
        return Answer::untold(format!(
            "it was recorded with {recorded} arguments, and the policy reads {read}"
        ));
    }
    // What is read besides stands behind the parameters.
    let values: Vec<&Argument> = hook.arguments.iter().chain(&hook.data).map(|(value, _)| value).collect();
    Answer::all(selector.arguments.iter().map(|filter| argument::holds(filter, &values, enforcing)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use serin_event::{EventKind, json};
    use serin_policy::Policy;

    use super::*;

    const RECORDED: &str = r#"{"process_kprobe":{"process":{"pid":77,"binary":"/usr/bin/ln"},
        "parent":{"pid":70,"binary":"/bin/bash"},"function_name":"__x64_sys_symlinkat",
        "args":[{"string_arg":"/etc/passwd"},{"int_arg":-100}],"return":{"int_arg":-13}}}"#;

    /// What a policy with these selectors makes of [`RECORDED`].
    fn judged(selectors: &str) -> Verdict {
        let text = format!(
            "{{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {{name: p}}, spec: {{kprobes: [{{\
             call: sys_symlinkat, return: true, returnArg: {{index: 0, type: int}}, \
             args: [{{index: 0, type: string}}, {{index: 1, type: int}}], selectors: [{selectors}]}}]}}}}"
        );
        let policies = Policy::parse(&text, Path::new("p.yaml")).unwrap();
        let event = json::read(&RECORDED.replace('\n', "")).unwrap();
        let EventKind::Kprobe(hook) = &event.kind else { unreachable!() };
        judge(&policies[0].plan().hooks[0], &event, hook)
    }

    #[test]
    fn selectors_are_tried_in_order() {
        let passwd = "matchArgs: [{index: 0, operator: Equal, values: [/etc/passwd]}]";
        let shadow = "matchArgs: [{index: 0, operator: Equal, values: [/etc/shadow]}]";
        let at_cwd = "matchArgs: [{index: 1, operator: Equal, values: [\"-100\"]}]";
        let by_ln = "matchBinaries: [{operator: In, values: [/usr/bin/ln]}]";
        let refused = "matchReturnArgs: [{index: 0, operator: Equal, values: [\"-13\"]}]";
        for (selectors, expected) in [
            (format!("{{{passwd}}}"), Verdict::Matched(0)),
            (format!("{{{shadow}}}, {{{passwd}, {by_ln}}}"), Verdict::Matched(1)),
            (format!("{{{shadow}}}, {{{at_cwd}, {refused}}}"), Verdict::Matched(1)),
            (format!("{{{shadow}}}"), Verdict::Unmatched),
            ("{matchPIDs: [{operator: In, values: [77]}]}".into(), Verdict::Matched(0)),
            ("{matchPIDs: [{operator: NotIn, values: [77]}]}".into(), Verdict::Unmatched),
            ("{matchPIDs: [{operator: In, values: [70], followForks: true}]}".into(), Verdict::Matched(0)),
            ("{matchParentBinaries: [{operator: Postfix, values: [/bash]}]}".into(), Verdict::Matched(0)),
            (
                "{matchBinaries: [{operator: In, values: [/bin/bash], followChildren: true}]}".into(),
                Verdict::Matched(0),
            ),
        ] {
            assert_eq!(judged(&selectors), expected, "{selectors}");
        }
    }

    #[test]
    fn what_a_recording_does_not_hold_is_not_guessed() {
        let shadow = "matchArgs: [{index: 0, operator: Equal, values: [/etc/shadow]}]";
        let host = "matchNamespaces: [{namespace: Net, operator: In, values: [host_ns]}]";
        for (selectors, words) in [
            (format!("{{{host}}}, {{}}"), "namespaces and credentials"),
            (
                "{matchPIDs: [{operator: In, values: [1], followForks: true}]}".into(),
                "no ancestors but the parent",
            ),
            (
                "{matchPIDs: [{operator: NotIn, values: [1], isNamespacePID: true}]}".into(),
                "the host's process ids",
            ),
        ] {
            match judged(&selectors) {
                Verdict::Untold { selector: 0, reason } => {
                    assert!(reason.contains(words), "{selectors}: {reason}")
                }
                verdict => panic!("{selectors}: {verdict:?}"),
            }
        }
        assert_eq!(judged(&format!("{{{shadow}, {host}}}")), Verdict::Unmatched, "another filter settles it");
    }
}
