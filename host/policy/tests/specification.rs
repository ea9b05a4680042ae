//! What `spec` says beside its hooks.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use serin_policy::{Policy, PolicyPlan};

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
    ] {
        let plan = plan(&format!("  options: {options}\n  kprobes: [{{call: sys_read}}]\n"));
        assert_eq!(plan.monitor, monitor, "{options}");
    }
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
