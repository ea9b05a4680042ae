//! What is told of plugins that run.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use serin_event::EventKind;
use serin_pipeline::{Digest, PluginState};
use support::{Setup, event, plugin};

#[test]
fn a_plugin_is_told_by_what_it_is_and_how_it_does() {
    let component = plugin("faulty");
    let digest = Digest::of(&std::fs::read(&component).unwrap());
    let entry = |name: &str, on_failure: &str| {
        format!(
            "- name: {name}\n  component: {component}\n  grants: {{ log: true }}\n  onFailure: {on_failure}\n  \
             config: {{ fault: trap, argument: -s }}\n"
        )
    };
    let mut pipeline = Setup::new().load(&(entry("a", "pass") + &entry("b", "disable"))).unwrap();
    let states = |pipeline: &serin_pipeline::Pipeline| {
        pipeline.statuses().map(|status| (status.name.to_string(), status.state)).collect::<Vec<_>>()
    };
    let named = |states: [PluginState; 2]| {
        ["a".to_owned(), "b".to_owned()].into_iter().zip(states).collect::<Vec<_>>()
    };
    assert_eq!(states(&pipeline), named([PluginState::Running; 2]));
    for status in pipeline.statuses() {
        assert_eq!((&*status.component, status.digest), ("faulty", digest));
        assert!(!status.version.is_empty(), "{status:?}");
    }
    pipeline.process(&mut vec![event(EventKind::Exec)]);
    assert_eq!(states(&pipeline), named([PluginState::Waiting, PluginState::Disabled]));
    assert!(pipeline.statuses().all(|status| &*status.component == "faulty"), "forgotten with the instance");
}
