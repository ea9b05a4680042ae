//! What `spec` says beside its hooks.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use serin_policy::{ActionPlan, Policy, PolicyPlan, Target};

fn plan(spec: &str) -> PolicyPlan {
    let text =
        format!("apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {{name: p}}\nspec:\n{spec}");
    let policies = Policy::parse(&text, Path::new("p.yaml")).unwrap_or_else(|errors| panic!("{errors}"));
    policies[0].plan().clone()
}

#[test]
fn options_are_read() {
    for (options, monitor) in [
        ("[{name: policy-mode, value: monitor}]", true),
        ("[{name: policy-mode, value: enforce}]", false),
        ("[{name: disable-kprobe-multi, value: true}, {name: policy-mode, value: monitor}]", true),
        ("[{name: disable-uprobe-multi, value: \"1\"}]", false),
        ("[{name: override-method, value: fmod-ret}]", false),
        ("[{name: sleepable-preload-size, value: \"4096\"}]", false),
        ("[{name: sleepable-preload-size, value: 1}]", false),
    ] {
        let plan = plan(&format!("  options: {options}\n  kprobes: [{{call: sys_read}}]\n"));
        assert_eq!(plan.monitor, monitor, "{options}");
    }
}

#[test]
fn all_enforcers_have_their_calls_refused() {
    let plan = plan(
        "  lists:
  - {name: dups, type: syscalls, values: [sys_dup, __ia32_sys_dup]}
  enforcers:
  - calls: ['list:dups', sys_dup2]
  - calls: [dup]
  kprobes:
  - call: sys_read
    selectors:
    - matchActions: [{action: NotifyEnforcer, argError: -1, argSig: 9}]
    - matchActions: [{action: NotifyEnforcer, argSig: 9, argError: 0}]
    - matchActions: [{action: CleanupEnforcerNotification}]
",
    );
    let calls: Vec<_> = plan.enforced.iter().map(|call| (call.target.clone(), call.position)).collect();
    let native = |name: &str, number| Target::Syscall { name: name.into(), number };
    let compat = Target::CompatSyscall { name: "dup".into(), number: 41 };
    let expected = [(native("dup", 32), (8, 13)), (compat, (8, 13)), (native("dup2", 33), (8, 26))];
    assert_eq!(calls, expected);
    let actions: Vec<_> =
        plan.hooks[0].selectors.iter().flat_map(|selector| selector.actions.clone()).collect();
    let notify = |error, signal| ActionPlan::NotifyEnforcer { error, signal };
    assert_eq!(actions, [notify(-1, 9), notify(0, 9), ActionPlan::CleanUpNotification]);
}

/// A selector that takes in macros is the one that has their filters written out.
#[test]
fn macros_are_put_into_selectors() {
    let with = plan(
        "  selectorsMacros:
    shells: {matchBinaries: [{operator: In, values: [/bin/sh]}]}
    kill: {matchActions: [{action: Sigkill}]}
  kprobes:
  - call: sys_read
    args: [{index: 0, type: fd}]
    selectors:
    - macros: [shells, kill]
      matchArgs: [{index: 0, operator: Equal, values: [/etc/shadow]}]
    - macros: [shells]
  lsmhooks: [{hook: file_open, selectors: [{macros: [kill]}]}]
",
    );
    let without = plan(
        "  kprobes:
  - call: sys_read
    args: [{index: 0, type: fd}]
    selectors:
    - matchBinaries: [{operator: In, values: [/bin/sh]}]
      matchActions: [{action: Sigkill}]
      matchArgs: [{index: 0, operator: Equal, values: [/etc/shadow]}]
    - matchBinaries: [{operator: In, values: [/bin/sh]}]
  lsmhooks: [{hook: file_open, selectors: [{matchActions: [{action: Sigkill}]}]}]
",
    );
    for ((with, without), field) in with.hooks.iter().zip(&without.hooks).zip(["kprobes", "lsmhooks"]) {
        assert_eq!((&with.target, &with.selectors), (&without.target, &without.selectors), "{field}");
    }
    assert_eq!(with.hooks.len(), without.hooks.len());
}

#[test]
fn policies_are_for_hosts_with_the_labels_that_they_ask_for() {
    let labels = [("tier".to_owned(), "web".to_owned())].into();
    for (selector, expected) in [
        ("{}", true),
        ("null", true),
        ("{matchLabels: {tier: web}}", true),
        ("{matchLabels: {tier: web, zone: b}}", false),
        ("{matchExpressions: [{key: tier, operator: In, values: [db, web]}]}", true),
        ("{matchExpressions: [{key: tier, operator: NotIn, values: [web]}]}", false),
        ("{matchExpressions: [{key: zone, operator: DoesNotExist}]}", true),
        ("{matchLabels: {tier: web}, matchExpressions: [{key: zone, operator: Exists}]}", false),
    ] {
        let plan = plan(&format!("  nodeSelector: {selector}\n  kprobes: [{{call: sys_read}}]\n"));
        assert_eq!(plan.is_for(&labels), expected, "{selector}");
    }
}
